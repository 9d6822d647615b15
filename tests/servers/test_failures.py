"""What every module says when the server cannot be reached, or answers nonsense: never a password."""

import http.server
import socket

import mlflow_proxy
import pytest
from lab import PATIENCE, Module
from loopback import listening, nobody, self_signed

PASSWORD = 'wrong: "pass\'word" %'
HTML = "<html><title>Bad gateway</title></html>"

# The arguments of every module that speaks with a server.
MODULES = {
    "user": {"name": "ann", "user_password": "ann's other password"},
    "group": {"name": "all", "members": ["ann"]},
    "permission": {"user": "ann", "experiment": "resnet", "permission": "READ"},
    "experiment": {"name": "resnet"},
    "registered_model": {"name": "detector"},
    "prompt": {"name": "summarize", "template": "Be {{ short }}"},
    "webhook": {"name": "deploy", "url": "https://127.0.0.1:9/x", "events": ["prompt.created"], "secret": "our secret"},
    "access": {"users": [{"name": "ann", "password": "ann's other password"}]},
    "user_info": {},
    "group_info": {},
    "permission_info": {},
    "experiment_info": {},
    "registered_model_info": {},
    "gateway_secret": {"name": "openai", "values": {"api_key": "sk-our-secret-key"}},
    # What it leads to would have to be there.
    "gateway_endpoint": {"name": "judge", "state": "absent"},
    "prompt_info": {},
    "gateway_secret_info": {},
    "gateway_endpoint_info": {},
    "webhook_info": {},
    "access_info": {},
}


class Scripted(http.server.BaseHTTPRequestHandler):
    """Gives every request the server's one answer."""

    def answer(self):
        status, kind, body = self.server.script
        if self.path == "/version" and self.server.version:
            status, kind, body = 200, "text/plain", self.server.version
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *arguments):
        pass


@pytest.fixture
def scripted():
    with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)) as server:
        server.version = None
        server.uri = f"http://127.0.0.1:{server.server_address[1]}"
        yield server


@pytest.fixture(params=MODULES)
def failing(request, modules):
    """Run each module in turn where it must fail; give what it says."""

    def run(uri, check=False, **options):
        connection = {"tracking_uri": uri, "username": "admin", "password": PASSWORD, "timeout": PATIENCE}
        result = Module(modules, request.param, {**connection, **MODULES[request.param], **options}, check).result()
        assert result["failed"] is True
        assert not result.get("changed")
        # One thing that a person can read, and act on.
        assert 0 < len(result["msg"]) < 600
        assert "failure" in result, result
        return result

    return run


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ((401, "text/plain", "You are not authenticated"), "401 the server does not accept the credentials"),
        ((403, "text/plain", "Permission denied"), "403 user 'admin' is not allowed"),
        ((500, "application/json", '{"error_code": "INTERNAL_ERROR", "message": "no disk"}'), "500 no disk"),
        ((500, "text/html", HTML), "500 "),
        ((200, "text/html", HTML), " an MLflow server?"),
        ((302, "text/plain", ""), "redirected to http://127.0.0.1:9/elsewhere; give the final address"),
    ],
    ids=["401", "403", "500", "500-html", "200-html", "302"],
)
def test_answers_that_are_no_help(failing, scripted, script, said):
    scripted.script = script
    assert said in failing(scripted.uri)["msg"]


@pytest.mark.parametrize("body", ["[]", "null", "not JSON"])
@pytest.mark.parametrize("version", ["3.12.0", "3.17.2"])
def test_answers_without_what_was_asked_for(failing, scripted, version, body):
    scripted.version = version
    scripted.script = (200, "application/json", body)
    message = failing(scripted.uri)["msg"]
    assert f"is {scripted.uri} an MLflow server?" in message or "does not exist" in message


def test_nobody_listens(failing):
    with nobody() as uri:
        message = failing(uri)["msg"]
    assert uri in message
    assert "Connection refused" in message


def test_a_server_that_never_answers(failing):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = failing(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1)["msg"]
    # The latter where the machine is so busy that the end of a second is noticed after that of all of them.
    assert "timed out" in message or "no whole answer within 4 seconds" in message


def test_the_real_server_does_not_know_the_password(failing, newest):
    result = failing(newest.uri)
    assert result["failure"]["status"] == 401
    assert "does not accept the credentials of user 'admin'" in result["msg"]


def test_an_answer_that_is_cut_off(failing, newest):
    with newest.proxy.deciding(lambda *_: mlflow_proxy.CUT_MIDDLE):
        failing(newest.proxy.uri)
    with newest.proxy.deciding(lambda *_: mlflow_proxy.CUT):
        failing(newest.proxy.uri, check=True)


def test_a_certificate_nobody_knows(failing, newest, tmp_path):
    _certificate, both = self_signed(tmp_path)
    with listening(mlflow_proxy.Proxy(newest.uri, both)) as proxy:
        message = failing(proxy.uri)["msg"].lower()
    assert "certificate" in message
    assert "self-signed" in message or "verify failed" in message


@pytest.mark.parametrize("module", MODULES)
def test_a_certificate_that_is_given_or_not_looked_at(newest, tmp_path, module):
    certificate, both = self_signed(tmp_path)
    with listening(mlflow_proxy.Proxy(newest.uri, both)) as proxy:
        for options in ({"ca_path": str(certificate)}, {"validate_certs": False}):
            result = newest.run(module, check=True, tracking_uri=proxy.uri, **options, **MODULES[module])
            assert not result.get("failed"), result["msg"]
        assert proxy.requests
        assert proxy.writes == []
