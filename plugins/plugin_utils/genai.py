# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's gateway to language models, and the work in the background that asks through it: C(genai) of a team."""

from __future__ import annotations

import typing as t

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

JOBS, GATEWAY = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_ENABLE_AI_GATEWAY"
# Before, everybody who can log in may have a judge read any trace.
SINCE = (3, 17)
# MLflow looks for work each minute, and takes a trace minutes after it came: it has nothing to do only in between.
NEVER = "never"
USUAL = {"memory_max": "2G", "tasks_max": 512}
# Nine processes more, 1.7 GB in all with nothing to do, and another of 170 MB for each job; each has threads for its
# jobs, and some for each processor.
WITH_GENAI = {"memory_max": "4G", "tasks_max": 2048, "idle_timeout": NEVER}
# Jobs reach the gateway of their own server, and nothing else that is on loopback, by an address that follows from its
# port, which is no other team's. MLflow would send what lets them in to port 5000, whoever listens there.
OWN_NETWORK = "127.77"


def genai_defaults(team: Team) -> Team:
    """What the server may take and whether it sleeps, where the team does not say it, and its C(own_address)."""
    usual = {**USUAL, **(WITH_GENAI if team["genai"] else {})}
    own = f"{OWN_NETWORK}.{team['port'] >> 8}.{team['port'] & 255}" if has_jobs(team) else None
    return {**{key: value for key, value in usual.items() if team[key] is None}, "own_address": own}


def has_jobs(team: Team) -> bool:
    """Whether MLflow works in the background, which a variable alone can say, too."""
    return bool(team["genai"]) or _is_on(team["environment"].get(JOBS))


def genai_problems(team: Team, release: tuple[int, ...] | None) -> Problems:
    """What the team says otherwise elsewhere; C(release) is that of its version, where that is one."""
    yield from _environment_problems(team)
    if not team["genai"]:
        yield from _problems_without(team)
        return
    if release is not None and release < SINCE:
        since = ".".join(map(str, SINCE))
        yield (
            f"genai: needs MLflow {since} or later, which asks who may have a judge read which traces; "
            f"this team has {team['version']}"
        )
    if team["idle_timeout"] != NEVER:
        yield (
            f"idle_timeout: '{team['idle_timeout']}' would end what genai: true does with nobody connected; "
            f"leave it out, or use '{NEVER}'"
        )
    if team["private_network"]:
        yield "private_network: true keeps genai: true from every provider of models; leave it out, or say false"
    if team["judge_username"] is not None:
        yield from _judge_problems(team)


def _environment_problems(team: Team) -> Problems:
    if team["genai"] is None:
        return
    said, instead = ("true", "leave it out") if team["genai"] else ("false", "leave one of them out")
    for name in (JOBS, GATEWAY):
        if name in team["environment"] and _is_on(team["environment"][name]) is not team["genai"]:
            yield f"environment: {name} says otherwise than genai: {said}; {instead}"


def _problems_without(team: Team) -> Problems:
    if team["judge_username"] is not None:
        yield "judge_username: has no meaning without genai: true"
    for key in ("gateway_secrets", "gateway_endpoints"):
        if team["genai"] is False and team[key]:
            yield f"{key}: need the gateway, which genai: false switches off; say true, or leave them out"


def _judge_problems(team: Team) -> Problems:
    name = team["judge_username"]
    if name == team["admin_username"]:
        yield (
            f"judge_username: '{name}' may use all there is, and so could whoever sets a judge up; "
            "name a user with USE on what judges ask"
        )
    elif name not in {*(user["name"] for user in team["users"]), *team["keep_users"]}:
        yield f"judge_username: '{name}' is not a user of this team; declare them, with USE on what judges ask"
    elif not name.isascii():
        yield f"judge_username: '{name}' has letters that MLflow's gateway does not take in a log-in; use ASCII alone"


def _is_on(value: t.Any) -> bool:
    """As MLflow reads it."""
    return str(value).lower() in ("true", "1")
