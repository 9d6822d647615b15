"""What a team's databases are asked: the same of SQLite and PostgreSQL, and only of tables that its MLflow has."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from monitoring.answers import LONGEST

Rows = list[dict[str, Any]]
# Milliseconds, as MLflow notes moments.
WEEK = 7 * 86400 * 1000
WEEKS = 60
MOST = 5000
# A team's own code may have written any number of stages, and names of any length; root is told none of that.
KNOWN = "(lifecycle_stage IN ('active', 'deleted', '') OR lifecycle_stage IS NULL)"
# A clock may be ahead; the program runs for minutes.
NEWEST = int(time.time() * 1000) + 86400 * 1000


@dataclasses.dataclass(frozen=True)
class Question:
    """A statement, and the tables it is about."""

    name: str
    tables: tuple[str, ...]
    sql: str


# Nothing is put into these but what stands above.
# ruff: noqa: S608
# Every few minutes at most: counts, which an index answers.
QUICK = (
    Question(
        "experiments",
        ("experiments",),
        f"SELECT lifecycle_stage AS stage, count(*) AS number FROM experiments WHERE {KNOWN} GROUP BY 1",
    ),
    Question(
        "runs",
        ("runs",),
        "SELECT lifecycle_stage AS stage, count(*) AS number, max(start_time) AS last FROM runs "
        f"WHERE {KNOWN} GROUP BY 1",
    ),
    Question(
        "logged_models",
        ("logged_models",),
        f"SELECT lifecycle_stage AS stage, count(*) AS number FROM logged_models WHERE {KNOWN} GROUP BY 1",
    ),
    Question("registered_models", ("registered_models",), "SELECT count(*) AS number FROM registered_models"),
    Question("model_versions", ("model_versions",), "SELECT count(*) AS number FROM model_versions"),
    Question("traces", ("trace_info",), "SELECT count(*) AS number, max(timestamp_ms) AS last FROM trace_info"),
    Question(
        "users",
        ("users",),
        "SELECT count(*) AS number, sum(CASE WHEN is_admin THEN 1 ELSE 0 END) AS admins FROM users",
    ),
)
# Once a day, for the page: who and what.
DAILY = (
    Question("people", ("users",), f"SELECT substr(username, 1, {LONGEST}) AS name FROM users ORDER BY 1 LIMIT {MOST}"),
    Question(
        "logged",
        ("runs",),
        f"SELECT substr(user_id, 1, {LONGEST}) AS name, max(start_time) AS last, count(*) AS number FROM runs "
        f"GROUP BY 1 ORDER BY 2 DESC LIMIT {MOST}",
    ),
    Question(
        "weeks",
        ("runs",),
        # Whoever logs says when that was, and may have said so of any time.
        f"SELECT start_time / {WEEK} AS week, count(*) AS number FROM runs WHERE start_time BETWEEN 0 AND {NEWEST} "
        f"GROUP BY 1 ORDER BY 1 DESC LIMIT {WEEKS}",
    ),
    Question(
        "largest",
        ("experiments", "runs"),
        f"SELECT e.experiment_id AS id, substr(e.name, 1, {LONGEST}) AS name, "
        f"substr(e.lifecycle_stage, 1, {LONGEST}) AS stage, count(r.run_uuid) AS runs, "
        "max(r.start_time) AS last FROM experiments e LEFT JOIN runs r ON r.experiment_id = e.experiment_id "
        f"GROUP BY e.experiment_id, e.name, e.lifecycle_stage ORDER BY 4 DESC LIMIT {MOST}",
    ),
)
SETS = {"quick": QUICK, "daily": DAILY}
