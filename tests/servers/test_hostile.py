"""A server that is adopted may be anybody's: what it answers is an error that a person can read, within bounds.

The attacker is a server, so that here a server is what the tests have made up.
"""

import base64
import contextlib
import http.server
import json
import resource
import threading

import pytest
from lab import Module
from loopback import listening

PASSWORD = "the admin's own password"
EVIL = "z\n+ user eve\x1b[1A\x1b[2K\u202e\u200b\x9b"
SHOWN = "z\\n+ user eve\\u001b[1A\\u001b[2K\\u202e\\u200b\\u009b"


class Evil(http.server.BaseHTTPRequestHandler):
    """Answers by path what the server's script says: a text, a status with it, or a function that writes."""

    def answer(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        path = self.path.split("?")[0].rsplit("mlflow/", 1)[-1]
        found = self.server.script.get(path, {})
        if callable(found):
            with contextlib.suppress(OSError):
                found(self)
            return
        status, body, headers = found if isinstance(found, tuple) else (200, found, {})
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *arguments):
        pass


@pytest.fixture
def evil():
    """A server on which all is as it should be, until a test says otherwise."""
    with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)) as server:
        server.uri = f"http://127.0.0.1:{server.server_address[1]}"
        server.asked = []
        server.script = {
            "/version": "3.17.2",
            "users/list": {"users": [person("admin", is_admin=True)]},
            "users/permissions/get": {"permission": "READ"},
            "roles/list": {"roles": []},
            "experiments/search": {"experiments": []},
            "registered-models/search": {"registered_models": []},
        }
        yield server


def person(name, **facts):
    return {"id": 1, "username": name, "is_admin": False, "roles": [], **facts}


def role(**facts):
    return {"id": 5, "name": "readers", "description": None, "permissions": [], **facts}


def row(**facts):
    return {"id": 9, "resource_type": "experiment", "resource_pattern": "7", "permission": "READ", **facts}


def experiment(**facts):
    return {
        "name": "x",
        "experiment_id": "7",
        "artifact_location": "mlflow-artifacts:/7",
        "lifecycle_stage": "active",
        "tags": [],
        **facts,
    }


@pytest.fixture
def run(evil, modules):
    """Return a function that runs a module against the server; its result is not waited for without an end."""

    def run(module, check=False, **arguments):
        connection = {"tracking_uri": evil.uri, "username": "admin", "password": PASSWORD, "timeout": 120}
        if "servers" in arguments:
            connection = {"timeout": 120}
        result = Module(modules, module, {**connection, **arguments}, check).result()
        for text in (result.get("msg", ""), *map(str, result.get("warnings", []))):
            assert text.isprintable(), text
        return result

    return run


VERSIONS = [
    "3.17.2\nmlflow_team_x: {{ lookup('pipe', 'id') }}",
    "3.17.2 # {{ 1 }}",
    "3.17.2\x1b[2J",
    "\u0663.\u0661\u0667.\u0662",
    "3.17",
    "3.17.2" + "9" * 10_000,
    "",
    "[]",
    '"3.17.2"',
]


@pytest.mark.parametrize("version", VERSIONS, ids=range(len(VERSIONS)))
@pytest.mark.parametrize("module", ["access_info", "user_info", "access"])
def test_a_version_is_a_version(evil, run, module, version):
    evil.script["/version"] = version
    result = run(module)
    assert result["failed"] is True
    assert f"{evil.uri} does not tell a version of MLflow" in result["msg"]
    assert "lookup" not in json.dumps(result.get("failure", ""))


WORDS = ["READ\n# {{ 1 }}", "{{ lookup('pipe', 'id') }}", "read", "ADMIN", "", 1, None, ["READ"], {"READ": 1}, True]


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
@pytest.mark.parametrize("place", ["default", "user", "group"])
def test_a_level_is_one_of_a_closed_list(evil, run, place, word):
    hidden = role(name="__user_1__", permissions=[row(permission=word)])
    if place == "default":
        evil.script["users/list"] = {"users": [person("ann")]}
        evil.script["users/permissions/get"] = {"permission": word}
    elif place == "user":
        evil.script["users/list"] = {"users": [person("ann", roles=[hidden])]}
    else:
        evil.script["roles/list"] = {"roles": [role(permissions=[row(permission=word)])]}
    result = run("access_info")
    assert result["failed"] is True
    assert f"is {evil.uri} an MLflow server?" in result["msg"]
    assert "permission" in result["msg"]


