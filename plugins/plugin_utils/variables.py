# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the inventory that look like ours, and that nothing reads."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

Variables = t.Mapping[str, t.Any]
Problems = t.Iterator[str]

ROLES = Path(__file__).resolve().parents[2] / "roles"
TEAMS, TEAM_PREFIX = "mlflow_teams", "mlflow_team_"
# Read by lookups and playbooks, or kept by roles from one to the next.
FURTHER = (
    *(TEAMS, "mlflow_version", "mlflow_listen_address", "mlflow_server_idle_timeout", "mlflow_server_gc_older_than"),
    *(
        "mlflow_server_disk_max",
        "mlflow_server_address",
        "mlflow_server_failed_teams",
        "mlflow_access_failed_teams",
        "mlflow_endpoints_failure",
    ),
    *("mlflow_client_user", "mlflow_proxy_address"),
)
# Names that other things have too, in an inventory of one's own.
COMMON = ("mlflow_team", "mlflow_user")


def variable_problems(variables: Variables) -> Problems:
    """A line for each that is nearly one of ours, with the one that is meant."""
    known = known_variables()
    for name in sorted(name for name in variables if isinstance(name, str)):
        if name in known or name.startswith(("_", TEAM_PREFIX)) or not _is_like_ours(name):
            continue
        if meant := _team_prefix(name, variables[name]):
            yield f"{name}: is read by nothing; a team's own variable begins with {TEAM_PREFIX}, so call it {meant}"
        elif meant := _nearest(name, known, variables[name]) or _of_other_words(name, known, variables):
            yield f"{name}: is read by nothing; {meant} is what it is called"


@functools.lru_cache(maxsize=None)
def known_variables() -> frozenset[str]:
    """Every variable that a role or a lookup of the collection reads."""
    found = set(FURTHER)
    for specs in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        for entry in yaml_load(specs.read_text(encoding="utf-8"))["argument_specs"].values():
            found.update(entry.get("options") or {})
    lookup = ROLES.parent / "plugins" / "lookup" / "teams.py"
    options = yaml_load(lookup.read_text(encoding="utf-8").split('r"""', 2)[1].split('"""', 1)[0])["options"]
    found.update(each["name"] for option in options.values() for each in option.get("vars", []))
    return frozenset(found)


def _is_like_ours(name: str) -> bool:
    return min(distance(name[:length], "mlflow_") for length in (5, 6, 7, 8)) <= 1


def _team_prefix(name: str, value: t.Any) -> str | None:
    """What a variable with a team in it would be called, where its beginning is only nearly the right one."""
    lengths = range(len(TEAM_PREFIX) - 2, len(TEAM_PREFIX) + 3)
    # Of several that are as near, the one that ends where a part of the name does, or else the shortest.
    ends = {length: name[:length].endswith(("_", "-")) for length in lengths}
    away, _ends, _size, length = min(
        (distance(name[:length], TEAM_PREFIX), not ends[length], -length if ends[length] else length, length)
        for length in lengths
    )
    rest = name[length:].strip("_-")
    is_team = isinstance(value, t.Mapping) and bool({"name", "port", "admin_password"} & set(value))
    return f"{TEAM_PREFIX}{rest}" if rest and away <= 2 and (is_team or name.startswith(f"{TEAMS}_")) else None


def _nearest(name: str, known: t.Iterable[str], value: t.Any) -> str | None:
    if name in COMMON and isinstance(value, (str, int)):
        return None
    plain = _spelled(name)
    away, meant = min((distance(plain, _spelled(each)), each) for each in known)
    return meant if away <= (1 if len(name) < 16 else 2 if len(name) < 24 else 3) else None


def _of_other_words(name: str, known: t.Iterable[str], variables: Variables) -> str | None:
    """One with a word more or less; what fills in the one that is meant is somebody's own."""
    given = name.split("_")
    found = [each for each in sorted(known) if each not in variables and _differ_in_a_word(given, each.split("_"))]
    return found[0] if found else None


def _differ_in_a_word(given: list[str], meant: list[str]) -> bool:
    if given == [*meant[:1], "server", *meant[1:]]:
        return True
    short, long = sorted((given, meant), key=len)
    # Of two words alone, many names are somebody's own.
    return len(short) > 2 and any(long[:at] + long[at + 1 :] == short for at in range(1, len(long) - 1))


def _spelled(name: str) -> str:
    """Groups of hosts are called mlflow_proxies and mlflow_servers; variables of roles are not."""
    return (
        name.replace("-", "_").replace("mlflow_proxies_", "mlflow_proxy_").replace("mlflow_servers_", "mlflow_server_")
    )


def distance(first: str, second: str) -> int:
    """How many letters are too many, missing, wrong or in each other's place."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, 1):
        row = [i]
        for j, other in enumerate(second, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
