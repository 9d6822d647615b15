"""Which teams this host serves."""

from __future__ import annotations

import json

from mlflowctl.status import brief, of_teams, parse, table

KEYS = ("team", "version", "state", "port")


def main(*words: str) -> None:
    """Say it, a line each."""
    options = parse("list", words)
    found = [{key: it.get(key) for key in KEYS} for it in of_teams(options.teams, brief)]
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(table([[key.upper() for key in KEYS], *([str(it[key] or "-") for key in KEYS] for it in found)]))
