# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's declaration of teams: gathered, typed, completed and checked, on the controller.

The schema is the documentation of the C(teams) lookup, so that what is documented is what is checked.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.module_utils.errors import UnsupportedError

from ..module_utils._declared import access_problems, account_problems, repeated
from ..module_utils._dialect import DENY_SINCE, ROLES_ONLY_SINCE
from ..module_utils._kinds import DECLARED, KINDS
from ..module_utils._text import shown
from .addresses import address_problems
from .clients import client_problems
from .creators import creator_names, creator_problems
from .environment import server_environment_problems
from .forms import form_problems, shape_problems
from .genai import genai_defaults, genai_problems
from .limits import limit_problems
from .locations import location_problems, presigned_problems, signing_problems
from .names import name_problems
from .network import network_defaults, network_problems
from .packages import DEFAULT_PACKAGES, Packages, installed
from .replicas import replica_problems
from .resources import resource_defaults, resource_problems
from .sharing import shared_problems, twice_problems
from .storage import (
    artifacts_dir,
    client_root,
    databases,
    default_store,
    places,
    sqlite_files,
    state_dir,
    storage_collisions,
    storage_dirs,
    storage_problems,
)
from .variables import TEAM_PREFIX

PINNED_VERSION = re.compile(r"\d+\.\d+\.\d+(rc\d+)?")
# Ansible shows a value of the wrong type, which may be a password.
VALUE = re.compile(r"(?<=unable to convert to )(?P<type>\w+): .*|(?<=^Value )'.*'(?= in the sub parameter)", re.DOTALL)
# Up to 2.18 it names types as Python does, and wants no null where a text is wanted, which form_problems has said.
CLASS = re.compile(r"<class '(\w+)'>")
OF_A_NULL = re.compile(r"is of type NoneType|, got: (None)?( found in .*)?$")
# The permission API that the modules speak begins here.
OLDEST_VERSION = ROLES_ONLY_SINCE

Team = t.Dict[str, t.Any]


@functools.lru_cache(maxsize=None)
def team_schema(documentation: str) -> dict[str, t.Any]:
    """The argument spec of one team, from the documentation that describes it."""
    options = yaml_load(documentation)["options"]["mlflow_teams"]["suboptions"]
    return _argument_spec(options)


def _argument_spec(options: dict[str, t.Any]) -> dict[str, t.Any]:
    spec = {}
    for name, option in options.items():
        spec[name] = {
            key: option[key] for key in ("type", "elements", "required", "choices", "default") if key in option
        }
        # What a gateway's secret consists of stands there as well, and in a grant only what it is called.
        is_secret = name.endswith(("password", "secret")) and name != "gateway_secret"
        spec[name]["no_log"] = is_secret or name == "values"
        if "suboptions" in option:
            spec[name]["options"] = _argument_spec(option["suboptions"])
    return spec


def read_teams(
    declared: list[tuple[str, t.Any]],
    schema: dict[str, t.Any],
    defaults: dict[str, str],
    requirements: t.Iterable[t.Any] = DEFAULT_PACKAGES,
) -> tuple[list[Team], list[str]]:
    """The teams with every default filled in, and what is wrong with them, a line each.

    C(declared) has each team with the place it stands in. C(defaults) holds what the inventory says
    for all teams that do not say it themselves, and C(requirements) what is installed beside MLflow.
    """
    teams, problems = [], []
    packages = installed(requirements)
    for place, team in declared:
        if not isinstance(team, dict):
            several = "; it can have one team, and mlflow_teams takes several" if _is_own_list(place, team) else ""
            problems.append(f"{place}: is not a mapping of a team's settings{several}")
            continue
        label = f"mlflow_teams: {team['name']}" if isinstance(team.get("name"), str) else place
        found = list(shape_problems(team, schema))
        if found:
            problems += [f"{label}: {problem}" for problem in found]
            continue
        checked = ArgumentSpecValidator(schema).validate(team)
        found = [*form_problems(team, schema), *_spec_problems(checked.errors)]
        if not found:
            completed = _completed(checked.validated_parameters, defaults)
            teams.append(completed)
            found = list(_team_problems(completed, packages))
        problems += [f"{label}: {problem}" for problem in found]
    return teams, [shown(problem) for problem in (*problems, *_collisions(teams))]


def _spec_problems(errors: t.Iterable[t.Any]) -> t.Iterator[str]:
    """What Ansible found, without the values that it shows."""
    for error in errors:
        if isinstance(error, UnsupportedError):
            yield f"unknown key: {error.msg}"
            continue
        said = VALUE.sub(r"\g<type>", CLASS.sub(r"\1", error.msg))
        if not OF_A_NULL.search(said):
            yield said


def _is_own_list(place: str, team: t.Any) -> bool:
    return isinstance(team, (list, tuple)) and place.startswith(TEAM_PREFIX)


