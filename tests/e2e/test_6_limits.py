"""A team that takes too much of the host is the one that loses it."""

from __future__ import annotations

import http.client

from e2e.stage import Stage, example, stream_during

MEGABYTE = b"x" * 1024**2
# Nobody has to log in for MLflow to read a body into memory before it looks at who sends it.
PATH = "/api/2.0/mlflow/runs/log-batch"


def send(stage: Stage, port: int, megabytes: int) -> None:
    """Send a request that a server without a limit would keep in memory."""
    connection = http.client.HTTPConnection(stage.host.address, port, timeout=120)
    try:
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(megabytes * len(MEGABYTE)))
        connection.endheaders()
        for _number in range(megabytes):
            connection.send(MEGABYTE)
        connection.getresponse()
    except OSError:
        pass
    finally:
        connection.close()


def test_who_eats_memory_dies_comes_back_and_disturbs_nobody(converged: Stage) -> None:
    limits = {"memory_max": "512M", "cpu_weight": 50, "tasks_max": 200}
    run = converged.play("site", mlflow_team_nlp=example("nlp", **limits))
    assert run.code == 0, run.output
    names = "MemoryMax,CPUWeight,TasksMax"
    shown = converged.sh(f"systemctl show --property={names} mlflow@nlp").split()
    assert set(shown) == {"MemoryMax=536870912", "CPUWeight=50", "TasksMax=200"}

    assert converged.login(5002, "dave", "dave-try-out-only") == 200
    other = converged.lives("vision")
    before = converged.starts("nlp")

    def eat() -> None:
        send(converged, 5002, 700)
        killed = converged.sh("journalctl --no-pager --output cat --unit mlflow@nlp.service")
        assert "status=9/KILL" in killed or "OOM" in killed
        assert converged.login(5002, "dave", "dave-try-out-only") == 200

    answer = stream_during(converged, 20, eat)
    assert answer["kept"] == answer["sent"] > 10
    assert converged.lives("vision") == other
    assert converged.starts("nlp") > before
    assert converged.play("site").code == 0
