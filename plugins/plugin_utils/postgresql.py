# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which databases and accounts teams want of a PostgreSQL, by the URIs that they declare."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import parse_qs, unquote

from .names import quoted
from .sharing import is_every_hosts_own
from .storage import is_local
from .stores import DATABASE, said

Team = t.Dict[str, t.Any]
Account = t.Dict[str, t.Any]
Problems = t.Iterator[str]

POSTGRESQL = "postgresql"
PORT = 5432
OPTIONS = ("backend_store_uri", "auth_database_uri")
# As SQLAlchemy reads it.
LOGIN = re.compile(r"[\w+]+://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?.*", re.DOTALL)
HOST_AND_PORT = re.compile(r"(?P<name>[A-Za-z0-9.-]*):(?P<port>[0-9]{1,5})", re.ASCII)
# Every program that gets it reads such a name in one way, with quotes or without.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
# PostgreSQL cuts what is longer, and two names could then be one.
LONGEST = 63
ROLES = ("current_role", "current_user", "none", "public", "session_user")
DATABASES = ("postgres", "template0", "template1")
TLS = ("require", "verify-ca", "verify-full")


def accounts_of(team: Team) -> list[Account]:
    """What each database in a PostgreSQL is called, whose it is, and where it is."""
    options = OPTIONS if team[OPTIONS[0]] != team[OPTIONS[1]] else OPTIONS[:1]
    return [_account(team, option) for option in options if str(team[option]).startswith(POSTGRESQL)]


def _account(team: Team, option: str) -> Account:
    uri = str(team[option])
    found, login = DATABASE.fullmatch(uri), LOGIN.fullmatch(uri)
    # A password may have a question mark in it.
    query = parse_qs((found and found["query"]) or "")
    name, host, port = (
        said(found, *words) if found else "" for words in (("database", "dbname"), ("host", "host"), ("port", "port"))
    )
    return {
        "team": team["name"],
        "option": option,
        "role": unquote((login and login["user"]) or ""),
        "password": unquote((login and login["password"]) or ""),
        # Not all versions of SQLAlchemy decode it.
        "database": name,
        "places": _places(query.get("host") or [host], port),
        "own": is_every_hosts_own(uri),
        "sslmode": "".join(query.get("sslmode", [])),
        "twice": sorted({"user", "password"} & set(query)),
    }


def _places(hosts: list[str], ports: str) -> list[tuple[str, int]]:
    """Each host with its port, as SQLAlchemy reads them: C(host=a,b&port=1,2), or else C(host=a:1&host=b:2)."""
    each = [HOST_AND_PORT.fullmatch(host) for host in hosts]
    if not ports and any(each):
        return [(one["name"], int(one["port"])) if one else (host, PORT) for one, host in zip(each, hosts)]
    names = [name.strip("[]") for name in ",".join(hosts).split(",")]
    # One port is for all of them.
    numbers = [int(number) if number.isdigit() else PORT for number in ports.split(",")]
    numbers += numbers[-1:] * (len(names) - len(numbers))
    return list(zip(names, numbers))


def leads_here(account: Account, hosts: t.Sequence[str], server: Team) -> bool:
    """Whether an account is one of this PostgreSQL; C(hosts) serve the team, and may mean themselves by its address."""
    # On ansible-core before 2.19, numbers of variables are texts.
    own_port = int(server["port"])
    known = {_address(str(name), own_port) for name in server["addresses"]}
    called = any((name.lower().rstrip("."), port) in known for name, port in account["places"])
    if account["own"]:
        return server["host"] in hosts and (called or (server["local"] and account["places"][0][1] == own_port))
    return called


def _address(word: str, port: int) -> tuple[str, int]:
    """C(name), C(name:port), or an address of IPv6, with its port after brackets."""
    found = re.fullmatch(r"\[(?P<name>[^\]]*)\](?::(?P<port>[0-9]{1,5}))?", word)
    found = found or re.fullmatch(r"(?P<name>[^:]*):(?P<port>[0-9]{1,5})", word)
    return (found["name"].lower(), int(found["port"] or port)) if found else (word.lower(), port)


