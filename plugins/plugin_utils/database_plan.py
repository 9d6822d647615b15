# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done at a PostgreSQL for teams to have their databases, and to have them alone."""

from __future__ import annotations

import re
import typing as t

from .names import quoted
from .postgresql import TLS
from .scram import is_of, verifier

Found = t.Dict[str, t.Any]
Account = t.Dict[str, t.Any]

# The first version that keeps passwords as SCRAM, and the first whose schema public is its database's owner's.
OLDEST, OWNERS_SCHEMA = 100000, 150000
DATABASE_OWNER = "pg_database_owner"
# What a team's account may not do beyond its databases, by the word for it.
BEYOND = {
    "superuser": "SUPERUSER",
    "createdb": "CREATEDB",
    "createrole": "CREATEROLE",
    "replication": "REPLICATION",
    "bypassrls": "BYPASSRLS",
}
FLAGS = ",".join(["LOGIN", *(f"NO{word}" for word in BEYOND.values())])


def plan(accounts: t.Sequence[Account], server: Found, databases: Found) -> Found:
    """What differs, as what is to be done and as lines that may be shown; nothing of a team that cannot have it all."""
    roles = {role["name"]: role for role in server["roles"]}
    done: Found = {"roles": [], "databases": [], "closed": [], "schemas": [], "steps": [], "problems": []}
    left = set()
    for account in accounts:
        found = list(_problems(account, server, roles, databases))
        done["problems"] += found
        left |= {account["team"]} if found else set()
    taken = [account for account in accounts if account["team"] not in left]
    for name, account in {account["role"]: account for account in taken}.items():
        _role(done, name, account["password"], roles.get(name))
    for account in {account["database"]: account for account in taken}.values():
        _database(done, account, server, databases.get(account["database"]))
    return done


def _problems(account: Account, server: Found, roles: Found, databases: Found) -> t.Iterator[str]:
    place = f"mlflow_teams: {account['team']}: {account['option']}:"
    role, database = roles.get(account["role"]), databases.get(account["database"])
    if server["version"] < OLDEST:
        yield f"{place} this PostgreSQL is older than 10, and keeps no passwords as SCRAM; upgrade it"
    # A pooler at another port has a certificate of its own.
    direct = any(port == int(server["port"]) for _host, port in account["places"])
    if account["sslmode"] in TLS and direct and not server["tls"]:
        yield (
            f"{place} sslmode={account['sslmode']} asks for TLS, which this PostgreSQL does not have; set ssl = on "
            "there, with a certificate, or leave sslmode out"
        )
    if role and role["superuser"]:
        yield (
            f"{place} the user {quoted(account['role'])} is a superuser of this PostgreSQL, to whom no database is "
            "closed; name another user"
        )
    if role and role["member_of"]:
        yield (
            f"{place} the user {quoted(account['role'])} is a member of {', '.join(map(quoted, role['member_of']))}, "
            "and may do what these may; take that back (REVOKE … FROM …), or name another user"
        )
    if role and role["expired"]:
        yield (
            f"{place} the password of {quoted(account['role'])} is not valid any more; ALTER ROLE … VALID UNTIL "
            "'infinity' there, or name another user"
        )
    if database and database["owner"] != account["role"]:
        yield (
            f"{place} the database {quoted(account['database'])} is there already, and belongs to "
            f"{quoted(database['owner'])}; name another database, or give it to the user yourself (ALTER DATABASE … "
            "OWNER TO …, and what is in it)"
        )
    elif database and database.get("error"):
        yield (
            f"{place} the database {quoted(account['database'])} lets mlflow_database_login: user not in, who is to "
            "close it to others; see pg_hba.conf and the log of PostgreSQL"
        )


def _role(done: Found, name: str, password: str, role: Found | None) -> None:
    said = []
    kept = role is not None and is_of(role["password"], password)
    if role is None:
        said = ["is made"]
    else:
        said += [] if kept else ["gets the declared password"]
        said += [] if role["login"] else ["may log in"]
        said += [f"loses {word}" for key, word in BEYOND.items() if role[key]]
    if said:
        done["roles"].append({"name": name, "password": None if kept else verifier(password), "flags": FLAGS})
        done["steps"] += [f"role {name}: {line}" for line in said]


def _database(done: Found, account: Account, server: Found, database: Found | None) -> None:
    name, role = account["database"], account["role"]
    if database is None:
        done["databases"].append({"name": name, "owner": role})
        done["steps"].append(f"database {name}: is made, and belongs to {role}")
    # Without a list of its own, everybody may connect.
    if database is None or not database["access_priv"] or of_everybody(database["access_priv"]):
        done["closed"].append({"name": name, "new": database is None})
        done["steps"].append(f"database {name}: is closed to PUBLIC")
    public = _public(server, database)
    if public is None:
        return
    own = public["nspowner"] in (role, DATABASE_OWNER) or _may_create(public["nspacl"], role)
    closed = bool(public["nspacl"]) and not of_everybody(public["nspacl"])
    if not (own and closed):
        done["schemas"].append({"name": name, "owner": role, "grant": not own, "new": database is None})
        done["steps"].append(f"database {name}: the schema public is {role}'s, and closed to PUBLIC")


def _public(server: Found, database: Found | None) -> Found | None:
    """The schema public of a database, or of a new one."""
    if database is not None:
        return t.cast("Found | None", database["namespaces"].get("public"))
    return {"nspowner": DATABASE_OWNER if server["version"] >= OWNERS_SCHEMA else "postgres", "nspacl": "{=U/postgres}"}


def of_everybody(acl: str) -> bool:
    """Whether PUBLIC has any right: such an entry has no name before its C(=)."""
    return re.search(r"(^|[{,\n])=[A-Za-z*]+/", acl) is not None


def _may_create(acl: str, role: str) -> bool:
    found = re.search(rf'(?:^|[{{,"])(?:\\")?{re.escape(role)}(?:\\")?=([A-Za-z*]*)/', acl)
    return found is not None and {"U", "C"} <= set(found[1])
