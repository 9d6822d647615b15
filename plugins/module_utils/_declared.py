# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with declared users, groups and grants, whatever the server.

The inventory is checked with it on the controller, and the C(access) module checks its options.
"""

from __future__ import annotations

import re
import typing as t

from ._contradictions import contradictions
from ._credentials import password_problem, username_problem
from ._dialect import LEVELS
from ._dialect_roles import HIDDEN_ROLE
from ._kinds import DECLARED, EVERY, WORDS, level_problem, name_problem
from ._registry import alias_problem
from ._secret_text import secret_problem
from ._text import shown

WEBHOOK_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
# Which schemes the server takes, its environment says.
WEBHOOK_URL = re.compile(r"https?://([^\s/?#@]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?([/?#]\S*)?")

Declared = t.Dict[str, t.Any]
Problems = t.Iterator[str]


def access_problems(declared: Declared, known: t.Iterable[str] = ()) -> Problems:
    """A line for each fault; C(known) are further users who may be members of groups."""
    # What an inventory says may have been exported from a server.
    return map(shown, _access_problems(declared, known))


def _access_problems(declared: Declared, known: t.Iterable[str]) -> Problems:
    present = {user["name"] for user in declared["users"] if user.get("state") != "absent"}
    for user in declared["users"]:
        if user["name"] in present:
            yield from account_problems(user, "users", f"users: {user['name']}: password")
    for key in ("users", "groups", *(f"{kind}s" for kind in DECLARED), "webhooks"):
        yield from (f"{key}: '{name}' is declared twice" for name in repeated(declared[key]))
        yield from _name_problems(key, declared[key])
    for key in ("users", "groups"):
        for holder in declared[key]:
            yield from _grant_problems(f"{key}: {holder['name']}", holder["grants"] or [])
    yield from _member_problems(declared["groups"], present | set(known))
    yield from contradictions(declared)
    yield from _version_problems(declared)
    for webhook in declared["webhooks"]:
        yield from _webhook_problems(webhook)
    yield from _empty_problems(declared)
    for kind in DECLARED:
        for resource in declared[f"{kind}s"]:
            yield from _level_problems(f"{kind}s: {resource['name']}: grants", resource["grants"] or {}, present)


def _empty_problems(declared: Declared) -> Problems:
    for key, part in (("webhooks", "events"), ("gateway_secrets", "values"), ("gateway_endpoints", "models")):
        for thing in declared[key]:
            if thing.get(part) in ([], {}):
                yield f"{key}: {thing['name']}: {part}: is empty, and MLflow wants one at least"


def _webhook_problems(webhook: Declared) -> Problems:
    """The address is not shown: who knows it can post there, too."""
    url = webhook.get("url")
    problem = None if url is None else secret_problem(url)
    if url is not None and not problem and not WEBHOOK_URL.fullmatch(url):
        problem = "is not an address that MLflow could post to; use one like https://host.example.org/path"
    if problem:
        yield f"webhooks: {webhook['name']}: url: {problem}"


def _version_problems(declared: Declared) -> Problems:
    models = {model["name"] for model in declared["registered_models"]}
    for prompt in declared["prompts"]:
        if prompt["name"] in models:
            yield f"prompts: '{prompt['name']}' is declared as a registered model as well; MLflow has one name for both"
    for key in ("registered_models", "prompts"):
        for thing in declared[key]:
            for alias, version in (thing["aliases"] or {}).items():
                problem = alias_problem(alias, version)
                if problem:
                    yield f"{key}: {thing['name']}: {problem}"


def account_problems(account: Declared, name_label: str, password_label: str) -> Problems:
    """Why nobody could work with this name or password. The password is never shown."""
    problem = username_problem(account["name"])
    if problem:
        yield f"{name_label}: {problem}"
    problem = None if account["password"] is None else password_problem(account["password"])
    if problem:
        yield f"{password_label}: {problem}"


def repeated(things: list[Declared]) -> list[str]:
    """Names that more than one thing has."""
    names = [thing["name"] for thing in things]
    return sorted({name for name in names if names.count(name) > 1})


def _name_problems(key: str, things: list[Declared]) -> Problems:
    for name in (thing["name"] for thing in things):
        if not name.strip():
            yield f"{key}: a name must not be empty"
        elif name == EVERY:
            yield f"{key}: '{EVERY}' is not a name; in a grant it means all"
        elif key == "webhooks" and not WEBHOOK_NAME.fullmatch(name):
            yield f"{key}: '{name}' is not a name that MLflow takes; use up to 63 of A-Z a-z 0-9 . _ - as in my-hook.1"
        elif key == "groups" and HIDDEN_ROLE.fullmatch(name):
            yield f"{key}: '{name}' is a name that MLflow keeps for itself"
        elif key in ("registered_models", "prompts") and set(name) & set("/:"):
            yield f"{key}: '{name}' has a slash or a colon, which MLflow refuses in names of models and prompts"


def _grant_problems(where: str, grants: list[Declared]) -> Problems:
    for grant in grants:
        if sum(grant.get(kind) is not None for kind in WORDS) != 1:
            yield f"{where}: grants: name one thing in each, such as an experiment"
        for kind in WORDS:
            if grant.get(kind) is None:
                continue
            problem = name_problem(kind, grant[kind]) or level_problem(kind, str(grant["permission"]))
            if problem:
                yield f"{where}: grants: {problem}"
            elif not str(grant[kind]).strip():
                yield f"{where}: grants: {kind}: a name must not be empty; use '{EVERY}' for all"
        yield from _level_problem(f"{where}: grants", grant["permission"])


def _member_problems(groups: list[Declared], users: set[str]) -> Problems:
    for group in groups:
        for member in group["members"] or []:
            if member not in users:
                yield f"groups: {group['name']}: members: '{member}' is not among the users"


def _level_problems(where: str, grants: dict[str, object], users: set[str]) -> Problems:
    for user, level in grants.items():
        if user not in users:
            yield f"{where}: '{user}' is not among the users"
        yield from _level_problem(f"{where}: {user}", level)


def _level_problem(where: str, level: object) -> Problems:
    if level not in LEVELS:
        yield f"{where}: '{level}' is not a valid level; use one of {', '.join(LEVELS)}"
