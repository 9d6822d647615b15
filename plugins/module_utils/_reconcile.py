# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring everybody on one server into the declared state."""

from __future__ import annotations

import typing as t

from ._access import Declaration, access_steps, access_warnings, left_grants
from ._access_arguments import refuse_empty
from ._client import Client
from ._errors import LONGEST, RequestRefused
from ._server import Server
from ._steps import in_order, lines
from ._text import cut

OBSERVATIONS = 3


class Done(t.NamedTuple):
    """What was done, or in check mode would be, a line for each difference; and what a person should know.

    C(left) has how many grants were left alone, by the kinds of things that nobody declared anything about; C(refused),
    why some things are not as they are declared.
    """

    changes: list[str]
    warnings: list[str]
    left: dict[str, int]
    refused: list[str]

    @property
    def problem(self) -> str:
        """The same in one message; of many, the first ones."""
        return cut("; ".join(self.refused), LONGEST)


def reconcile(client: Client, declared: Declaration) -> Done:
    """Do what differs; after a refusal look again, since somebody else may have done it."""
    refuse_empty(declared)
    done = Done([], [], {}, [])
    for attempt in range(OBSERVATIONS):
        server = Server(client, [user["name"] for user in declared["users"]])
        steps = in_order(access_steps(server, declared))
        if attempt == 0 and not server.can("list of users") and declared["policy"] == "exclusive":
            done.warnings.append(
                f"MLflow {client.version} cannot list its users, so those nobody declared stay; 3.10 and later can"
            )
        done.warnings.extend(told for told in access_warnings(server, declared) if told not in done.warnings)
        done.left.update(left_grants(server, declared))
        done.refused[:] = server.refused
        if client.read_only:
            done.changes.extend(lines(steps))
            break
        try:
            for step in steps:
                step.do()
                done.changes.extend(lines([step]))
            break
        except RequestRefused as refusal:
            if refusal.status not in (400, 404, 409) or attempt == OBSERVATIONS - 1:
                raise
    return done