def account_problems(account: Account, server: Team) -> Problems:
    """Why an account cannot be made; a password is never shown."""
    place = f"mlflow_teams: {account['team']}: {account['option']}:"
    example = f"write postgresql+psycopg://user:password@host/{account['team']}"
    if not account["role"]:
        yield f"{place} names no user, who would own the database; {example}"
    elif problem := _role_problem(account["role"], server):
        yield f"{place} the user {quoted(account['role'])} {problem}"
    if account["twice"]:
        words = " and ".join(account["twice"])
        yield f"{place} has {words} among its options, which MLflow takes in place of what is before @; {example}"
    if not account["password"]:
        yield f"{place} names no password for its user, who is to log in with one; {example}"
    elif not (account["password"].isascii() and account["password"].isprintable()):
        yield f"{place} has letters in its password that programs write differently; use printable ASCII"
    if problem := _database_problem(account["database"], server):
        yield f"{place} the database {quoted(account['database'])} {problem}"


def _name_problem(name: str) -> str | None:
    if not NAME.fullmatch(name):
        return "has other letters in its name than this role makes; use letters, digits, _ and -, a letter first"
    if len(name) > LONGEST:
        return f"has more than the {LONGEST} letters that PostgreSQL keeps of a name; use a shorter one"
    return None


def _role_problem(name: str, server: Team) -> str | None:
    if name == server["login_user"]:
        return "is who makes the databases (mlflow_database_login: user); give the team a user of its own"
    if name.startswith("pg_") or name.lower() in ROLES:
        return "has a name that PostgreSQL keeps for itself; use another one"
    return _name_problem(name)


def _database_problem(name: str, server: Team) -> str | None:
    if name in (*DATABASES, server["login_db"]):
        return "is PostgreSQL's own, or the one that mlflow_database_login: db names; give the team one of its own"
    return _name_problem(name)


def together_problems(accounts: t.Sequence[Account]) -> Problems:
    """Two teams that would have one account or one database, and two passwords of one account."""
    for kind, cure in (("role", "user"), ("database", "database")):
        first: dict[str, Account] = {}
        for account in accounts:
            other = first.setdefault(account[kind], account)
            if account[kind] and other["team"] != account["team"]:
                yield (
                    f"mlflow_teams: '{other['team']}' and '{account['team']}' both have the {cure} "
                    f"{quoted(account[kind])} of this PostgreSQL, and either could read what is the other's; "
                    f"give each a {cure} of its own in backend_store_uri"
                )
    known: dict[str, str] = {}
    owners: dict[tuple[str, str], str] = {}
    for account in accounts:
        if owners.setdefault((account["team"], account["database"]), account["role"]) != account["role"]:
            yield (
                f"mlflow_teams: {account['team']}: {account['option']}: the database {quoted(account['database'])} has "
                "another user in backend_store_uri, and can be one's alone; name the same user, or another database"
            )
        if known.setdefault(account["role"], account["password"]) != account["password"]:
            yield (
                f"mlflow_teams: {account['team']}: {account['option']}: the user {quoted(account['role'])} has another "
                "password here than elsewhere; give it one password, or each database a user of its own"
            )


def only_problems(names: t.Sequence[str], teams: t.Sequence[Team], here: t.Collection[str], server: Team) -> Problems:
    """Teams that were asked for by name, and that have nothing at this PostgreSQL."""
    known = {team["name"]: team for team in teams}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            yield f"mlflow_database_only: no team {quoted(name)} is declared; there is {there}"
        elif is_local(known[name]["backend_store_uri"]) and name not in here:
            yield (
                f"mlflow_database_only: {quoted(name)} has its databases in SQLite, on the disk of its server; give it "
                f"a backend_store_uri such as postgresql+psycopg://user:password@{server['addresses'][0]}/{name}, or "
                "leave it out here"
            )
        elif name not in here:
            at = ", ".join(map(str, server["addresses"]))
            yield (
                f"mlflow_database_only: no database of {quoted(name)} is at {at} (port {server['port']}); add the host "
                "of its backend_store_uri to mlflow_database_uri_hosts, or leave it out here"
            )