def _completed(team: Team, defaults: dict[str, str]) -> Team:
    team = {**team, **genai_defaults(team)}
    team.update({key: team[key] or default for key, default in defaults.items()})
    # Where to reach the server from its own host; a wildcard is no address to connect to.
    address = str(team["listen_address"])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    team["tracking_uri"] = f"http://{f'[{host}]' if ':' in host else host}:{team['port']}"
    where = {"serve": True, "destination": None, "root": None, "presigned": False}
    team["artifacts"] = {**where, **(team["artifacts"] or {})}
    team["state_dir"] = str(state_dir(team))
    team["backend_store_uri"] = team["backend_store_uri"] or default_store(team)
    team["auth_database_uri"] = team["auth_database_uri"] or team["backend_store_uri"]
    team["storage_dirs"] = storage_dirs(team)
    team["databases"] = databases(team)
    team["sqlite_files"] = sqlite_files(team)
    team["artifacts_dir"] = artifacts_dir(team)
    team["places"] = places(team)
    team["client_root"] = client_root(team)
    team.update(network_defaults(team))
    team.update(resource_defaults(team))
    team["creator_names"] = creator_names(team)
    for holder in team["users"] + team["groups"]:
        # A key without a value counts as given where one of two is wanted.
        grants = [{key: value for key, value in grant.items() if value is not None} for grant in holder["grants"]]
        holder["grants"] = grants
    return team


def _team_problems(team: Team, packages: Packages) -> t.Iterator[str]:
    yield from name_problems(team["name"], leaving=team["state"] == "absent")
    if not 1024 <= team["port"] <= 65535:
        yield f"port: {team['port']} is outside 1024-65535"
    yield from _version_problems(team["version"])
    pinned = PINNED_VERSION.fullmatch(team["version"])
    if pinned:
        yield from signing_problems(team, _exact(team["version"]))
    yield from address_problems(team)
    admin = {"name": team["admin_username"], "password": team["admin_password"]}
    yield from account_problems(admin, "admin_username", "admin_password")
    if admin["name"] in {user["name"] for user in team["users"]}:
        yield f"users: '{admin['name']}' is the team's admin already (admin_username)"
    yield from access_problems(team)
    yield from _denial_problems(team)
    yield from _kind_problems(team)
    yield from creator_problems(team)
    yield from limit_problems(team)
    yield from storage_problems(team, packages)
    yield from twice_problems(team)
    yield from replica_problems(team)
    yield from location_problems(team, packages)
    yield from presigned_problems(team)
    yield from genai_problems(team, _release(team["version"]) if pinned else None)
    yield from network_problems(team, _release(team["version"]) if pinned else None)
    yield from client_problems(team)
    yield from resource_problems(team)
    yield from server_environment_problems(team["environment"], team["state_dir"])
    artifacts = team["artifacts"]
    if not artifacts["serve"] and not artifacts["root"]:
        yield "artifacts: root: is needed where serve is false, since clients then go there themselves"
    if artifacts["serve"] and artifacts["root"]:
        yield "artifacts: root: only has a meaning where serve is false; give destination instead"


def _version_problems(version: str) -> t.Iterator[str]:
    if not PINNED_VERSION.fullmatch(version):
        yield f"version: '{version}' is not pinned; give all three numbers, like 3.17.2"
    elif _release(version) < OLDEST_VERSION:
        yield f"version: {version} is too old; this collection deploys {_spelled(OLDEST_VERSION)} and later"


def _denial_problems(team: Team) -> t.Iterator[str]:
    """Said before anything is deployed; the server itself would be asked too late for that."""
    if not PINNED_VERSION.fullmatch(team["version"]) or _release(team["version"]) >= DENY_SINCE:
        return
    wanted = {
        f"{key}: {thing['name']}": [grant["permission"] for grant in thing["grants"]]
        for key in ("users", "groups")
        for thing in team[key]
    }
    for kind in DECLARED:
        wanted.update({f"{kind}s: {thing['name']}": list(thing["grants"].values()) for thing in team[f"{kind}s"]})
    for place, levels in wanted.items():
        if "DENY" in levels:
            yield f"{place}: grants: DENY needs MLflow {_spelled(DENY_SINCE)} or later; this team has {team['version']}"


def _kind_problems(team: Team) -> t.Iterator[str]:
    """Kinds of things that came after the team's version; the server itself would be asked too late for that."""
    if not PINNED_VERSION.fullmatch(team["version"]):
        return
    for key in ("users", "groups"):
        for thing in team[key]:
            for kind in KINDS.values():
                since = kind.since if key == "users" else kind.groups_since
                if _release(team["version"]) < since and any(
                    grant.get(kind.word) is not None for grant in thing["grants"]
                ):
                    yield (
                        f"{key}: {thing['name']}: grants: {kind.word} needs MLflow {_spelled(since)} or later; "
                        f"this team has {team['version']}"
                    )


def _exact(version: str) -> tuple[int, ...]:
    """All of a version's numbers; a candidate comes before what it is one of."""
    numbers, _rc, candidate = version.partition("rc")
    *release, patch = map(int, numbers.split("."))
    return (*release, patch - bool(candidate))


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def _spelled(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))


def _collisions(teams: list[Team]) -> t.Iterator[str]:
    for name in repeated(teams):
        yield f"mlflow_teams: name: two teams are called '{name}'"
    for position, team in enumerate(teams):
        for other in teams[:position]:
            # No list means every host, so it meets any other team's.
            everywhere = not team["servers"] or not other["servers"]
            together = everywhere or not set(team["servers"]).isdisjoint(other["servers"])
            if team["name"] == other["name"]:
                continue
            yield from shared_problems(team, other, together)
            if not together:
                continue
            # A port is free again when its team is gone; directories are not, as long as its data are there.
            if team["port"] == other["port"] and "absent" not in (team["state"], other["state"]):
                yield f"mlflow_teams: port: '{other['name']}' and '{team['name']}' both want {team['port']}"
            yield from storage_collisions(team, other)
