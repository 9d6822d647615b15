"""Runs in an MLflow's own environment: finds prompts, and gives grants on them the kind that they have from 3.13 on.

Up to 3.12 a grant on a prompt is of the kind registered_model. MLflow's own migration tells prompts by their tag, which
stands beside the models: where people have a database of their own it sees none, and leaves the grants behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import text

# MLflow's migration that gives grants on prompts their kind.
PROMOTED_IN = "f1a2b3c4d5e6"
# Where things are that were made before there were workspaces.
DEFAULT = "default"
# As MLflow tells them; written so that each kind of database takes the names of the columns.
TAGS = sqlalchemy.table("registered_model_tags", *map(sqlalchemy.column, ("workspace", "name", "key", "value")))
IS_PROMPT = (TAGS.c.key == "mlflow.prompt.is_prompt") & (sqlalchemy.func.lower(TAGS.c.value) == "true")
GRANTS = """\
SELECT p.id, p.role_id, p.resource_type, p.resource_pattern, p.permission, r.workspace, r.name
  FROM role_permissions p JOIN roles r ON r.id = p.role_id
  WHERE p.resource_type IN ('registered_model', 'prompt') AND p.resource_pattern <> '*'"""
MEMBERS = "SELECT a.role_id, u.username FROM user_role_assignments a JOIN users u ON u.id = a.user_id"


def found(uri: str) -> set[tuple[str, str]]:
    """The prompts of a registry, each as its workspace and its name."""
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            there = sqlalchemy.inspect(connection)
            if not there.has_table(TAGS.name):
                return set()
            columns = {column["name"] for column in there.get_columns(TAGS.name)}
            workspace = TAGS.c.workspace if "workspace" in columns else sqlalchemy.literal(DEFAULT)
            rows = connection.execute(sqlalchemy.select(workspace, TAGS.c.name).where(IS_PROMPT))
            return {(str(where), str(name)) for where, name in rows}
    finally:
        engine.dispose()


def carry_over(people: str, registry: str) -> dict[str, Any]:
    """Do to the grants in one database what MLflow's migration does where the registry is in the same one.

    Returns how many it was done to, and in words those that stay, since there is one of the new kind already.
    """
    prompts = found(registry)
    engine = sqlalchemy.create_engine(people)
    try:
        with engine.begin() as connection:
            rows = connection.execute(text(GRANTS)).all()
            taken = {(row.role_id, row.resource_pattern) for row in rows if row.resource_type == "prompt"}
            due = [
                row
                for row in rows
                if row.resource_type == "registered_model" and (row.workspace, row.resource_pattern) in prompts
            ]
            moved = [{"id": row.id} for row in due if (row.role_id, row.resource_pattern) not in taken]
            left = [row for row in due if (row.role_id, row.resource_pattern) in taken]
            if moved:
                connection.execute(text("UPDATE role_permissions SET resource_type = 'prompt' WHERE id = :id"), moved)
            members = connection.execute(text(MEMBERS)).all() if left else []
    finally:
        engine.dispose()
    return {"moved": len(moved), "left": [told(row, members) for row in left]}


def told(row: Any, members: Sequence[Any]) -> str:
    """A grant as the collection's modules tell it: whose, how much, and on what."""
    own = row.name.startswith("__user_")
    holders = sorted(member.username for member in members if member.role_id == row.role_id) if own else []
    return f"{', '.join(holders) or row.name} {row.permission} registered_model {row.resource_pattern}"