def test_kinds_that_nobody_knows_reach_nothing(evil, run):
    rows = [row(resource_type="{{ 1 }}", permission="WHATEVER"), row(resource_type="scorer"), row()]
    evil.script["roles/list"] = {"roles": [role(permissions=rows)]}
    evil.script["experiments/search"] = {"experiments": [experiment()]}
    found = run("access_info")["access_info"]
    assert found["declaration"]["groups"][0]["grants"] == [{"experiment": "x", "permission": "READ"}]


def test_a_group_may_be_in_one_answer_and_not_in_another(evil, run):
    evil.script["users/list"] = {"users": [person("ann", roles=[role(name=EVIL)])]}
    found = run("access_info")["access_info"]
    assert (found["default_permission"], found["declaration"]["groups"]) == ("READ", [])


WRONG = [1, 1.5, True, [], ["x"], {"a": "b"}, "\ud800"]
PLACES = {
    "users": ("users/list", lambda value: {"users": value}),
    "user": ("users/list", lambda value: {"users": [value]}),
    "username": ("users/list", lambda value: {"users": [person(value)]}),
    "roles": ("users/list", lambda value: {"users": [person("ann", roles=value)]}),
    "admin": ("users/list", lambda value: {"users": [person("ann", is_admin=None if value is True else value)]}),
    "role": ("roles/list", lambda value: {"roles": [value]}),
    "role name": ("roles/list", lambda value: {"roles": [role(name=value)]}),
    "description": ("roles/list", lambda value: {"roles": [role(description=value)]}),
    "permissions": ("roles/list", lambda value: {"roles": [role(permissions=[value])]}),
    "kind": ("roles/list", lambda value: {"roles": [role(permissions=[row(resource_type=value)])]}),
    "id": ("roles/list", lambda value: {"roles": [role(permissions=[row(resource_pattern=value)])]}),
    "row": ("roles/list", lambda value: {"roles": [role(permissions=[row(id=[value])])]}),
    "experiments": ("experiments/search", lambda value: {"experiments": [value]}),
    "experiment": ("experiments/search", lambda value: {"experiments": [experiment(name=value)]}),
    "number": ("experiments/search", lambda value: {"experiments": [experiment(experiment_id=value)]}),
    "location": ("experiments/search", lambda value: {"experiments": [experiment(artifact_location=value)]}),
    "stage": ("experiments/search", lambda value: {"experiments": [experiment(lifecycle_stage=value)]}),
    "tag": ("experiments/search", lambda value: {"experiments": [experiment(tags=[{"key": "a", "value": value}])]}),
    "key": ("experiments/search", lambda value: {"experiments": [experiment(tags=[{"key": value, "value": "a"}])]}),
    "model": ("registered-models/search", lambda value: {"registered_models": [{"name": value}]}),
    "token": ("registered-models/search", lambda value: {"next_page_token": value}),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_has_the_wrong_type_is_named(evil, run, place):
    path, answer = PLACES[place]
    for value in WRONG:
        if place in ("users", "roles") and value == []:
            continue
        evil.script[path] = answer(value)
        result = run("access_info")
        assert result["failed"] is True, (place, value)
        assert f"is {evil.uri} an MLflow server?" in result["msg"], result["msg"]


MARK = "__ansible_type"


def test_a_name_that_ansible_would_take_for_a_mark_of_its_own_stops_nothing(evil, run):
    grants = [row(), row(id=10, resource_type="registered_model", resource_pattern="m")]
    others = [row(id=11, resource_type=MARK, permission=MARK)]
    evil.script["users/list"] = {
        "users": [person(MARK, roles=[role(id=4, name="__user_1__", permissions=grants + others)])]
    }
    evil.script["experiments/search"] = {"experiments": [experiment()]}
    evil.script["registered-models/search"] = {"registered_models": [{"name": "m"}]}
    found = run("access_info")["access_info"]["declaration"]
    # What they may is a value there, and no key at what they may use.
    assert found["users"] == [
        {
            "name": MARK,
            "grants": [{"experiment": "x", "permission": "READ"}, {"registered_model": "m", "permission": "READ"}],
        }
    ]
    assert [found["experiments"], found["registered_models"]] == [[{"name": "x"}], [{"name": "m"}]]
    users = [{"name": MARK, "password": "a mark's own password"}]
    evil.script["users/get"] = {}
    assert run("access", check=True, users=users)["access"]["left"] == {}


GATEWAY = {
    "endpoints/list": "endpoints",
    "secrets/list": "secrets",
    "model-definitions/list": "model_definitions",
}
MODEL = {"model_definition_id": "d-1", "name": "gpt"}
MAPPINGS = [
    {},
    {"model_definition": None},
    {"model_definition": MODEL},
    {"model_definition": {**MODEL, "secret_name": "key"}},
    {"model_definition": {**MODEL, "secret_id": "s-1"}},
    {"model_definition": {**MODEL, "model_definition_id": "", "secret_id": "", "secret_name": "key"}},
]


@pytest.mark.parametrize("mapping", MAPPINGS, ids=range(len(MAPPINGS)))
@pytest.mark.parametrize("made", ["gpt", "another"])
def test_what_may_be_missing_stops_nothing(evil, run, mapping, made):
    """Nor does the answer that another thing was made than was asked for."""
    for path, items in GATEWAY.items():
        evil.script[f"gateway/{path}"] = {items: []}
    endpoint = {"endpoint_id": "e-1", "name": "judge", "model_mappings": [mapping]}
    evil.script["gateway/endpoints/list"] = {"endpoints": [endpoint]}
    evil.script["gateway/secrets/list"] = {"secrets": [{"secret_id": "s-1", "secret_name": "key"}]}
    evil.script["gateway/model-definitions/create"] = {"model_definition": {**MODEL, "name": made}}
    evil.script["gateway/endpoints/create"] = {"endpoint": {**endpoint, "name": made}}
    models = [{"name": "gpt", "provider": "openai", "model": "gpt-4", "secret": "key"}]
    rows = [row(resource_type=kind, resource_pattern="1") for kind in ("gateway_secret", "gateway_model_definition")]
    evil.script["roles/list"] = {"roles": [{"id": 5, "name": "readers", "permissions": rows}]}
    for module, arguments in (
        ("gateway_endpoint_info", {}),
        ("access_info", {}),
        ("permission_info", {}),
        ("gateway_endpoint", {"name": "judge", "models": models}),
        ("gateway_endpoint", {"name": "other", "models": models}),
        ("gateway_endpoint", {"name": "judge", "state": "absent"}),
    ):
        result = run(module, **arguments)
        assert not result.get("failed"), (module, result["msg"])


def test_a_secret_is_made_whatever_the_server_calls_it(evil, run):
    for path, items in GATEWAY.items():
        evil.script[f"gateway/{path}"] = {items: []}
    made = {"secret_id": "s-1", "secret_name": "another", "last_updated_at": 1}
    evil.script["gateway/secrets/create"] = {"secret": made}
    evil.script["gateway/model-definitions/create"] = {"model_definition": MODEL}
    evil.script["gateway/endpoints/create"] = {"endpoint": {"endpoint_id": "e-1", "name": "judge"}}
    secret = {"name": "key", "values": {"api_key": "a key of nobody's"}}
    models = [{"name": "gpt", "provider": "openai", "model": "gpt-4", "secret": "key"}]
    changes = ["+ gateway_secret key", "+ gateway_model_definition gpt", "+ gateway_endpoint judge"]
    done = run("access", gateway_secrets=[secret], gateway_endpoints=[{"name": "judge", "models": models}])
    assert done["access"]["changes"] == changes, done


def test_names_reach_a_person_as_they_can_be_shown(evil, run):
    hidden = role(id=4, name="__user_1__", permissions=[row(permission="EDIT")])
    evil.script["users/list"] = {"users": [person("admin", is_admin=True), person(EVIL, roles=[hidden])]}
    evil.script["experiments/search"] = {"experiments": [experiment(name=EVIL)]}
    evil.script["roles/list"] = {"roles": [role(name=EVIL)]}
    found = run("access", check=True)
    assert found["access"]["changes"] == [f"- user {SHOWN}", f"- group {SHOWN}"]
    assert found["diff"]["prepared"] == f"- user {SHOWN}\n- group {SHOWN}\n"
    users = [{"name": "ann", "password": "ann's own password"}]
    experiments = [{"name": EVIL, "artifact_location": f"mlflow-artifacts:/{EVIL}"}]
    assert SHOWN in run("access", check=True, users=users, experiments=experiments)["msg"]
    server = {"name": "vision", "tracking_uri": evil.uri, "username": "admin", "password": PASSWORD}
    told = run("servers_access", check=True, servers=[server])
    assert told["diff"] == [{"prepared": f"vision:\n- user {SHOWN}\n- group {SHOWN}\n"}]
    diff = run("user", check=True, name=EVIL, state="absent")["diff"]
    assert diff["before"]["name"] == SHOWN


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_what_a_server_says_is_shown(evil, run, status):
    for body in (EVIL, {"error_code": EVIL, "message": EVIL}, {"error_code": [], "message": {"a": EVIL}}):
        evil.script["users/list"] = (status, body, {})
        result = run("user_info")
        assert result["failed"] is True
        assert len(result["msg"]) < 600
        assert result["failure"] == {"status": status, "error_code": None}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed(evil, run, status):
    seen = []
    with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)) as other:
        other.asked, other.script = seen, {}
        where = f"http://127.0.0.1:{other.server_address[1]}/x\x1b[2J"
        evil.script["users/list"] = (status, "", {"Location": where})
        for module in ("user_info", "access"):
            assert "redirected to http://127.0.0.1" in run(module)["msg"]
    assert seen == []
    word = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    assert {given for _path, given in evil.asked} == {f"Basic {word}"}


