"""The webhook modules, on every server; deliveries go to a real listener, which checks what they are signed with."""

import base64
import hashlib
import hmac
import http.server
import json

import pytest
from loopback import listening
from mlflow_reader import V2

EVENTS = ["registered_model.created", "model_version_alias.created"]


class Listener(http.server.BaseHTTPRequestHandler):
    """Takes down what is posted, and how it is signed."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append((dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def listener():
    with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)) as server:
        server.heard = []
        server.uri = f"http://127.0.0.1:{server.server_address[1]}/hook?x='\"%20"
        yield server


def test_an_old_server_names_the_version_it_needs(lab):
    if lab.version >= (3, 3):
        return
    assert "3.3 or later" in lab.refused("webhook", name="x", url="https://example.org", events=EVENTS)
    assert "3.3 or later" in lab.refused("webhook_info")
    assert "3.3 or later" in lab.refused("access", webhooks=[{"name": "x", "url": "https://e.org", "events": EVENTS}])


@pytest.fixture
def hooked(lab):
    if lab.version < (3, 3):
        pytest.skip("no webhooks")
    return lab


def stored(lab, name):
    found = lab.reader.ask("GET", V2 + "webhooks").get("webhooks", [])
    return [webhook for webhook in found if webhook["name"] == name]


def signed_with(lab, listener, name):
    """What a delivery is signed with: the secret that fits, or none."""
    listener.heard.clear()
    webhook = stored(lab, name)[0]["webhook_id"]
    assert lab.reader.ask("POST", f"{V2}webhooks/{webhook}/test")["result"]["success"]
    [(headers, body)] = listener.heard
    assert json.loads(body)["entity"] + "." + json.loads(body)["action"] in EVENTS
    content = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.{body}"

    def fits(secret):
        digest = hmac.new(secret.encode(), content.encode(), hashlib.sha256).digest()
        return headers.get("X-MLflow-Signature") == f"v1,{base64.b64encode(digest).decode()}"

    return fits


def test_a_webhook_comes_changes_and_goes(hooked, some, secret, listener, tmp_path):
    lab, name, first, second = hooked, some("hook.a_b"), secret(), secret()
    kept = {"name": name, "secrets_file": str(tmp_path / "kept.json")}
    wanted = {**kept, "url": listener.uri, "events": EVENTS, "description": 'It\'s "so" 模型'}
    done = lab.converge("webhook", **wanted, secret=first)
    facts = {"name": name, "url": listener.uri, "events": sorted(EVENTS), "status": "active"}
    assert done["webhook"] == {**facts, "description": wanted["description"]}
    assert done["diff"]["after"] == {**done["webhook"], "url": listener.uri.replace("hook?x='\"%20", "***")}
    assert signed_with(lab, listener, name)(first)
    # Another secret is seen though the server does not tell it; nobody can read it out of the note.
    lab.converge("webhook", **wanted, secret=second)
    assert signed_with(lab, listener, name)(second)
    assert second not in (tmp_path / "kept.json").read_text()
    assert (tmp_path / "kept.json").stat().st_mode & 0o777 == 0o600
    # What somebody else changed may have been the secret.
    webhook = stored(lab, name)[0]["webhook_id"]
    lab.reader.ask("PATCH", f"{V2}webhooks/{webhook}", secret=first)
    lab.converge("webhook", **wanted, secret=second)
    assert signed_with(lab, listener, name)(second)
    less = "" if lab.version >= (3, 17) else "less"
    if less:
        assert "3.17 or later" in lab.refused("webhook", **kept, description="")
    lab.converge("webhook", **kept, events=EVENTS[:1], status="disabled", description=less, secret=second)
    [found] = stored(lab, name)
    assert (found["status"], len(found["events"]), found.get("description", "")) == ("DISABLED", 1, less)
    assert signed_with(lab, listener, name)(second)
    [told] = lab.ok("webhook_info", name=name)["webhooks"]
    assert told == {**facts, "events": EVENTS[:1], "status": "disabled", "description": less, "webhook_id": webhook}
    lab.converge("webhook", **kept, state="absent")
    assert stored(lab, name) == []
    assert 'secrets": {}' in (tmp_path / "kept.json").read_text()


def test_without_a_note_a_secret_is_given_once(hooked, some, secret, listener):
    lab, name, first = hooked, some("hook"), secret()
    wanted = {"name": name, "url": listener.uri, "events": EVENTS}
    lab.converge("webhook", **wanted, secret=first)
    lab.unchanged("webhook", **wanted, secret=secret())
    assert signed_with(lab, listener, name)(first)
    # Nobody listens there any more, or another test does.
    lab.ok("webhook", name=name, state="absent")


def test_webhooks_of_a_declaration_are_delivered(hooked, some, secret, listener, tmp_path):
    lab, name, model, key = hooked, some("Hook_of.ours"), some("模型"), secret()
    wanted = {"name": name, "url": listener.uri, "events": EVENTS, "secret": key}
    declared = {"webhooks": [wanted], "secrets_file": str(tmp_path / "kept.json")}
    done = lab.converge("access", **declared)
    assert done["access"]["changes"] == [f"+ webhook {name}"]
    listener.heard.clear()
    assert signed_with(lab, listener, name)(key)
    lab.converge(
        "access", webhooks=[{**wanted, "secret": secret(), "status": "disabled"}], secrets_file=declared["secrets_file"]
    )
    assert not signed_with(lab, listener, name)(key)
    lab.converge("access", webhooks=[{"name": name, "state": "absent"}], registered_models=[{"name": model}])
    assert stored(lab, name) == []


def test_what_cannot_be_is_refused_before_anything_is_done(hooked, some, tmp_path):
    lab, name = hooked, some("hook")
    url = "https://127.0.0.1:9/hook"
    assert "needs url" in lab.refused("webhook", name=name, events=EVENTS)
    assert "needs events" in lab.refused("webhook", name=name, url=url, events=[])
    for _time in range(2):
        event = {"entity": "PROMPT", "action": "CREATED"}
        lab.reader.ask("POST", V2 + "webhooks", name=name, url=url, events=[event])
    assert "2 on the server are called" in lab.refused("webhook", name=name, url=url, events=EVENTS)
    for webhook in stored(lab, name):
        lab.reader.ask("DELETE", f"{V2}webhooks/{webhook['webhook_id']}")
    said = lab.run(
        "webhook", name=name, url=url, events=EVENTS, secret="s" * 9, secrets_file=f"{tmp_path}/none/kept.json"
    )
    assert said["failed"]
    assert "secrets_file" in said["msg"]
