"""A third team comes to a host with two; its secrets are seen nowhere, its changes touch no other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import demo
import pytest
from e2e import stage
from e2e.stage import WHO_AM_I, Stage, last_words

LOUD = ("-vvv", "--diff")
PORT, OTHER_PORT = 5003, 5013
# Looked for afterwards in every channel. Some characters mean something to a shell, to YAML or to systemd.
ADMIN, NEW_ADMIN = "canary-admin-$1", "canary-rotated-'2'"
USER, NEW_USER = "canary-user-%3d", "canary-renewed-#4"
SETTING = "canary-setting-5"
CANARIES = (ADMIN, NEW_ADMIN, USER, NEW_USER, SETTING)

Onboard = Callable[..., demo.Play]


def audio(**changes: Any) -> dict[str, Any]:
    team = {
        "name": "audio",
        "port": PORT,
        "admin_password": ADMIN,
        "environment": {"AWS_SECRET_ACCESS_KEY": SETTING},
        "users": [{"name": "gina", "password": USER}],
        "experiments": [{"name": "speech", "grants": {"gina": "EDIT"}}],
    }
    return {**team, **changes}


def rotated(**changes: Any) -> dict[str, Any]:
    return audio(admin_password=NEW_ADMIN, users=[{"name": "gina", "password": NEW_USER}], **changes)


@pytest.fixture(scope="module")
def onboard(converged: Stage) -> Iterator[Onboard]:
    def run(team: dict[str, Any], *more: str) -> demo.Play:
        there = dataclasses.replace(converged, inventory=stage.with_team(team))
        before = converged.lives("vision", "nlp")
        done = there.play("onboard_team", "-e", "team=audio", *more)
        assert converged.lives("vision", "nlp") == before
        assert [secret for secret in CANARIES if secret in done.output] == []
        return done

    yield run
    stage.forget(converged, "audio")


def test_an_unknown_team_is_said_to_be_unknown(converged: Stage) -> None:
    run = converged.play("onboard_team", "-e", "team=audio")
    assert (run.code, run.changed) == (2, 0)
    assert "team: no team 'audio' is declared; there is nlp, vision" in run.output


def test_a_team_must_be_named(converged: Stage) -> None:
    run = converged.play("onboard_team")
    assert (run.code, run.changed) == (2, 0)
    assert "team: name the team to onboard" in run.output


def test_onboarding_adds_a_team_and_touches_no_other(converged: Stage, onboard: Onboard) -> None:
    run = onboard(audio(), *LOUD)
    assert (run.code, run.warnings) == (0, []), run.output[-5000:]
    gina = {"name": "gina", "password": USER}
    assert demo.person(converged.url(PORT), gina, "log", "speech")["kept"] is True


def test_a_changed_password_is_rotated(converged: Stage, onboard: Onboard) -> None:
    run = onboard(rotated(), *LOUD)
    assert run.code == 0, run.output[-5000:]
    # The server tells its only worker, so that it need not start again.
    assert "restart mlflow@audio" not in run.output
    assert converged.login(PORT, "admin", NEW_ADMIN) == 200
    assert converged.login(PORT, "admin", ADMIN) == 401
    assert converged.login(PORT, "gina", NEW_USER) == 200
    assert converged.login(PORT, "gina", USER) == 401


def test_an_admin_who_is_locked_out_is_let_in_again(converged: Stage) -> None:
    look = "SELECT password_hash = 'taken', is_admin FROM users WHERE username = 'admin'"
    spoil = "UPDATE users SET password_hash = 'taken', is_admin = 0 WHERE username = 'admin'"

    def ask(statement: str) -> str:
        code = f"""
import sqlite3
with sqlite3.connect("/var/lib/mlflow/audio/mlflow.db", timeout=60) as it:
    print(it.execute("{statement}").fetchall())
