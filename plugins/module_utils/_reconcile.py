# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring everybody on one server into the declared state."""

from __future__ import annotations

import contextlib
import typing as t

from ._access import Declaration, access_steps, access_warnings, left_grants
from ._access_arguments import refuse_empty
from ._client import Client
from ._errors import LONGEST, MlflowError, RequestRefused
from ._server import Server
from ._steps import DENY, JOIN, OPEN, TAKE, Step, in_order, lines
from ._text import cut

OBSERVATIONS = 3
# Somebody else may have been quicker.
LOOK_AGAIN = (400, 404, 409)
# Not what was asked for is in the way, so that nothing else would be done either.
ENDS = (401, 429, 502, 503, 504)
# Things that are done without in one run. For each, all is looked at once more.
MOST_STUCK = 20


class Done(t.NamedTuple):
    """What was done, or in check mode would be, a line for each difference; and what a person should know.

    C(left) has how many grants were left alone, by the kinds of things that nobody declared anything about; C(refused),
    why some things are not as they are declared; C(failure), what the server answered when it refused something.
    """

    changes: list[str]
    warnings: list[str]
    left: dict[str, int]
    refused: list[str]
    failure: dict[str, t.Any]

    @property
    def problem(self) -> str:
        """The same in one message; of many, the first ones."""
        return cut("; ".join(self.refused), LONGEST)


class LookAgain(Exception):
    """What was seen of the server is not so any more, or was planned for too much."""


def reconcile(client: Client, declared: Declaration) -> Done:
    """Do what differs; after a refusal look again, since somebody else may have done it.

    What ends the run is raised where nothing was done before, and told with that otherwise.
    """
    refuse_empty(declared)
    done = Done([], [], {}, [], {})
    try:
        look_and_do(client, declared, done)
    except MlflowError as error:
        if not done.changes:
            raise
        done.refused.append(f"the run ended after {len(done.changes)} of its changes: {error}")
        done.failure.update(error.failure)
    return done


def look_and_do(client: Client, declared: Declaration, done: Done) -> None:
    """Do it, with all that is to be told of it."""
    looks = 0
    stuck: dict[tuple[str, str], str] = {}
    while True:
        looks += 1
        server = Server(client, [user["name"] for user in declared["users"]], stuck)
        steps = in_order(access_steps(server, declared))
        if looks == 1 and not server.can("list of users") and declared["policy"] == "exclusive":
            done.warnings.append(
                f"MLflow {client.version} cannot list its users, so those nobody declared stay; 3.10 and later can"
            )
        done.warnings.extend(told for told in access_warnings(server, declared) if told not in done.warnings)
        done.left.update(left_grants(server, declared))
        done.refused[:] = server.refused
        if client.read_only:
            done.changes.extend(lines(steps))
            return
        with contextlib.suppress(LookAgain):
            carry_out(steps, done, stuck, again=looks < OBSERVATIONS)
            return


def carry_out(steps: list[Step], done: Done, stuck: dict[tuple[str, str], str], again: bool) -> None:
    """Do one after the other.

    A thing of which the server refuses a step is noted as C(stuck), and keeps nobody else from theirs. Any other
    refusal keeps from being done what comes after all that takes something away: it could be given to who is to go.
    """
    last, waiting = OPEN, []
    for step in steps:
        if step.phase > last:
            waiting.append(step)
            continue
        try:
            step.do()
        except MlflowError as refusal:
            done.changes.extend(refusal.done)
            if not isinstance(refusal, RequestRefused):
                raise
            if again and refusal.status in LOOK_AGAIN:
                raise LookAgain from None
            heed(refusal, step, done, stuck)
            # Who is in a group may be denied something by it.
            if step.phase <= DENY or step.phase == JOIN:
                last = min(last, max(step.phase, TAKE))
        else:
            done.changes.extend(lines([step]))
    told = [step.line or step.name for step in waiting if step.line or step.name]
    if told:
        # Who cannot log in until then is named: their line says that another password was set.
        named = ", ".join(["", *(step.name for step in waiting if step.name)])
        done.refused.append(f"{len(told)} more changes wait for a run in which that can be done{named}")


def heed(refusal: RequestRefused, step: Step, done: Done, stuck: dict[tuple[str, str], str]) -> None:
    """Note what the server has refused; raise where that is the end, or where there is another plan without it."""
    if refusal.status in ENDS:
        raise refusal
    if not done.failure:
        done.failure.update(refusal.failure)
    why = f"{step.line or step.name}: {refusal}"
    if step.about is not None and step.about not in stuck and len(stuck) < MOST_STUCK:
        stuck[step.about] = why
        raise LookAgain
    done.refused.append(why)
