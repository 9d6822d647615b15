"""A receipt holds as long as neither the declaration nor what a command says of the databases has changed."""

import json
import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _receipt
from ansible_collections.mlops.mlflow.plugins.module_utils._receipt import receipts_of

DECLARED = {
    "name": "vision",
    "users": [{"name": "ann", "password": "ann's long password"}],
    "registered_models": [{"name": "churn", "aliases": {"champion": 1}}, {"name": "plain", "aliases": None}],
    "prompts": [{"name": "greeting", "aliases": None, "template": "hello"}],
}
# Of a command that knows one state, and keeps what it is told.
COMMAND = """\
import json, sys
home = sys.argv[1]
told = json.load(sys.stdin)
json.dump(told, open(home + "/told", "w"))
state = json.load(open(home + "/state"))
print(json.dumps({name: {"holds": it["noted"] == state, "state": state} for name, it in told.items()}))
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A fingerprint that is cheap."""
    monkeypatch.setattr(_receipt, "ROUNDS", 10)


class Host:
    """What a run finds."""

    def __init__(self, home):
        self.home = home
        self.path = home / "receipt.json"
        self.command = [sys.executable, "-c", COMMAND, str(home)]
        self.be(1)

    def be(self, number):
        (self.home / "state").write_text(json.dumps({"number": number}))

    def told(self):
        return json.loads((self.home / "told").read_text())

    def receipt(self, **other):
        server = {"receipt": str(self.path), **DECLARED, **other}
        return receipts_of([server], self.command)[server["name"]]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def noted(host):
    """A host with a receipt that holds; the path of its file."""
    assert not host.receipt().holds
    host.receipt().write()
    assert host.receipt().holds
    return host.path


def test_it_is_for_root_alone_and_shows_nothing(noted):
    assert oct(noted.stat().st_mode & 0o777) == "0o600"
    assert "password" not in noted.read_text()
    assert "ann" not in noted.read_text()
    assert [path.name for path in noted.parent.iterdir() if path.name.endswith(".new")] == []


def test_the_command_is_told_what_it_said_and_what_matters(noted, host):
    host.receipt()
    assert host.told() == {"vision": {"noted": {"number": 1}, "names": ["churn", "greeting"]}}


def test_another_declaration(noted, host):
    for other in ({"users": [{"name": "ann", "password": "another password"}]}, {"users": []}):
        assert not host.receipt(**other).holds
        # What was noted of another says nothing, and is not told.
        assert host.told()["vision"]["noted"] is None


def test_another_state(noted, host):
    host.be(2)
    assert not host.receipt().holds


def test_a_change_between_the_look_and_the_note(noted, host):
    early = host.receipt()
    host.be(2)
    early.write()
    assert not host.receipt().holds


def test_nothing_is_noted_of_what_cannot_be_known(host):
    (host.home / "state").write_text("null")
    host.receipt().write()
    assert not host.path.exists()


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["/no/such/command"],
        [sys.executable, "-c", "import sys; sys.exit(1)"],
        [sys.executable, "-c", "print('no JSON')"],
        [sys.executable, "-c", "print('[]')"],
        [sys.executable, "-c", "print('{\"vision\": []}')"],
        [sys.executable, "-c", 'print(\'{"other": {"holds": true, "state": 1}}\')'],
        [sys.executable, "-c", "import time; time.sleep(60)"],
    ],
    ids=["none", "gone", "failed", "text", "list", "answer", "another", "slow"],
)
def test_without_an_answer_nothing_holds_and_nothing_is_noted(noted, host, monkeypatch, command):
    monkeypatch.setattr(_receipt, "LOOK_SECONDS", 1)
    before = noted.read_text()
    host.command = command
    found = host.receipt()
    found.write()
    assert not found.holds
    assert noted.read_text() == before


def test_a_command_that_says_of_nothing_that_it_holds(host):
    host.command = [sys.executable, "-c", 'print(\'{"vision": {"holds": true, "state": {}}}\')']
    assert not host.receipt().holds


def test_nobody_is_asked_about_servers_without_a_receipt(host):
    found = receipts_of([{**DECLARED, "receipt": None}], host.command)["vision"]
    found.write()
    assert not found.holds
    assert not (host.home / "told").exists()


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "null", '{"format": 1}', b"\xff\xfe"])
def test_what_is_no_receipt(noted, host, text):
    noted.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert not host.receipt().holds


@pytest.mark.parametrize("change", [{"format": 0}, {"salt": "00"}, {"salt": 1}, {"fingerprint": None}, {"state": []}])
def test_a_receipt_that_says_something_else(noted, host, change):
    noted.write_text(json.dumps({**json.loads(noted.read_text()), **change}))
    assert not host.receipt().holds


def test_a_receipt_that_somebody_else_may_have_written(noted, host):
    noted.chmod(0o620)
    assert not host.receipt().holds
    noted.chmod(0o600)
    link = noted.rename(noted.parent / "elsewhere")
    noted.symlink_to(link)
    assert not host.receipt().holds


def test_two_receipts_of_the_same_have_nothing_in_common(noted, host):
    first = json.loads(noted.read_text())
    host.receipt().write()
    second = json.loads(noted.read_text())
    assert first["salt"] != second["salt"]
    assert first["fingerprint"] != second["fingerprint"]


def test_what_was_noted_of_another_declaration_goes_once_the_server_is_of_this_one(host, noted):
    # Of this very declaration: the server is to be so again.
    host.receipt().outdate()
    assert host.receipt().holds
    host.receipt(users=[]).outdate()
    assert not noted.exists()
    host.receipt(users=[]).outdate()
    _receipt.Receipt({**DECLARED, "receipt": None}).outdate()
