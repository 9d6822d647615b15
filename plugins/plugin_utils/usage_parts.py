# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one team has and uses, for that team alone, as files."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage import Reports, usage_page, usage_rows
from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import csv_table

Files = t.List[t.Dict[str, str]]


def usage_parts(reports: Reports, teams: t.Iterable[t.Mapping[str, t.Any]], directory: str) -> Files:
    """The files of each of these teams that was measured, in a directory of its own."""
    found: Files = []
    for team in teams:
        theirs = part_of(reports, team["name"], [server["host"] for server in team["hosts"]])
        if theirs:
            home = f"{directory}/{team['name']}"
            found.append({"path": home, "state": "directory", "mode": "0755"})
            found += [
                {"path": f"{home}/usage.{kind}", "content": text, "mode": "0644"}
                for kind, text in texts(theirs, team["name"]).items()
            ]
    return found


def part_of(reports: Reports, team: str, hosts: t.Container[str]) -> dict[str, t.Any]:
    """What is said of a team by the hosts that it was declared on, and by no other."""
    return {
        host: {"at": report["at"], "teams": {team: report["teams"][team]}}
        for host, report in reports.items()
        if host in hosts and team in report["teams"]
    }


def texts(reports: Reports, team: str) -> dict[str, str]:
    """The page, the table and the data, by their kinds."""
    at = max(report["at"] for report in reports.values())
    return {
        "html": usage_page(reports, at, team),
        "csv": csv_table(usage_rows(reports)),
        "json": json.dumps(reports, sort_keys=True, separators=(",", ":")) + "\n",
    }