def endless(handler):
    """A body without an end."""
    handler.send_response(200)
    handler.end_headers()
    for _number in range(4096):
        handler.wfile.write(b" " * 2**20)


def dripping(handler):
    """A byte before each of the client's time-outs."""
    handler.send_response(200)
    handler.end_headers()
    for _number in range(3000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        if handler.server.over.wait(0.5):
            return


def headers(handler):
    """The same, before the body."""
    for number in range(3000):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" if number < 3 else b"HTTP/1.1 200 OK\r\nX: ")
        handler.wfile.flush()
        if handler.server.over.wait(0.5):
            return


HUGE = {
    "endless": endless,
    "announced": (200, "x", {"Content-Length": str(2**40)}),
    "deep": "[" * 200_000,
    "deep mapping": '{"users":' * 100_000,
    "digits": '{"users": ' + "9" * 1_000_000 + "}",
    "packed": (200, "x", {"Content-Encoding": "gzip"}),
    "many": {"users": [0] * 300_000},
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_too_large_is_left(evil, run, name):
    evil.script["users/list"] = HUGE[name]
    result = run("access_info")
    assert result["failed"] is True
    assert evil.uri in result["msg"]
    # Of whatever modules ran as children of this process' helpers: in KiB.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2**21


@pytest.mark.parametrize("answer", [dripping, headers])
def test_who_is_slow_is_left(evil, run, answer):
    evil.over = threading.Event()
    evil.script["users/list"] = answer
    try:
        # The server is a part of this process, which may itself be too slow for the shorter ones.
        for seconds in (2, 15, 60):
            said = run("access_info", timeout=seconds)["msg"]
            if "no whole answer" in said:
                break
        # All of it would take 1500, and nobody waits here for that.
        assert f"GET {evil.uri}/api/2.0/mlflow/users/list: no whole answer within {4 * seconds} seconds" in said
    finally:
        evil.over.set()


def test_pages_have_no_more_entries_than_a_list(evil, run):
    page = {"experiments": [experiment(name=f"{number}") for number in range(50_000)], "next_page_token": "more"}
    evil.script["experiments/search"] = json.dumps(page)
    assert f"{evil.uri} lists over 200000; is it an MLflow server?" in run("experiment_info")["msg"]
    assert len(evil.asked) == 5


def test_pages_without_an_end_are_left(evil, run):
    evil.script["experiments/search"] = {"experiments": [], "next_page_token": "more"}
    result = run("experiment_info")
    assert f"{evil.uri} has no end of pages" in result["msg"]


def repeating(handler):
    """What somebody might have put in front of a server to find an error with."""
    head = "".join(f"{name}: {value}\r\n" for name, value in handler.headers.items())
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
    said = f"{handler.requestline} {head} {body}".encode()
    handler.send_response(400)
    handler.send_header("Content-Length", str(len(said)))
    handler.end_headers()
    handler.wfile.write(said)


def garbling(handler):
    """The same, by a server that cannot even say what status that is."""
    handler.wfile.write(f"Authorization: {handler.headers['Authorization']}\r\n\r\n".encode())
    handler.close_connection = True


NEW_PASSWORD = 'correct "horse" bat\'tery \\ staple'


@pytest.mark.parametrize("way", [repeating, garbling])
def test_a_server_that_repeats_what_it_was_sent_tells_no_password(evil, run, way):
    evil.script["users/create"] = evil.script["users/get"] = way
    found = [
        run("user", name="eve", user_password=NEW_PASSWORD),
        run("access", users=[{"name": "eve", "password": NEW_PASSWORD}]),
    ]
    for result in found:
        text = json.dumps(result, ensure_ascii=False)
        assert result["failed"]
        for secret in (PASSWORD, NEW_PASSWORD):
            spelled = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
            spelled.append(base64.b64encode(f"admin:{secret}".encode()).decode())
            told = {each for it in spelled for each in (it, json.dumps(it, ensure_ascii=False)[1:-1]) if each in text}
            assert told == set(), result["msg"]
