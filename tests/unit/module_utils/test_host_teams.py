"""What a host has of teams, and what of it leaves the host."""

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_teams
from ansible_collections.mlops.mlflow.plugins.module_utils._host_teams import names_of, seen

NOTHING = {
    "account": False,
    "password": "none",
    "version": "",
    "drained": False,
    "retired": False,
    "leader": "",
    "key_sums": [],
}
PASSWORD = "correct horse battery"
KEYS = (
    "# Managed\nMLFLOW_FLASK_SERVER_SECRET_KEY={}\nMLFLOW_CRYPTO_KEK_PASSPHRASE={}\n"
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=x\nOTHER=y\n"
)


class Host:
    """A host that is two directories."""

    def __init__(self, home):
        self.config, self.state = home / "etc", home / "var"

    def write(self, name, text, team="vision"):
        file = self.config / team / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def retire(self, name):
        (self.state / ".retired").mkdir(parents=True, exist_ok=True)
        (self.state / ".retired" / f"{name}.json").write_text("{}")

    def seen(self, password=PASSWORD, replicated=False):
        return seen("vision", password, replicated, str(self.config), str(self.state))

    def names(self):
        return names_of(str(self.config), str(self.state))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_host_with_nothing(host):
    assert host.names() == []
    assert host.seen() == NOTHING
    assert host.seen(replicated=True) == NOTHING


@pytest.mark.parametrize(
    ("line", "is_there"),
    [
        # As systemd-sysusers makes it, and with a day on which it has ended.
        ("mlflow-vision:!*:20786::::::", False),
        ("mlflow-vision:!*:20786:::::1:", True),
        # Whose end is another system's.
        ("mlflow-vision-two:!*:20786::::::", True),
        ("mlflow-vision", False),
    ],
)
def test_an_account_that_somebody_could_log_in_as_is_not_there_yet(host, tmp_path, monkeypatch, line, is_there):
    (tmp_path / "shadow").write_text(f"root:*:20786:0:99999:7:::\n{line}\n")
    monkeypatch.setattr(_host_teams, "SHADOW", str(tmp_path / "shadow"))
    monkeypatch.setattr(_host_teams.pwd, "getpwnam", lambda name: name)
    assert host.seen() == {**NOTHING, "account": is_there}


def test_teams_are_known_that_nobody_declares(host):
    for name in ("vision", "with space", ".aside"):
        host.write("environment", "", team=name)
    (host.config / "a file").write_text("")
    host.retire("gone")
    host.retire("vision")
    assert host.names() == ["gone", "vision", "with space"]


@pytest.mark.parametrize(
    ("kept", "declared", "found"),
    [
        (PASSWORD, PASSWORD, "declared"),
        (PASSWORD, "another one of them", "other"),
        (PASSWORD, None, "other"),
        # Somebody may have written it with an editor.
        (f"{PASSWORD}\n", PASSWORD, "other"),
        ("", PASSWORD, "other"),
    ],
)
def test_whether_the_declared_password_is_the_kept_one(host, kept, declared, found):
    host.write("admin_password", kept)
    assert host.seen(declared) == {**NOTHING, "password": found}


def test_which_version_it_has(host):
    host.write("environment", "")
    # Also where it is gone.
    (host.config / "vision" / "venv").symlink_to("/opt/mlflow/3.17.2")
    assert host.seen()["version"] == "3.17.2"


@pytest.mark.parametrize(
    ("text", "leader"),
    [
        (json.dumps({"leader": "mlflow1"}), "mlflow1"),
        (json.dumps({"leader": ""}), ""),
        (json.dumps({"leader": None}), ""),
        ("{}", ""),
        ("[]", ""),
        ("half of", ""),
        ("", ""),
    ],
)
def test_who_led_it(host, text, leader):
    host.write("team.json", text)
    assert host.seen()["leader"] == leader


def test_a_team_that_was_drained(host):
    host.write("drained", "")
    assert host.seen() == {**NOTHING, "drained": True}


def test_a_team_that_was_retired(host):
    host.retire("vision")
    assert host.seen() == {**NOTHING, "retired": True}


def test_keys_are_compared_by_their_sums(host):
    host.write("secrets.env", KEYS.format("session", "canary"))
    assert host.seen()["key_sums"] == []
    encryption, everything = host.seen(replicated=True)["key_sums"]
    assert "canary" not in encryption + everything
    host.write("secrets.env", KEYS.format("new", "canary") + "MORE=1\n")
    assert host.seen(replicated=True)["key_sums"][0] == encryption
    assert host.seen(replicated=True)["key_sums"][1] != everything
    host.write("secrets.env", KEYS.format("session", "other"))
    assert host.seen(replicated=True)["key_sums"][0] != encryption
    host.write("secrets.env", "")
    assert host.seen(replicated=True)["key_sums"] == []
