"""Who did what is in the journal: each change, each artifact that is read, and whoever is refused."""

from __future__ import annotations

import json
from typing import Any

from e2e.stage import ALICE, Stage, soon

API = "/api/2.0/mlflow"
DAVE = {"name": "dave", "password": "dave-try-out-only"}


def told(stage: Stage, team: str) -> list[dict[str, Any]]:
    """Return the lines of a team's own server."""
    unit = f"_SYSTEMD_UNIT=mlflow@{team}.service"
    lines = stage.sh(f"journalctl --no-pager --output=cat --identifier=mlflow-audit {unit}").splitlines()
    return [json.loads(line) for line in lines]


def test_who_deleted_an_experiment_is_in_the_journal(converged: Stage) -> None:
    def answer(path: str, body: Any = None, password: str = ALICE["password"]) -> tuple[int, str]:
        return converged.answer(5001, ALICE["name"], password, f"{API}/{path}", body)

    status, said = answer("experiments/create", {"name": "doomed\n\x1b[2J"})
    assert status == 200, said
    doomed = json.loads(said)
    assert answer("experiments/delete", doomed)[0] == 200
    assert answer("users/create", {"username": "mallory", "password": "not-to-be-seen"})[0] == 403
    assert answer("experiments/search", {}, "wrong-and-not-to-be-seen")[0] == 401
    assert answer("experiments/search", {})[0] in (200, 400)

    wanted = {
        ("alice", "experiments/create", 200),
        ("alice", "experiments/delete", 200),
        ("alice", "users/create", 403),
        (None, "experiments/search", 401),
    }
    # journald writes when it comes to it.
    assert soon(lambda: wanted <= {(it["user"], it["route"], it["status"]) for it in told(converged, "vision")})
    forged = json.dumps({"user": "bob", "route": "experiments/delete", "resource": doomed, "status": 200})
    feed = f"SYSLOG_IDENTIFIER=mlflow-audit\n_SYSTEMD_UNIT=mlflow@vision.service\nMESSAGE={forged}\n"
    converged.sh("runuser -u mlflow-vision -- logger --journald", feed)
    assert soon(lambda: forged in converged.sh("journalctl --identifier=mlflow-audit --output=cat"))
    lines = told(converged, "vision")
    (made,) = (
        it for it in lines if it["route"] == "experiments/create" and it["resource"].get("name", "")[:6] == "doomed"
    )
    assert made["resource"] == {"experiment_id": doomed["experiment_id"], "name": "doomed\n\x1b[2J"}
    (deleted,) = (it for it in lines if it["route"] == "experiments/delete" and it["resource"] == doomed)
    assert (deleted["team"], deleted["method"]) == ("vision", "POST")
    assert [it["claimed_user"] for it in lines if it["status"] == 401][-1] == "alice"
    assert "not-to-be-seen" not in json.dumps(lines)
    asked = "mlflowctl audit vision --since=-1h --route=experiments/delete"
    (who,) = (it for it in json.loads(converged.sh(f"{asked} --json")) if it["resource"] == doomed)
    assert (who["user"], who["experiments"]) == ("alice", {doomed["experiment_id"]: "doomed\n\x1b[2J"})
    shown = f'experiment_id={doomed["experiment_id"]} ("doomed\\n\\x1b[2J")'
    (line,) = (it for it in converged.sh(asked).splitlines() if shown in it)
    assert line.endswith(" 200")
    # Nobody else's, and what the role itself has done.
    assert {it["team"] for it in told(converged, "nlp")} == {"nlp"}
    assert {it["user"] for it in told(converged, "nlp") if it.get("agent") == "mlops.mlflow"} == {"admin"}
