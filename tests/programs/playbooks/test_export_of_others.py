"""An export of a server that somebody else runs has no template of theirs, wherever in the file it would stand."""

import http.server
import json
import sys

import pytest
from loopback import listening

ANSWERS = {
    "/version": "3.17.2",
    "users/list": {"users": [{"id": 1, "username": "admin", "is_admin": True, "roles": []}]},
    "users/permissions/get": {"permission": "READ"},
    "experiments/search": {"experiments": []},
    "registered-models/search": {"registered_models": []},
}
EXPERIMENT = {
    "name": "x",
    "experiment_id": "7",
    "artifact_location": "mlflow-artifacts:/7",
    "lifecycle_stage": "active",
}


class Others(http.server.BaseHTTPRequestHandler):
    """Has a group with a grant on something of a kind of its own."""

    def answer(self):
        grant = {"id": 9, "resource_type": self.server.kind, "resource_pattern": "7", "permission": "READ"}
        roles = {"roles": [{"id": 5, "name": "readers", "description": None, "permissions": [grant]}]}
        path = self.path.split("?")[0].rsplit("mlflow/", 1)[-1]
        things = {
            "experiments/search": {"experiments": [{**EXPERIMENT, "tags": self.server.tags}]},
            "registered-models/search": {"registered_models": [{"name": "m", **self.server.model}]},
        }
        body = {**ANSWERS, **(things if self.server.tags else {}), "roles/list": roles}.get(path, {})
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer  # noqa: N815 - http.server's names

    def log_message(self, *arguments):
        pass


@pytest.fixture
def export(play, tmp_path, monkeypatch):
    """Export a server that has a grant on something of this kind; return the run, and the file or None."""

    def run(kind, tags=(), aliases=()):
        with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Others)) as server:
            server.kind, server.tags = kind, tags
            server.model = {"tags": tags, "aliases": aliases}
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_address[1]}")
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse battery")
            given = {"team": "nlp", "team_port": 5002, "dest": str(tmp_path / "nlp.yml")}
            here = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
            done = play("export_access", {"all": here}, "-e", json.dumps(given))
        file = tmp_path / "nlp.yml"
        return done, file.read_text() if file.exists() else None

    return run


def test_a_kind_that_nobody_knows_is_named(export):
    done, text = export("gateway_budget\n'x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert text.splitlines()[2].endswith("whose names the server does not tell, on gateway_budget\\n'x.")


def test_a_kind_that_is_a_template_is_refused(export):
    done, text = export("{{ lookup('pipe', 'id') }}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the inventory would take these for templates" in done.stdout
    assert text is None


# As Ansible marks what is no text in a module's answer.
MARKS = ["__ansible_type", "__ansible_unsafe", "__ansible_vault"]


@pytest.mark.parametrize("mark", MARKS)
def test_a_tag_that_ansible_would_take_for_a_mark_of_its_own_stops_nothing(export, mark):
    """Any member may give their experiment such a tag, and an editor of a model such an alias."""
    tags = [{"key": mark, "value": "{}"}, {"key": "owner", "value": "ann"}]
    done, text = export("scorer", tags, [{"alias": mark, "version": "1"}])
    assert done.returncode == 0, done.stdout + done.stderr
    assert text.count('!unsafe "owner": !unsafe "ann"') == 2
    assert mark not in text
