"""A host that the release before has deployed goes on under this one, and is then as if this one had deployed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo
import former
import project
import pytest
import testhosts
from e2e import stage
from e2e.stage import ALICE, Stage, stream_during

pytestmark = pytest.mark.on_request

DAVE = {"name": "dave", "password": "dave-try-out-only"}
SETTINGS: dict[str, Any] = {
    "mlflow_backup_repository": "/srv/backups",
    "mlflow_backup_password": "canary-repository-'1'",
    "mlflow_monitoring_state": "present",
    # The name that examples/proxies has.
    "mlflow_proxy_domain": "mlflow.example.org",
    "mlflow_client_users": [{"name": name} for name in ("alice", "bob", "dave")],
}
RESTORE = "/usr/local/sbin/mlflowctl restore"
JOURNAL = "/var/lib/mlflow-changes/nlp.json"
# What a collection brings to a host has its name, but for what an MLflow brings. Not what came of people's work: what
# restores put aside, and what was noted for the next run. Nor the program as it was, which stays for what still runs.
FILES = (
    "find /etc /opt /usr/local -path '*mlflow*' -not -path '/opt/mlflow/*/*' -not -path '*/__pycache__*'"
    " -not -path '*/.*.restore*' -not -name access_receipt.json -not -path '/usr/local/*/mlflowctl-*'"
    " -printf '%p %y %m %u %g %l\\n'"
)
UNITS = "systemctl list-unit-files --no-legend --plain '*mlflow*' 'nginx*'"
GROUPS = ("mlflow_proxies", "mlflow_clients")


class Host(Stage):
    """A host with all roles on it."""

    def run(self, name: str, *more: str, release: Path = project.COLLECTIONS) -> demo.Play:
        """Run a playbook of a release, always with the same inventory."""
        both = {group: {"hosts": {"mlflow1": {"mlflow_server_address": self.host.address}}} for group in GROUPS}
        file = stage.WORK / f"{self.host.name}-groups.json"
        stage.write_private(file, json.dumps({"all": {"children": both}}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(project, "COLLECTIONS", release)
            return self.play(name, f"--inventory={file}", *more, **SETTINGS)


@pytest.fixture(scope="module")
def name() -> str:
    """Return which release is the one before."""
    found = former.named()
    if not found:
        pytest.skip(f"this clone's history has no release before this one: fetch it all, or set {former.NAMED}")
    return found


def up(name: str) -> Iterator[Host]:
    """Return a host with people on it, and nothing else."""
    testhosts.down([name])
    try:
        host = Host(testhosts.up(name, uv=True), former.COLLECTION / "examples" / "inventory")
        host.sh("for it in alice bob dave; do useradd -m $it; done")
        yield host
    finally:
        testhosts.down([name])
        for file in stage.WORK.glob(f"{name}*.json"):
            file.unlink()


@pytest.fixture(scope="module")
def host(alone: None, name: str) -> Iterator[Host]:
    """Return the one for the release before."""
    former.install(name)
    yield from up("former")


@pytest.fixture(scope="module")
def fresh(host: Host) -> Iterator[Host]:
    """Return one that knows nothing of it."""
    yield from up("fresh")


@pytest.fixture(scope="module")
def lived(host: Host) -> dict[str, str]:
    """Let people work with the release before: runs, backups, and a restore that somebody has cut off."""
    run = host.run("site", release=former.COLLECTIONS)
    assert run.code == 0, run.output[-5000:]
    runs = {"vision": demo.person(host.url(5001), ALICE, "log", "resnet")["run"]}
    runs["nlp"] = demo.person(host.url(5002), DAVE, "log", "sentiment")["run"]
    made = host.run("backup_team", release=former.COLLECTIONS)
    assert made.code == 0, made.output[-5000:]
    runs["later"] = demo.person(host.url(5002), DAVE, "log", "sentiment")["run"]
    until_noted = f"while ! test -e {JOURNAL}; do kill -0 $it || exit 1; sleep 0.01; done"
    host.sh(f"{RESTORE} nlp >/dev/null 2>&1 & it=$!; {until_noted}; kill -9 $it")
    host.sh(f"test -e {JOURNAL}")
    return runs


@pytest.fixture(scope="module")
def upgraded(host: Host, lived: dict[str, str]) -> Host:
    """Run this release on it, while somebody works, who notices nothing."""
    runs: list[demo.Play] = []
    answer = stream_during(host, lambda: runs.append(host.run("site", "--diff")), "--repeat")
    assert (runs[0].code, runs[0].warnings) == (0, []), runs[0].output[-5000:]
    assert answer["sent"] == answer["kept"] > 20
    return host


def test_a_second_run_changes_nothing(upgraded: Host) -> None:
    run = upgraded.run("site", "--diff")
    assert (run.code, run.changed, run.warnings) == (0, 0, []), run.output[-5000:]
    assert upgraded.sh("systemctl list-units --plain --no-legend --state=failed,not-found '*mlflow*' 'nginx*'") == ""


def test_everybody_logs_in_and_finds_their_runs(upgraded: Host, lived: dict[str, str]) -> None:
    for team in demo.declared_teams([upgraded.inventory]):
        for user in [{"name": team["admin_username"], "password": team["admin_password"]}, *team["users"]]:
            assert upgraded.login(team["port"], user["name"], user["password"]) == 200
    assert demo.person(upgraded.url(5001), ALICE, "see", "resnet", "--run", lived["vision"]) == {"seen": True}
    name = "vision.mlflow.example.org"
    at_proxy = f"curl -sSf --cacert /etc/mlflow-proxy/ca.pem --resolve {name}:443:127.0.0.1 -K - https://{name}"
    said = upgraded.sh(at_proxy + stage.WHO_AM_I, feed=f"user = {ALICE['name']}:{ALICE['password']}\n")
    assert json.loads(said)["user"]["username"] == ALICE["name"]


def test_a_restore_that_the_release_before_began_is_undone(upgraded: Host, lived: dict[str, str]) -> None:
    for run in (lived["nlp"], lived["later"]):
        assert demo.person(upgraded.url(5002), DAVE, "see", "sentiment", "--run", run) == {"seen": True}
    assert upgraded.sh(f"ls {JOURNAL}", check=False) == ""


def test_a_backup_of_the_release_before_is_restored(upgraded: Host, lived: dict[str, str]) -> None:
    assert demo.person(upgraded.url(5001), ALICE, "lose", "resnet", "--run", lived["vision"]) == {"lost": True}
    run = upgraded.run("restore_team", "-e", "team=vision")
    assert run.code == 0, run.output[-5000:]
    assert demo.person(upgraded.url(5001), ALICE, "see", "resnet", "--run", lived["vision"]) == {"seen": True}


def test_nothing_is_there_that_this_release_would_not_have_brought(upgraded: Host, fresh: Host) -> None:
    run = fresh.run("site")
    assert run.code == 0, run.output[-5000:]
    for command in (FILES, UNITS):
        there, wanted = (set(host.sh(command).splitlines()) for host in (upgraded, fresh))
        assert there == wanted, "\n".join(sorted(there ^ wanted))
