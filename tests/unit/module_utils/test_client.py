"""What the client sends, and what it makes of the answers."""

import base64
import json

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, RequestRefused, TransportError

PASSWORD = "canary: \"pass' 100% wörd"
# As MLflow 3.17.2 answers a second user of one name.
DUPLICATE = (
    "User (username=bob) already exists. Error: (sqlite3.IntegrityError) UNIQUE constraint failed: users.username\n"
    "[SQL: INSERT INTO users (username, password_hash, is_admin) VALUES (?, ?, ?)]\n"
    "[parameters: ('bob', 'scrypt:32768:8:1$JrAztgpvsBPpU0NT$89bb903cce418259', 0)]\n"
    "(Background on this error at: https://sqlalche.me/e/21/gkpj)"
)


def client_of(server, **options):
    return Client(**{"tracking_uri": server.uri, "username": "admin", "password": PASSWORD, **options})


def refusal(call, *arguments, **options):
    """The refusal that a call ends with, which never shows the password."""
    with pytest.raises(RequestRefused) as caught:
        call(*arguments, **options)
    shown = f"{caught.value} {caught.value.failure}"
    assert "canary" not in shown
    assert base64.b64encode(f"admin:{PASSWORD}".encode()).decode() not in shown
    return caught.value


def test_what_a_read_sends(server):
    server.answers(200, {"ok": True})
    found = client_of(server).get("/api/x", name="a b&c=d/ü?%", number=5)
    assert found == {"ok": True}
    (request,) = server.requests
    assert (request["method"], request["body"]) == ("GET", "")
    assert request["path"] == "/api/x?name=a+b%26c%3Dd%2F%C3%BC%3F%25&number=5"
    kind, _space, word = request["headers"]["Authorization"].partition(" ")
    assert (kind, base64.b64decode(word).decode()) == ("Basic", f"admin:{PASSWORD}")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_what_a_write_sends(server, method):
    assert client_of(server).write(method, "/api/x", name='ü "x"', flag=False, missing=None) == {}
    (request,) = server.requests
    assert (request["method"], request["path"]) == (method, "/api/x")
    assert request["headers"]["Content-Type"] == "application/json"
    assert json.loads(request["body"]) == {"name": 'ü "x"', "flag": False, "missing": None}


def test_an_address_with_a_path_and_a_slash(server):
    Client(tracking_uri=f"{server.uri}/team/", username="a", password="b").get("/api/x")
    assert server.requests[0]["path"] == "/team/api/x"


@pytest.mark.parametrize("uri", ["", "127.0.0.1:5000", "ftp://x", "file:///etc/passwd", "HTTP//x"])
def test_addresses_that_are_none(uri):
    with pytest.raises(InvalidRequest, match=r"^tracking_uri: '.*' does not begin with http:// or https://$"):
        Client(tracking_uri=uri, username="a", password="b")


@pytest.mark.parametrize(
    "uri",
    [
        "http://admin:canary@h:5000",
        # Without a scheme, with another and with one that is none.
        "admin:canary@h:5000",
        "HTTPS://admin:canary@h",
        "file://admin:canary@h",
        "https:/admin:canary@h",
        "https://admin:can/ary@h",
        "http://[::1:canary@h",
    ],
)
def test_an_address_with_an_account_in_it_is_not_shown(uri):
    with pytest.raises(InvalidRequest) as refused:
        Client(tracking_uri=uri, username="a", password="b")
    assert str(refused.value) == "tracking_uri: give the account as username and password, not in the address"


@pytest.mark.parametrize("uri", ["http://h/a@b", "https://[fd00::1]:443/x?y=@", "http://h:5000"])
def test_an_address_may_have_that_sign_elsewhere(uri):
    assert Client(tracking_uri=uri, username="a", password="b").tracking_uri == uri


