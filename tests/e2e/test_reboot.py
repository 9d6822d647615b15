"""All is there again after the power went away while people worked, and nothing that they were told is lost."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import testhosts
from e2e.stage import ALICE, Stage

API = "/api/2.0/mlflow"
WRITERS, SECONDS = 16, 8


def alice(on: Stage, path: str, body: object = None) -> tuple[int, str]:
    """Return what alice's team answers her."""
    return on.answer(5001, **ALICE, path=f"{API}/{path}", body=body)


def log_until_dark(on: Stage, run: str, writer: int) -> int:
    """Log one metric after the other until nobody answers; return how many were acknowledged."""
    acknowledged = 0
    while True:
        body = {"run_id": run, "key": f"writer-{writer}", "value": 0.5, "timestamp": 1, "step": acknowledged}
        status, said = alice(on, "runs/log-metric", body)
        if status == 0:
            return acknowledged
        assert status == 200, said
        acknowledged += 1


def test_nothing_acknowledged_is_lost_and_all_teams_answer_after_a_power_cut(converged: Stage) -> None:
    experiment = json.loads(alice(converged, "experiments/get-by-name?experiment_name=resnet")[1])["experiment"]
    made = alice(converged, "runs/create", {"experiment_id": experiment["experiment_id"], "start_time": 1})[1]
    run = json.loads(made)["run"]["info"]["run_id"]
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(log_until_dark, converged, run, writer) for writer in range(WRITERS)]
        time.sleep(SECONDS)
        testhosts.podman("kill", converged.host.container)
    acknowledged = [future.result() for future in writing]
    assert sum(acknowledged) > 5 * WRITERS
    testhosts.podman("start", converged.host.container)
    testhosts.wait_until_booted(converged.host.name)
    again = converged.again()
    # The ports are open before the servers are up: this log-in waits.
    assert again.login(5002, "dave", "dave-try-out-only") == 200
    for writer, count in enumerate(acknowledged):
        asked = f"metrics/get-history?run_id={run}&metric_key=writer-{writer}&max_results=25000"
        metrics = json.loads(alice(again, asked)[1])["metrics"]
        assert {int(metric["step"]) for metric in metrics} >= set(range(count))
    # It has perhaps another address now, and whoever comes next is not to find anything to do.
    assert again.play("site").code == 0
