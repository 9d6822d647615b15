"""Nobody links their traces to a run of others, whichever way they send them."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import as_unit
import project
import pytest
from mlflow_reader import V2, Reader

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")


class Place(t.NamedTuple):
    """A server, with an experiment and a run of each of two people."""

    reader: Reader
    experiments: dict[str, str]
    runs: dict[str, str]
    home: Path

    def linked(self, run: str) -> list[str]:
        """Return the traces that are linked to a run."""
        database = sqlite3.connect(self.home / "mlflow.db", timeout=60)
        try:
            found = database.execute("SELECT source_id FROM entity_associations WHERE destination_id = ?", (run,))
            return [source for (source,) in found]
        finally:
            database.close()


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home, venv = tmp_path_factory.mktemp("linked") / "home", project.BUILD / request.param
    with as_unit.read(venv, home, ADMIN, ANN, EVE) as reader:
        found = Place(reader, {}, {}, home)
        for who in (ANN, EVE):
            number = found.reader.ask("POST", V2 + "experiments/create", who, name=who[0])["experiment_id"]
            run = found.reader.ask("POST", V2 + "runs/create", who, experiment_id=number)["run"]["info"]["run_id"]
            found.experiments[who[0]], found.runs[who[0]] = number, run
        yield found


def sent(place: Place, run: str) -> int:
    """Send a trace to eve's experiment with a run in the head, as OpenTelemetry does; return how it is answered."""
    ends = {"startTimeUnixNano": "1764400000000000000", "endTimeUnixNano": "1764400001000000000"}
    span = {"traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "answer", **ends}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    request = urllib.request.Request(f"{place.reader.uri}/v1/traces", body)  # noqa: S310 - a server of ours
    request.add_header("Authorization", "Basic " + base64.b64encode(":".join(EVE).encode()).decode())
    request.add_header("Content-Type", "application/json")
    request.add_header("x-mlflow-experiment-id", place.experiments["eve"])
    request.add_header("x-mlflow-run-id", run)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_trace_is_linked_to_a_run_of_ones_own(place: Place) -> None:
    mine, hers = place.runs["eve"], place.runs["ann"]
    assert sent(place, hers) == 403
    place.reader.grant(EVE[0], "experiment", place.experiments["ann"], "READ")
    assert sent(place, hers) == 403
    assert place.linked(hers) == []
    assert sent(place, mine) == 200
    assert len(place.linked(mine)) == 1
    # As ever, what is not there keeps nobody from sending.
    assert sent(place, "f" * 32) == 200


def test_who_may_change_no_run_links_nothing_to_one(place: Place) -> None:
    if place.reader.version < (3, 17):
        pytest.skip("before 3.17, there are no grants on all runs")
    mine = place.runs["eve"]
    before = place.linked(mine)
    place.reader.grant(EVE[0], "run", "*", "READ")
    assert sent(place, mine) == 403
    assert place.linked(mine) == before