"""
        return converged.sh("runuser -u mlflow-audio -- python3 -", feed=code).strip()

    ask(spoil)
    assert ask(look) == "[(1, 0)]"
    there = dataclasses.replace(converged, inventory=stage.with_team(rotated()))
    run = there.play("readmit_admin", "-e", "team=audio", *LOUD)
    assert run.code == 0, run.output[-5000:]
    assert [secret for secret in CANARIES if secret in run.output] == []
    assert ask(look) == "[(0, 1)]"
    assert converged.login(PORT, "admin", NEW_ADMIN) == 200


def test_a_rotation_cut_off_in_between_is_finished(converged: Stage, onboard: Onboard) -> None:
    # As if the run had ended after it told the server.
    converged.sh("cat > /etc/mlflow/audio/admin_password", feed=ADMIN)
    run = onboard(rotated(), *LOUD)
    assert (run.code, run.changed) == (0, 1), run.output[-5000:]
    assert converged.sh("cat /etc/mlflow/audio/admin_password") == NEW_ADMIN
    assert converged.login(PORT, "admin", NEW_ADMIN) == 200


def test_nothing_is_left_to_do_after_it_and_secrets_are_looked_up_once_by_each_role(
    onboard: Onboard, tmp_path: Path
) -> None:
    kept, asked = tmp_path / "kept", tmp_path / "asked"
    kept.write_text(NEW_ADMIN)
    looked_up = f"{{{{ lookup('ansible.builtin.pipe', 'echo >> {asked}; cat {kept}') }}}}"
    run = onboard({**rotated(), "admin_password": looked_up})
    assert (run.code, run.changed) == (0, 0), run.output
    # The server, its people, and what is told at the end.
    assert 2 <= len(asked.read_text().splitlines()) <= 3


def test_no_secret_was_ever_to_be_seen(converged: Stage) -> None:
    kept = converged.sh("cat /etc/mlflow/audio/secrets.env").splitlines()
    generated = [line.split("=", 1)[1] for line in kept if line.startswith("MLFLOW_")]
    assert len(generated) == 3
    assert converged.leaks(*CANARIES, *generated) == []


def test_a_running_team_moves_to_another_port_and_to_both_families(converged: Stage, onboard: Onboard) -> None:
    run = onboard(rotated(port=OTHER_PORT, listen_address="::"))
    assert run.code == 0, run.output
    gina = {"name": "gina", "password": NEW_USER}
    for address in converged.host.addresses:
        assert converged.answer(PORT, *gina.values(), WHO_AM_I, address=address)[0] == 0
        there = f"[{address}]" if ":" in address else address
        assert demo.person(f"http://{there}:{OTHER_PORT}", gina, "write", "speech").keys() == {"run"}


def test_a_stopped_team_is_not_reached(converged: Stage, onboard: Onboard) -> None:
    run = onboard(rotated(port=OTHER_PORT, state="stopped"))
    assert run.code == 0, run.output
    assert converged.login(OTHER_PORT, "gina", NEW_USER) == 0


def test_a_server_that_cannot_start_shows_why(converged: Stage, onboard: Onboard) -> None:
    store = f"postgresql+psycopg://someone:{SETTING}@127.0.0.1/x?plugin=nosuch"
    refused = onboard(rotated(backend_store_uri=store))
    assert refused.code == 2
    left = "what the team has is in /var/lib/mlflow/audio/mlflow.db, and would be left behind"
    assert f"audio: backend_store_uri, auth_database_uri: {left}" in last_words(refused)
    # It would begin anew, which takes that what the team has is put aside.
    converged.sh("cd /var/lib/mlflow/audio && mv mlflow.db aside.db")
    run = onboard(rotated(backend_store_uri=store))
    converged.sh("cd /var/lib/mlflow/audio && mv aside.db mlflow.db")
    assert run.code == 2
    (line,) = last_words(run).splitlines()
    assert "audio: mlflow@audio.service did not start: " in line
    assert "Can't load plugin" in line
    assert "; see journalctl -u mlflow@audio.service" in line
    assert "Traceback" not in run.output
    assert converged.leaks(SETTING) == []


def test_a_port_that_is_taken_shows_it(converged: Stage, onboard: Onboard) -> None:
    converged.sh(f"systemd-run --quiet --unit=squatter python3 -m http.server {OTHER_PORT}")
    run = onboard(rotated(port=OTHER_PORT))
    converged.sh("systemctl stop squatter")
    assert run.code == 2
    assert f"audio: port: {OTHER_PORT} is in use at 0.0.0.0" in run.output, run.output[-3000:]


def test_a_team_comes_back_with_its_people_and_work(converged: Stage, onboard: Onboard) -> None:
    run = onboard(rotated())
    assert run.code == 0, run.output
    gina = {"name": "gina", "password": NEW_USER}
    assert demo.person(converged.url(PORT), gina, "write", "speech").keys() == {"run"}
