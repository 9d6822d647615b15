"""What a team's databases say, as what was asked for, or as an error of this team alone.

The team's own code may have written anything there, a text in the place of a number too, and it is the team's account
that prints what is read here.
"""

from __future__ import annotations

import math
from typing import Any

NUMBERS = {"number", "last", "week", "runs", "admins"}
TEXTS = {"name", "stage", "id"}
# In characters: MLflow's own names are shorter. And more than any moment or amount has.
LONGEST, LARGEST = 1000, 2**63


def number(value: Any) -> float:
    """Return a number; ValueError where it is none that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("what was read there is not a number where one was asked for")
    if abs(value) > LARGEST:
        raise ValueError("what was read there is a number without a meaning")
    return value


def cell(column: str, value: Any) -> Any:
    """Return a value of a row."""
    if value is None:
        return None
    if column in NUMBERS:
        return number(value)
    if column in TEXTS and isinstance(value, (str, int)):
        return value[:LONGEST] if isinstance(value, str) else value
    raise ValueError("what was read there is not text where one was asked for")


def of_databases(told: Any) -> dict[str, Any]:
    """Return the size of a database and its answers."""
    rows = {str(name): [dict(row) for row in found] for name, found in told["answers"].items()}
    return {
        "size": number(told["size"]),
        "answers": {
            name: [{column: cell(column, value) for column, value in row.items()} for row in found]
            for name, found in rows.items()
        },
    }


def of_walk(told: Any) -> dict[str, Any]:
    """Return how much there is of artifacts."""
    within = {str(name): number(size) for name, size in told["within"].items()}
    return {"files": number(told["files"]), "bytes": number(told["bytes"]), "within": within}
