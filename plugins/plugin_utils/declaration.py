# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's declaration of teams: gathered, typed, completed and checked, on the controller.

The schema is the documentation of the C(teams) lookup, so that what is documented is what is checked.
"""

from __future__ import annotations

import re
import typing as t

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ..module_utils._arguments import LEVELS, RESOURCE_TYPES
from ..module_utils._credentials import password_problem, username_problem

TEAM_NAME = re.compile(r"^[a-z][a-z0-9-]{0,23}$")
# Under a path that begins so, MLflow takes every request for one that needs no credentials.
OPEN_PATHS = ("health", "static")
PINNED_VERSION = re.compile(r"^\d+\.\d+\.\d+(rc\d+)?$")
# The permission API that the modules speak begins here.
OLDEST_VERSION = (3, 13)

Team = t.Dict[str, t.Any]


def team_schema(documentation: str) -> dict[str, t.Any]:
    """The argument spec of one team, from the documentation that describes it."""
    options = yaml.safe_load(documentation)["options"]["mlflow_teams"]["suboptions"]
    return _argument_spec(options)


def _argument_spec(options: dict[str, t.Any]) -> dict[str, t.Any]:
    spec = {}
    for name, option in options.items():
        spec[name] = {
            key: option[key] for key in ("type", "elements", "required", "choices", "default") if key in option
        }
        spec[name]["no_log"] = name.endswith("password")
        if "suboptions" in option:
            spec[name]["options"] = _argument_spec(option["suboptions"])
    return spec


def read_teams(
    declared: list[t.Any], schema: dict[str, t.Any], defaults: dict[str, str]
) -> tuple[list[Team], list[str]]:
    """The teams with every default filled in, and what is wrong with them, a line each.

    C(defaults) holds what the inventory says for all teams that do not say it themselves.
    """
    teams, problems = [], []
    for position, team in enumerate(declared):
        label = team.get("name", f"number {position + 1}") if isinstance(team, dict) else f"number {position + 1}"
        if not isinstance(team, dict):
            problems.append(f"mlflow_teams: {label}: is no mapping of a team's settings")
            continue
        checked = ArgumentSpecValidator(schema).validate(team)
        found = [
            f"unknown key: {error.msg}" if isinstance(error, UnsupportedError) else error.msg
            for error in checked.errors
        ]
        if not found:
            completed = _completed(checked.validated_parameters, defaults)
            teams.append(completed)
            found = list(_team_problems(completed))
        problems += [f"mlflow_teams: {label}: {problem}" for problem in found]
    return teams, problems + list(_collisions(teams))


def _completed(team: Team, defaults: dict[str, str]) -> Team:
    team = {**team, **{key: team[key] or default for key, default in defaults.items()}}
    # Where to reach the server from its own host; a wildcard is no address to connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(team["listen_address"], team["listen_address"])
    team["tracking_uri"] = f"http://{host}:{team['port']}"
    if team["private_network"] is None:
        artifacts = team["artifacts"] or {}
        stores = (
            team["backend_store_uri"],
            team["auth_database_uri"],
            artifacts.get("destination"),
            artifacts.get("root"),
        )
        team["private_network"] = all(map(_is_local, stores))
    return team


def _is_local(uri: str | None) -> bool:
    return not uri or uri.startswith(("sqlite:", "file:", "/"))


def _team_problems(team: Team) -> t.Iterator[str]:
    yield from _name_problems(team["name"])
    if not 1024 <= team["port"] <= 65535:
        yield f"port: {team['port']} is outside 1024-65535"
    yield from _version_problems(team["version"])
    accounts = [{"name": team["admin_username"], "password": team["admin_password"]}, *team["users"]]
    for account in accounts:
        field = "admin_username" if account is accounts[0] else "users"
        problem = username_problem(account["name"])
        if problem:
            yield f"{field}: {problem}"
        problem = password_problem(account["password"])
        if problem:
            label = "admin_password" if account is accounts[0] else f"users: {account['name']}: password"
            yield f"{label}: {problem}"
    for key in ("users", "groups", "experiments", "registered_models"):
        names = [thing["name"] for thing in team[key]]
        yield from (f"{key}: '{name}' stands there twice" for name in _repeated(names))
    if team["admin_username"] in {user["name"] for user in team["users"]}:
        yield f"users: '{team['admin_username']}' is the team's admin already (admin_username)"
    yield from _access_problems(team)
    artifacts = team["artifacts"] or {}
    if artifacts and not artifacts["serve"] and not artifacts["root"]:
        yield "artifacts: root: is needed where serve is false, since clients then go there themselves"
    if artifacts and artifacts["serve"] and artifacts["root"]:
        yield "artifacts: root: only has a meaning where serve is false; give destination instead"


def _name_problems(name: str) -> t.Iterator[str]:
    if not TEAM_NAME.match(name):
        yield (
            f"name: '{name}' is no valid name; use 1 to 24 lower-case letters, digits and hyphens, "
            "beginning with a letter"
        )
    elif name.startswith(OPEN_PATHS):
        yield (
            f"name: '{name}' begins with {' or '.join(OPEN_PATHS)}; under a path of that name MLflow "
            "switches authentication off"
        )


def _version_problems(version: str) -> t.Iterator[str]:
    if not PINNED_VERSION.match(version):
        yield f"version: '{version}' is not pinned; give all three numbers, like 3.17.2"
    elif tuple(map(int, version.split(".")[:2])) < OLDEST_VERSION:
        yield f"version: {version} is too old; this collection deploys {'.'.join(map(str, OLDEST_VERSION))} and later"


def _access_problems(team: Team) -> t.Iterator[str]:
    users = {user["name"] for user in team["users"]}
    for group in team["groups"]:
        for member in group["members"]:
            if member not in users:
                yield f"groups: {group['name']}: members: '{member}' is no user of this team"
        for grant in group["grants"]:
            if sum(grant[kind] is not None for kind in RESOURCE_TYPES) != 1:
                yield f"groups: {group['name']}: grants: name one of {' and '.join(RESOURCE_TYPES)} in each"
            yield from _level_problems(f"groups: {group['name']}: grants", grant["permission"])
    for key in ("experiments", "registered_models"):
        for resource in team[key]:
            where = f"{key}: {resource['name']}: grants"
            for user, level in resource["grants"].items():
                if user not in users:
                    yield f"{where}: '{user}' is no user of this team"
                yield from _level_problems(f"{where}: {user}", level)


def _level_problems(where: str, level: object) -> t.Iterator[str]:
    if level not in LEVELS:
        yield f"{where}: '{level}' is no level; use one of {', '.join(LEVELS)}"


def _collisions(teams: list[Team]) -> t.Iterator[str]:
    for name in _repeated([team["name"] for team in teams]):
        yield f"mlflow_teams: name: two teams are called '{name}'"
    for position, team in enumerate(teams):
        for other in teams[:position]:
            # No list means every host, so it meets any other team's.
            together = not team["servers"] or not other["servers"] or set(team["servers"]) & set(other["servers"])
            if team["port"] == other["port"] and team["name"] != other["name"] and together:
                yield f"mlflow_teams: port: '{other['name']}' and '{team['name']}' both want {team['port']}"


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