def test_nothing_is_no_word_for_going_without(tls_server):
    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
        client_of(tls_server, validate_certs=None, timeout=None).get("/api/x")
    assert tls_server.requests == []


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_that_is_none_is_named(timeout):
    with pytest.raises(InvalidRequest, match=rf"^timeout: {timeout} is not a valid number of seconds above 0$"):
        Client(tracking_uri="http://h", username="a", password="b", timeout=timeout)


def test_an_empty_answer_is_an_empty_mapping(server):
    server.answers(200, " \n")
    assert client_of(server).write("DELETE", "/x") == {}


def test_nothing_is_sent_in_check_mode(server):
    client = client_of(server, read_only=True)
    with pytest.raises(InvalidRequest, match=r"^POST /api/x was about to be sent in check mode"):
        client.write("POST", "/api/x", name="y")
    assert server.requests == []
    assert client.get("/api/x") == {}


def test_the_server_s_version_is_asked_once(server):
    server.answers(200, "3.17.2\n")
    client = client_of(server)
    assert [client.version, client.version] == ["3.17.2", "3.17.2"]
    assert [request["path"] for request in server.requests] == ["/version"]


def test_a_refusal_says_what_the_server_said(server):
    server.answers(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid model name 'a/b'."})
    found = refusal(client_of(server).write, "POST", "/api/x")
    assert str(found) == "POST /api/x: 400 Invalid model name 'a/b'."
    assert found.failure == {"status": 400, "error_code": "INVALID_PARAMETER_VALUE"}


@pytest.mark.parametrize("message", [DUPLICATE, DUPLICATE.replace("(sqlite3.", "(psycopg.errors.")])
def test_a_refusal_does_not_show_the_database(server, message):
    server.answers(400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": message})
    found = refusal(client_of(server).write, "POST", "/api/x")
    assert str(found) == "POST /api/x: 400 User (username=bob) already exists."


def test_a_long_refusal_is_cut(server):
    server.answers(500, "<html>" + "x" * 10_000)
    found = refusal(client_of(server).get, "/api/x")
    assert len(str(found)) < 600
    assert found.failure == {"status": 500, "error_code": None}


@pytest.mark.parametrize("body", [PASSWORD, '{"message": "canary"}', {"error_code": "X", "message": "canary"}])
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "the server does not accept the credentials of user 'admin'"),
        (403, "user 'admin' is not allowed to do this; log in as an admin"),
    ],
)
def test_who_may_not(server, status, text, body):
    server.answers(status, body)
    found = refusal(client_of(server).get, "/api/x")
    assert str(found) == f"GET /api/x: {status} {text}"
    assert found.status == status


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, other_server, method, status):
    server.answers(status, Location=f"{other_server.uri}/else")
    client = client_of(server)
    call = client.get if method == "GET" else lambda path: client.write(method, path)
    found = refusal(call, "/api/x")
    assert str(found).endswith(f"redirected to {other_server.uri}/else; give the final address as tracking_uri")
    assert found.status == status
    assert other_server.requests == []


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, {"a": 1}, {"a": 1}),
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, None),
        (404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no"}, 404),
        (404, "Not Found", 404),
        (400, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, 400),
        (503, "busy", 503),
    ],
)
def test_what_counts_as_not_there(server, status, body, found):
    server.answers(status, body)
    if isinstance(found, int):
        assert refusal(client_of(server).find, "/api/x").status == found
    else:
        assert client_of(server).find("/api/x") == found


def test_whether_a_password_works(server):
    client = client_of(server)
    assert client.login_works("al", "her password") is True
    word = server.requests[0]["headers"]["Authorization"].split()[1]
    assert base64.b64decode(word) == b"al:her password"
    server.answers(401, "no")
    assert client.login_works("al", "her password") is False
    server.answers(503, "busy")
    assert refusal(client.login_works, "al", "canary").status == 503


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<html>hello</html>", "is not a JSON object"),
        ("{", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ("{}", "has no 'users'"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(server, body, fault):
    server.answers(200, body)
    with pytest.raises(TransportError, match=rf"^GET /x: the answer {fault}; is {server.uri} an MLflow server\?$"):
        _users = client_of(server).get("/x")["users"]
