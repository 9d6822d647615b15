"""Who is there, who is an admin, in which groups, and what all were granted: what nobody but a run is to change.

Left out is what people do all the time: their passwords, and what MLflow gives to who makes a thing, which is the first
row on it, of a user's own and MANAGE. Numbers of rows are none of it: what was taken back is as it was before.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import Any

# Of this revision on grants of users stand where those of groups do; before, nobody can tell who made a thing.
REVISIONS = {"f1a2b3c4d5e6"}
# MLflow's for what is granted to one user.
OWN = "substr(roles.name, 1, 7) = '__user_'"
# Both engines take these.
QUESTIONS = (
    "SELECT username, CASE WHEN is_admin THEN 1 ELSE 0 END AS it FROM users",
    f"SELECT name, description FROM roles WHERE NOT {OWN}",  # noqa: S608 - a constant
    "SELECT username, name FROM user_role_assignments AS member"
    " JOIN users ON users.id = member.user_id JOIN roles ON roles.id = member.role_id"
    " WHERE roles.name <> '__user_' || users.id || '__'",
    "SELECT name, resource_type, resource_pattern, permission FROM role_permissions AS it"  # noqa: S608 - a constant
    " JOIN roles ON roles.id = it.role_id"
    f" WHERE NOT (it.permission = 'MANAGE' AND it.resource_pattern <> '*' AND {OWN} AND NOT EXISTS ("
    "SELECT 1 FROM role_permissions AS former WHERE former.id < it.id AND former.resource_type = it.resource_type"
    " AND former.resource_pattern = it.resource_pattern))",
)
# A line for each question, as those of access_contents.
IN_POSTGRESQL = "\n".join(
    f"SELECT jsonb_build_array('grants', '{number}', encode(sha256(convert_to(coalesce("  # noqa: S608 - constants
    "string_agg(digest, '' ORDER BY digest), ''), 'UTF8')), 'hex')) FROM (SELECT encode(sha256(convert_to("
    f"ROW(answer.*)::text, 'UTF8')), 'hex') AS digest FROM ({question}) AS answer) AS lines;"
    for number, question in enumerate(QUESTIONS)
)


def of_sqlite(connection: sqlite3.Connection) -> dict[str, str]:
    """Return a digest of the answer to each question, by its number."""
    return {str(number): digest(connection.execute(sql)) for number, sql in enumerate(QUESTIONS)}


def digest(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return one of rows, in whatever order they come."""
    whole = hashlib.sha256()
    for line in sorted(map(line_of, rows)):
        whole.update(line)
    return whole.hexdigest()


def line_of(row: tuple[Any, ...]) -> bytes:
    """Return that of one, which takes no more memory than the row does: a text may have any length."""
    found = hashlib.sha256()
    for value in row:
        said = value if isinstance(value, bytes) else repr(value).encode()
        found.update(f"{type(value).__name__} {len(said)} ".encode())
        found.update(said)
    return found.digest()
