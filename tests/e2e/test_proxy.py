"""People reach their team by name, over TLS, from where they work, with nothing to look up."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import socket
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import demo
import project
import pytest
import testhosts
from e2e import stage
from e2e.browser import browser
from e2e.proxied import (
    DOMAIN,
    NLP,
    PEOPLE,
    PICTURES,
    VENV,
    VISION,
    Connection,
    Doors,
    certify,
    changed,
    compressed,
    quoted,
    scanned,
)
from e2e.stage import Stage, soon
from e2e.strangers import (
    ARTIFACTS,
    MALFORMED,
    ODD,
    PLACES,
    PLAIN,
    WHO_AM_I,
    both_ways,
    holding,
    login,
    never_taken,
    spelled,
    stranger,
)

ALICE = "alice:alice-try-out-only"
ADMIN = "admin:vision-admin-try-out"
NLP_ADMIN = "admin:nlp-admin-try-out"
HOSTS = ["proxy", "notebook"]
LARGE = 600 * 1024**2
HALF = 8 * 1024**2
# More than MLflow is ever to hold of a request.
BODY = 20 * 1024**2
# Of a body that is not all sent.
PART = 12 * 1024**2
# More connections than Debian's nginx has, here on two cores.
MANY = 1600
VISION_UNITS = "mlflow@vision.service mlflow-listen@vision.service"
ARE_UP = f"systemctl is-active {VISION_UNITS}"
ASKS = "curl --silent --output /dev/null --max-time 120 --write-out %{http_code}"
ASKS_VISION = f"{ASKS} --user {ALICE} https://{VISION}{WHO_AM_I}"
ASKS_NLP = f"{ASKS} --user dave:dave-try-out-only https://{NLP}{WHO_AM_I}"
# One of each kind that nginx takes differently.
ODD_PLACES = (WHO_AM_I, "/static-files/index.html", f"{ARTIFACTS}/1/x")
INTRANET = Path(__file__).parent / "intranet.conf"
READERS = "/etc/nginx/mlflow-usage"
SITE = {"mlflow_proxy_tls_certificate": "/etc/ssl/site.pem", "mlflow_proxy_tls_key": "/etc/ssl/private/site.key"}
NEW_RUN = "/api/2.0/mlflow/runs/create"
PROJECT = {
    "MLproject": "name: try-out\nentry_points:\n  main:\n    command: python train.py\n",
    "train.py": "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('done', 1)\n",
}

# A team's server that somebody has taken over.
HOSTILE = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Accel-Redirect", "/index.html")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"its own")
http.server.HTTPServer(("", int(sys.argv[1])), Answer).serve_forever()
"""

# With another certificate, the run that brought it, and its key here.
ChangedOver = tuple[Doors, demo.Play, Path]


@pytest.fixture(scope="module")
def doors(converged: Stage) -> Iterator[Doors]:
    """Put a proxy in front of the demo's host, and people on a host of their own."""
    testhosts.down(HOSTS)
    all_three = Doors(converged, Stage(testhosts.up("proxy", "trixie")), Stage(testhosts.up("notebook", uv=True)))
    addresses = all_three.proxy.host.addresses
    names = "".join(f"{address} {DOMAIN} {VISION} {NLP} audio.{DOMAIN}\n" for address in addresses)
    all_three.notebook.sh(f"cat >> /etc/hosts; for user in {' '.join(PEOPLE)}; do useradd -m $user; done", names)
    with ThreadPoolExecutor(1) as pool:
        equipped = pool.submit(all_three.equip)
        run = all_three.play("site")
        equipped.result()
    assert run.code == 0, run.output[-5000:]
    yield all_three
    testhosts.down(HOSTS)
    # Its servers answer to their address again.
    assert converged.play("site").code == 0


@pytest.fixture(scope="module")
def run_id(doors: Doors) -> str:
    """Log a run as Alice, with what the role has written for her and nothing else."""
    script = (Path(__file__).parent / "quickstart.py").read_text()
    doors.notebook.sh("cat > /tmp/quickstart.py", script)
    answer = doors.person("alice", "mlflow-team vision python /tmp/quickstart.py").splitlines()[-1]
    word, run, uri = answer.split()
    assert (word, uri) == ("run", f"https://{VISION}")
    return run


@pytest.fixture(scope="module")
def large(doors: Doors, run_id: str) -> str:
    """Return how Alice's curl begins, to send an artifact of her run or to get it."""
    info = json.loads(doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).text)["run"]["info"]
    where = info["artifact_uri"].replace("mlflow-artifacts:", "api/2.0/mlflow-artifacts/artifacts")
    return f"curl --silent --show-error --fail --user {ALICE} https://{VISION}/{where}/large"


def test_a_second_run_changes_nothing(doors: Doors) -> None:
    run = doors.play("site")
    assert (run.code, run.warnings) == (0, []), run.output[-5000:]
    assert changed(run) == {"mlflow1": 0, "notebook1": 0, "proxy1": 0}, run.output[-5000:]


def test_a_proxy_on_debian_12_beside_other_sites(doors: Doors, bare: Stage) -> None:
    # A host that is not fresh, with an nginx that is set up for what it serves.
    bare.sh("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install nginx >/dev/null 2>&1")
    bare.sh("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=intranet -keyout /etc/ssl/site.pem -out /tmp/x 2>&1")
    bare.sh("cat /tmp/x >> /etc/ssl/site.pem; cat > /etc/nginx/conf.d/intranet.conf", INTRANET.read_text())
    bare.sh("rm /etc/nginx/sites-enabled/default; nginx -t -q && systemctl restart nginx")
    older = dataclasses.replace(doors, proxy=bare)
    # To this one, nlp is older as well.
    teams = {"mlflow_team_nlp": stage.example("nlp", version="3.13.0")}
    for again in (False, True):
        run = older.play("configure_proxies", "--limit=proxy1", **teams)
        assert run.code == 0, run.output[-5000:]
        assert (changed(run)["proxy1"] == 0) is again, run.output[-5000:]
    # More often than anybody may try who is not known.
    for _number in range(15):
        assert older.ask(WHO_AM_I, ALICE).status == 200
    gone = older.ask("/api/2.0/mlflow/experiments/get-by-name?experiment_name=none", ADMIN)
    assert (gone.status, "RESOURCE_DOES_NOT_EXIST" in gone.text, gone.headers.get("expires")) == (404, True, None)
    # What older versions hand to anybody; the other team's server says itself what it has against that.
    for path in ("mlflow-artifacts/presigned/1/x", "mlflow/artifacts/presigned-upload-url?run_id=1&path=x"):
        for user, name in (("dave:dave-try-out-only", NLP), (ALICE, VISION)):
            found = older.ask(f"/api/2.0/{path}", user, name=name)
            assert (path, name, "<center>nginx" in found.text) == (path, name, name == NLP), found.text
            assert found.status == 404 or name == VISION
    # Also where another site has an address of its own.
    near = f"{ASKS} --cacert /etc/mlflow-proxy/ca.pem --user {ALICE} --resolve {VISION}:443:127.0.0.7"
    assert bare.sh(f"{near} https://{VISION}{WHO_AM_I}") == "200"
    for scheme in ("http", "https"):
        assert bare.sh(f"curl --silent --insecure {scheme}://127.0.0.1/") == "the intranet\n"
    for proxy in (older, doors):
        assert proxy.protocol() == "h2"
        # Neither takes it for an old way to say something.
        assert "warn" not in proxy.proxy.sh("nginx -t 2>&1")


def test_the_quickstart_works_by_name_and_by_path(doors: Doors, run_id: str) -> None:
    assert doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).status == 200
    by_path = doors.person("alice", f"mlflow-team vision python /tmp/quickstart.py https://{DOMAIN}/vision")
    assert by_path.splitlines()[-1].endswith(f"https://{DOMAIN}/vision")


def test_a_project_runs_as_its_user(doors: Doors) -> None:
    doors.person("bob", "mkdir -p project")
    for name, text in PROJECT.items():
        doors.notebook.sh(f"cat > /home/bob/project/{name}", text)
    doors.person("bob", "mlflow-team vision mlflow run --env-manager local --experiment-name resnet project 2>&1")


def test_only_the_user_can_read_what_was_written(doors: Doors) -> None:
    assert doors.person("alice", "cat /home/bob/.config/mlflow/vision.env", check=False) == ""
    assert "alice-try-out-only" in doors.person("alice", "cat ~/.mlflow/credentials")
    assert doors.person("dave", "mlflow-team").split() == ["*", "nlp"]
    for host in (doors.proxy, doors.notebook):
        assert host.leaks("alice-try-out-only", "vision-admin-try-out") == []


def test_names_and_origins_that_are_not_ours_are_refused(doors: Doors) -> None:
    assert doors.ask("/", Host="evil.example.org").status == 403
    past_the_proxy = f"{ASKS} --user {ALICE} http://127.0.0.1:5001{WHO_AM_I}"
    assert doors.server.sh(past_the_proxy) == "200"
    assert doors.server.sh(f"{past_the_proxy} --header 'Host: evil.example.org'") == "403"
    experiment = json.loads(doors.ask("/api/2.0/mlflow/experiments/get-by-name?experiment_name=resnet", ALICE).text)
    body = json.dumps({"experiment_id": experiment["experiment"]["experiment_id"]}).encode()
    origins = {f"https://{VISION}": 200, "https://evil.example.org": 403, f"https://{NLP}": 403}
    for origin, status in origins.items():
        # A new one each time: who is refused before the body was read loses it.
        connection = Connection(doors.proxy.host.address, VISION, doors.trust())
        found = connection.ask(NEW_RUN, ALICE, body, Origin=origin, Content_Type="application/json")
        connection.close()
        assert (origin, found.status) == (origin, status), found.text


def test_a_server_answers_to_the_name_of_its_host_without_a_proxy(doors: Doors, run_id: str) -> None:
    doors.notebook.sh("cat >> /etc/hosts", f"{doors.server.host.address} mlflow1\n")
    name, password = ALICE.split(":")
    settings = f"MLFLOW_TRACKING_USERNAME={name} MLFLOW_TRACKING_PASSWORD={password} MLFLOW_DISABLE_TELEMETRY=true"
    said = doors.notebook.sh(f"{settings} {VENV}/bin/python /tmp/quickstart.py http://mlflow1:5001")
    assert said.split()[-1] == "http://mlflow1:5001"


def test_closed_routes_are_not_found_however_they_are_spelled(doors: Doors) -> None:
    for path in (
        "/ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/jobs/x",
        "/%61jax-api/3.0/mlflow/demo/generate",
    ):
        assert doors.ask(path, ALICE).status == 404
        assert doors.ask(f"/vision{path}", ALICE, name=DOMAIN).status == 404
        assert (
            doors.server.sh(f"journalctl -u mlflow@vision --output cat | grep -cF '{path}'", check=False).strip() == "0"
        )
    assert doors.ask("/metrics", ADMIN).status == 403
    assert doors.ask("/nginx_status", name=DOMAIN).status == 404


def sleeps(doors: Doors) -> bool:
    """Say whether the server of vision sleeps, without asking it."""
    return doors.server.sh(ARE_UP, check=False).split() == ["inactive", "inactive"]


def asleep(doors: Doors) -> bool:
    """Stop the server of vision; say whether it is."""
    doors.server.sh(f"systemctl stop {VISION_UNITS}", check=False)
    return sleeps(doors)


def seen(doors: Doors) -> list[str]:
    """Return what MLflow's own log says that it was asked for, but for questions whether a log-in is right."""
    lines = doors.server.journal("--unit=mlflow@vision.service")
    asked = re.findall(r'"[A-Z]+ (\S+) HTTP/1\.[01]"', lines)
    return [path for path in asked if path != WHO_AM_I]


def test_what_could_be_read_in_two_ways_is_refused(doors: Doors) -> None:
    who = stranger(doors)
    right, wrong = login(ALICE), login("alice:a wrong password")
    assert doors.ask(WHO_AM_I, ALICE).status == 200
    before = seen(doors)
    found = {}
    for place in ODD_PLACES:
        for name, path in (way for form in spelled(place, ODD) for way in both_ways(form)):
            # Whoever asks is told the same, so that nothing is learned about a password either.
            everybody = ((), (wrong,), (right,)) if place == WHO_AM_I else ((right,),)
            answers = {who.ask(path, *given, name=name)[0] for given in everybody}
            # 403 is for hosts that are not ours.
            refused = {403} if "other.example" in path else set()
            # Names of artifacts may have semicolons.
            if path.endswith("/1/x;x"):
                refused = {404}
            if len(answers) > 1 or not answers <= {400, 414, *refused}:
                found[f"{name}{path}"] = answers
    assert found == {}, found
    # Over HTTP/2, which has no request line, as well.
    urls = " ".join(
        quoted(f"https://{name}{path}")
        for form in ODD[:11]
        for name, path in both_ways(form.format(path=WHO_AM_I, rest="api"))
    )
    curl = "curl --silent --path-as-is --http2 --output /dev/null --write-out '%{http_version} %{http_code}\\n'"
    said = doors.notebook.sh(f"{curl} --user {ALICE} {urls}")
    assert re.findall(r"(?m)^[0-9.]+ \d+$", said) == ["2 400"] * len(urls.split())
    assert [path for path in seen(doors)[len(before) :] if "/1/x" not in path] == []


def test_what_is_judged_is_what_is_passed_on(doors: Doors) -> None:
    who = stranger(doors)
    sent = {}
    for place in (WHO_AM_I, "/static-files/index.html", f"{ARTIFACTS}/1/x"):
        for form in spelled(place, PLAIN):
            for name, path in both_ways(form):
                mark = f"mark={len(sent)}."
                sent[mark] = f"{form}{'&' if '?' in form else '?'}{mark}"
                status, _answer = who.ask(f"{path}{'&' if '?' in path else '?'}{mark}", login(ALICE), name=name)
                assert status not in (400, 502), path

    def passed_on() -> dict[str, str]:
        """Return what came of it; its log has it decoded, and encoded anew."""
        found = (re.search(r"mark=\d+\.", path) for path in seen(doors))
        marked = [each for each in found if each]
        return {each.group(): urllib.parse.unquote(each.string) for each in marked}

    assert soon(lambda: len(passed_on()) == len(sent))
    assert passed_on() == {mark: urllib.parse.unquote(path) for mark, path in sent.items()}


def test_nothing_of_a_stranger_gets_to_a_team(doors: Doors) -> None:
    assert soon(lambda: asleep(doors))
    who = stranger(doors)
    for place in (*PLACES, "/api/3.0/mlflow/server-info", "/favicon.ico", "/signup"):
        for form in spelled(place, PLAIN):
            for name, path in both_ways(form):
                status, answer = who.ask(path, name=name)
                if form.partition("?")[0] == "/health":
                    assert (path, status) == (path, 200)
                else:
                    # A browser asks who is there.
                    asks = answer.count('\r\nWWW-Authenticate: Basic realm="mlflow"')
                    assert (path, status, asks) == (path, 401, 1)
    for given in MALFORMED:
        for name, path in both_ways(WHO_AM_I):
            assert (given, who.ask(path, given, name=name)[0] in (400, 401)) == (given, True)
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        assert (method, who.ask(f"{ARTIFACTS}/1/x", method=method)[0]) == (method, 401)
    assert who.ask("/health", method="POST")[0] == 401
    assert sleeps(doors)


def test_a_browser_may_ask_ahead_for_a_page_that_is_allowed(doors: Doors) -> None:
    page = f"https://{DOMAIN}"
    ahead = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

    def granted(headers: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name.startswith("access-control-")}

    given = " ".join(f"--header '{name}: {value}'" for name, value in {**ahead, "Origin": page}.items())
    itself = doors.server.sh(f"curl --silent --include --request OPTIONS {given} http://127.0.0.1:5001{NEW_RUN}")
    status, *lines = itself.strip().splitlines()
    theirs = granted({name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)})
    assert theirs["access-control-allow-origin"] == page
    assert soon(lambda: asleep(doors))
    for name, path in both_ways(NEW_RUN):
        found = doors.ask(path, name=name, method="OPTIONS", Origin=page, **ahead)
        assert (str(found.status) in status, granted(found.headers)) == (True, theirs)
        # What a page asks for itself, it may also read that it has to sign in for.
        refused = doors.ask(path, name=name, method="POST", Origin=page)
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, page)
        # The same for who is not known, or does not really ask ahead.
        for origin in ("https://evil.example.org", f"{page}.evil.example", f"https://{NLP}", "null"):
            found = doors.ask(path, name=name, method="OPTIONS", Origin=origin, **ahead)
            assert (found.status, granted(found.headers)) == (401, {})
        for method in ("OPTIONS", "PUT"):
            assert doors.ask(path, name=name, method=method, Origin=page).status == 401
    assert sleeps(doors)


def test_a_large_body_stays_outside(doors: Doors, large: str) -> None:
    who = stranger(doors)
    artifact = large.rsplit(maxsplit=1)[-1].partition(VISION)[2]
    before = doors.kept()
    for chunked in (False, True):
        for path, method in ((NEW_RUN, "POST"), (artifact, "PUT"), (artifact, "POST"), ("/static-files/x", "PUT")):
            for given, refused in (((), {401}), ((login("alice:a wrong one"),), {401, 413, 429})):
                status, sent = who.upload(path, BODY, *given, method=method, chunked=chunked)
                # What was on its way counts too.
                assert status in (*refused, 413), (path, method, status)
                assert sent < BODY / 2, (path, method, sent)
    # Nor does a member fill the server's memory, with any spelling of a path but that of an upload.
    for path, method in ((NEW_RUN, "POST"), (artifact, "POST"), (artifact.replace("artifacts", "%61rtifacts"), "PUT")):
        for chunked in (False, True):
            status, _sent = who.upload(path, BODY, login(ALICE), method=method, chunked=chunked)
            assert (path, method, chunked, status) == (path, method, chunked, 413)
    assert soon(lambda: doors.kept() == before)
    for chunked in (False, True):
        for name, path in both_ways(f"{artifact}-{chunked}"):
            assert who.upload(path, BODY, login(ALICE), name=name, chunked=chunked) == (200, BODY)
            assert doors.ask(path, ALICE, name=name).text == "\0" * BODY
    assert doors.kept() - before >= 2 * BODY


def test_bodies_that_never_end_take_no_memory_of_a_server(doors: Doors, large: str) -> None:
    def used() -> int:
        """Return how many bytes the team's server has in memory."""
        return 1024 * sum(map(int, doors.server.sh("ps -o rss= -u mlflow-vision").split()))

    def kept() -> int:
        """Return how much nginx has of bodies that are not whole."""
        # In files that have no name any more.
        opened = "find $(pgrep -x nginx | sed 's|.*|/proc/&/fd|') -lname '/var/lib/nginx/body/*'"
        return sum(map(int, doors.proxy.sh(f"{opened} -exec stat -Lc %s {{}} +", check=False).split()))

    who, artifact = stranger(doors), large.rsplit(maxsplit=1)[-1].partition(VISION)[2]
    begins = who.head(NEW_RUN, VISION, "POST", [login(ALICE)], f"Content-Length: {16 * 1024**2}\r\n")
    assert doors.ask(WHO_AM_I, ALICE).status == 200
    before = used()
    with contextlib.ExitStack() as held:
        held.enter_context(who.hold(10, begins + bytes(PART), b"x"))
        # What came last of each is in nginx's own buffer.
        assert soon(lambda: kept() >= 10 * (PART - 2**16))
        assert used() - before < 5 * PART
        # No more of them than one address may have, which keeps nobody from anything else.
        held.enter_context(who.hold(6, begins, b"x"))
        assert soon(lambda: who.upload(NEW_RUN, 10**6, login(ALICE), method="POST")[0] == 503)
        assert who.upload(NEW_RUN, 10**5, login(ALICE), method="POST")[0] not in (0, 413, 429, 503)
        assert who.upload(f"{artifact}-beside", PART, login(ALICE))[0] == 200
    assert soon(lambda: kept() < PART)


def test_odd_names_that_the_client_sends_are_not_refused(doors: Doors) -> None:
    script = (Path(__file__).parent / "names.py").read_text()
    doors.notebook.sh("cat > /tmp/names.py", script)
    for more in ("", f" https://{DOMAIN}/vision"):
        assert doors.person("alice", f"mlflow-team vision python /tmp/names.py{more}").splitlines()[-1] == "all kept"


def test_who_says_nothing_takes_no_connection_from_others(doors: Doors) -> None:
    who = stranger(doors)
    assert doors.notebook.sh(ASKS_NLP) == "200"
    with contextlib.ExitStack() as held:
        # Half of them begin a request that they never end, as somebody who may or as nobody; the others say nothing.
        for given in ((login(ALICE),), ()):
            begins = who.head(NEW_RUN, VISION, "POST", given, "Content-Length: 1000000\r\n")
            held.enter_context(who.hold(MANY // 4, begins, b"x"))
        (silent, *_others) = held.enter_context(who.hold(MANY // 2, b"", b""))
        assert doors.notebook.sh(ASKS_NLP) == "200"
        # Who has waited in vain for a request is gone.
        silent.settimeout(600)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""


def test_neither_a_client_nor_a_team_takes_all_requests(doors: Doors, large: str) -> None:
    who, artifact = stranger(doors), large.rsplit(maxsplit=1)[-1].partition(VISION)[2]
    assert [doors.notebook.sh(asks) for asks in (ASKS_VISION, ASKS_NLP)] == ["200", "200"]
    # As many as one address may have by default.
    with who.hold(256, who.head(NEW_RUN, VISION, "POST", [login(ALICE)], "Content-Length: 1000\r\n"), b"x"):
        assert soon(lambda: who.ask(WHO_AM_I, login(ALICE))[0] == 503)
        assert doors.notebook.sh(ASKS_VISION) == "200"
    begins = who.head(f"{artifact}-held", VISION, "PUT", [login(ALICE)], "Content-Length: 1000\r\n")
    with who.hold(256, begins, b"x"), holding(doors.proxy, VISION, 256, begins):
        # Who comes from elsewhere is served, until the team is asked as much as it may be.
        assert soon(lambda: doors.notebook.sh(ASKS_VISION) == "502")
        assert doors.notebook.sh(ASKS_NLP) == "200"
    assert soon(lambda: doors.notebook.sh(ASKS_VISION) == "200")


def test_who_makes_up_log_ins_takes_nothing_of_a_team(doors: Doors) -> None:
    assert doors.notebook.sh(ASKS_VISION) == "200"
    # As many as two addresses may have, of answers that are never taken: that was all that the team may have. Nobody
    # else comes from these, of whom nginx goes on to ask for a while.
    begins, taken = never_taken(WHO_AM_I, VISION, 32, authorization=login("mallory:made up"))
    here = f"{ASKS} --user {ALICE} --cacert /etc/mlflow-proxy/ca.pem --resolve {VISION}:443:127.0.0.1"
    with contextlib.ExitStack() as held:
        for source in ("127.0.0.7", "127.0.0.8"):
            held.enter_context(holding(doors.proxy, VISION, 8, begins, taken, "h2", source))
            asks = f"{here} --interface {source} https://{VISION}{WHO_AM_I}"
            assert soon(lambda asks=asks: doors.proxy.sh(asks) == "503")
        assert [doors.notebook.sh(ASKS_VISION) for _each in range(5)] == ["200"] * 5


def test_who_takes_no_answers_does_not_take_all_files(doors: Doors) -> None:
    who = stranger(doors)
    with who.hold(16, *never_taken("/", DOMAIN, 100), name=DOMAIN, speaks="h2"):
        opened = "ls -l $(pgrep -x nginx | sed 's|.*|/proc/&/fd|') | grep -c index.html"
        # Where there are none yet, grep says so.
        assert soon(lambda: int(doors.proxy.sh(opened, check=False)) >= 256)
        # As many as one address may have, on however many connections.
        assert int(doors.proxy.sh(opened)) == 256


@pytest.mark.parametrize("family", ["address", "address6"])
def test_each_door_is_open_over_each_family(doors: Doors, family: str) -> None:
    address = getattr(doors.proxy.host, family)
    if not address:
        pytest.skip("this machine has no IPv6 for hosts")
    there = dataclasses.replace(doors.proxy.host, address=address)
    over = dataclasses.replace(doors, proxy=dataclasses.replace(doors.proxy, host=there))
    for name, path in both_ways(WHO_AM_I):
        assert (path, over.ask(path, ALICE, name=name).status) == (path, 200)
        assert (path, over.ask(path, name=name).status) == (path, 401)
    assert "Connect from a notebook" in over.ask("/", name=DOMAIN).text
    assert over.ask("/", Host="evil.example.org").status == 403
    assert over.protocol() == "h2"
    # By name, from where people work.
    curl = f"curl --silent --{'ipv6' if ':' in address else 'ipv4'}"
    assert doors.notebook.sh(ASKS_NLP.replace("curl --silent", curl)) == "200"
    assert f"Location: https://{VISION}/x?y=1" in doors.notebook.sh(f"{curl} --head http://{VISION}/x?y=1")


def test_it_is_reached_over_ipv6_where_64_bits_are_one_address(doors: Doors) -> None:
    numbers = " ".join(f"{number:x}" for number in range(1, 31))
    each = f"for number in {numbers}; do ip -6 address {{}} fd00:0:0:7:$number::1/64 dev lo {{}}; done"
    doors.proxy.sh(each.format("add", "nodad"))
    asks = f"{ASKS}'\n' -6 --cacert /etc/mlflow-proxy/ca.pem"
    try:
        there = f"--resolve {VISION}:443:[::1] https://{VISION}{WHO_AM_I}"
        assert doors.proxy.sh(f"{asks} --user {ALICE} {there}") == "200\n"
        assert doors.proxy.sh(f"{asks} --resolve {VISION}:80:[::1] http://{VISION}/") == "307\n"
        near = f"--resolve {VISION}:443:[fd00:0:0:7:1::1] https://{VISION}{WHO_AM_I}"
        guess = f"{asks} --interface fd00:0:0:7:$number::1 --user bob:wrong-$number {near}"
        before = time.monotonic()
        answers = doors.proxy.sh(f"for number in {numbers}; do {guess} & done; wait").split()
        seconds = time.monotonic() - before
    finally:
        doors.proxy.sh(each.format("delete", ""))
    # As for the guesser below, whose address is one.
    assert set(answers) == {"401", "429"}
    assert answers.count("401") <= most_let_through(seconds), (answers, seconds)


def most_let_through(seconds: float) -> int:
    """Return how many guesses are asked about in so many seconds: five at once, and one more in each ten."""
    return 6 + int(seconds / 10)


def test_a_guesser_is_slowed_and_who_logs_beside_them_is_not(doors: Doors, run_id: str) -> None:
    who = stranger(doors)
    mine = Connection(doors.proxy.host.address, VISION, doors.trust())
    assert mine.ask(WHO_AM_I, ALICE).status == 200

    def log(step: int) -> float:
        body = json.dumps({"run_id": run_id, "key": "beside", "value": step, "timestamp": step, "step": step}).encode()
        logged = mine.ask("/api/2.0/mlflow/runs/log-metric", ALICE, body, Content_Type="application/json")
        assert logged.status == 200
        return logged.seconds

    alone = [log(step) for step in range(50)]
    before = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        guesses = [login(f"alice:wrong guess number {number}") for number in range(40)]
        guessing = [pool.submit(who.ask, WHO_AM_I, guess) for guess in guesses]
        beside = [log(step) for step in range(50, 150)]
        # However long the guesser takes.
        while not all(guess.done() for guess in guessing):
            beside.append(log(len(beside) + 50))
    answers = [guess.result()[0] for guess in guessing]
    mine.close()
    # Other stories may have had his turns just before.
    assert {429} <= set(answers) <= {401, 429}
    assert answers.count(401) <= most_let_through(time.monotonic() - before)
    # Who is held up for one of these turns has to wait for ten seconds.
    assert sorted(beside)[len(beside) * 9 // 10] < max(9, 10 * sorted(alone)[45]), (alone, beside)


def test_a_guesser_learns_nothing_from_what_is_let_through(doors: Doors) -> None:
    # Who works here is known here, and is asked about elsewhere as anybody is.
    assert doors.ask(WHO_AM_I, "bob:bob-try-out-only").status == 200

    def tried_from(address: str) -> list[str]:
        """Return what is answered to many guesses at once, and then to his password."""
        there = f"--cacert /etc/mlflow-proxy/ca.pem --interface {address} --resolve {VISION}:443:127.0.0.1"
        asks = f"{ASKS}'\n' {there} https://{VISION}{WHO_AM_I}"
        guesses = " ".join(f"{asks} --user bob:wrong-{number} &" for number in range(24))
        answers = doors.proxy.sh(f"{guesses} wait; {asks} --user bob:bob-try-out-only").split()
        assert set(answers[:-1]) == {"401", "429"}, answers
        return answers

    # On a slow machine, it may be his turn again just when his password is tried.
    assert any(tried_from(f"127.0.0.{number}")[-1] == "429" for number in range(9, 14))


def test_no_other_log_in_is_passed_on_beside_the_one_that_was_judged(doors: Doors) -> None:
    answers = {
        doors.ask(path, ALICE, name=name, method="POST", X_MLflow_Authorization=login(other)).status
        for name, path in both_ways("/gateway/any/mlflow/invocations")
        for other in (ADMIN, "admin:a wrong password")
    }
    # Of Alice, who has no such endpoint.
    assert answers == {403}


def test_many_with_one_wrong_log_in_do_not_wait_for_each_other(doors: Doors) -> None:
    who, given = stranger(doors), login("mallory:made up")
    before = time.monotonic()
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _number: who.ask(WHO_AM_I, given)[0], range(40)))
    assert set(answers) <= {401, 429}
    # One after the other, each would wait for ten seconds.
    assert time.monotonic() - before < 10 * 30


def test_who_is_removed_is_known_for_a_minute_at_most(doors: Doors) -> None:
    config, user = "/etc/nginx/conf.d/mlflow.conf", {"username": "zoe", "password": "zoe-try-out-only"}
    manage = f"{ASKS} --user {ADMIN} --json @- http://127.0.0.1:5001/api/2.0/mlflow/users"
    zoe = ":".join(user.values())

    def asked() -> int:
        """Return how often the team's server was asked about a log-in."""
        return int(doors.server.sh(f"journalctl --unit mlflow@vision --output cat | grep -cF {WHO_AM_I}", check=False))

    doors.proxy.sh(f"cp -p {config} /root; sed -i 's/200 204 1m;/200 204 1s;/' {config}; nginx -s reload")
    try:
        assert doors.server.sh(f"{manage}/create", json.dumps(user)) == "200"
        known = "/static-files/index.html"
        assert soon(lambda: doors.ask(known, zoe).status == 200)
        before = asked()
        assert soon(lambda: doors.ask(known, zoe).status != 200 or asked() >= before + 8)
        assert doors.ask(known, zoe).status == 200
        # That takes none of her turns from who tries her password.
        assert doors.ask(known, "zoe:a wrong one").status == 401
        removed = json.dumps({"username": user["username"]})
        assert doors.server.sh(f"{manage}/delete --request DELETE", removed) == "200"
        assert soon(lambda: doors.ask(known, zoe).status == 401)
    finally:
        doors.proxy.sh(f"cp -p /root/mlflow.conf {config}; nginx -s reload")


def test_a_server_leads_nginx_nowhere(doors: Doors) -> None:
    hostile = "systemd-run --quiet --unit hostile python3 -c"
    config, port = "/etc/nginx/conf.d/mlflow.conf", 5999
    # Somebody who is known nowhere else: the proxy remembers them from here.
    mallory = "mallory:whom this one knows"
    doors.server.sh(f"{hostile} {quoted(HOSTILE)} {port}")
    there = f"s/server {doors.server.host.address}:5002 /server {doors.server.host.address}:{port} /"
    doors.proxy.sh(f"cp -p {config} /root; sed -i '{there}' {config}; nginx -s reload")
    try:
        for name, path in ((NLP, "/x"), (DOMAIN, "/nlp/x")):
            assert soon(lambda name=name, path=path: doors.ask(path, mallory, name=name).status == 200)
            assert doors.ask(path, mallory, name=name).text == "its own"
    finally:
        doors.proxy.sh(f"cp -p /root/mlflow.conf {config}; nginx -s reload")
        doors.server.sh("systemctl stop hostile")


def test_an_artifact_passes_through_without_staying(doors: Doors, large: str) -> None:
    before = doors.written()
    doors.notebook.sh(f"head -c {LARGE} /dev/zero > /home/large && {large} --upload-file /home/large; rm /home/large")
    times = "%{size_download} %{time_starttransfer} %{time_total}"

    def begins_early() -> bool:
        """Say whether the first of it comes long before the last."""
        size, begun, ended = map(float, doors.notebook.sh(f"{large} --output /dev/null --write-out '{times}'").split())
        assert size == LARGE
        return begun < ended / 3

    # Who gathers it first begins when there is little left to wait for, each time; a busy machine may do so once.
    assert any(begins_early() for _time in range(3))
    assert doors.written() - before < LARGE / 20


def test_the_server_receives_an_upload_while_it_is_sent(doors: Doors, large: str) -> None:
    half = f"head -c {HALF} /dev/zero"
    waits = f"{half}; until test -e /tmp/go; do sleep 0.1; done; {half}"
    before = doors.kept()
    with ThreadPoolExecutor(1) as pool:
        sent = f"{large}-too --header 'Content-Length: {2 * HALF}' --upload-file -"
        sending = pool.submit(doors.notebook.sh, f"({waits}) | {sent}")
        begun = soon(lambda: doors.kept() - before > HALF / 2)
        doors.notebook.sh("touch /tmp/go")
        sending.result()
    assert begun
    assert doors.kept() - before >= 2 * HALF


def test_a_sleeping_team_wakes_behind_it(doors: Doors) -> None:
    doors.server.sh("systemctl stop mlflow-listen@vision.service")
    assert doors.ask("/api/2.0/mlflow/users/current", ALICE).status == 200


def test_a_scanner_finds_only_new_and_strong_tls(doors: Doors) -> None:
    found = scanned(doors.proxy.host.address)
    protocols = {f"{each.get('type')} {each.get('version')}": each.get("enabled") for each in found.iter("protocol")}
    assert len(protocols) == 6
    assert {name for name, enabled in protocols.items() if enabled != "0"} == {"tls 1.2", "tls 1.3"}
    ciphers = list(found.iter("cipher"))
    # The others are weak, medium, null and anonymous.
    assert {cipher.get("strength") for cipher in ciphers} <= {"strong", "acceptable"}
    # No CBC, and no past traffic for who gets the key later.
    names = {str(cipher.get("cipher")) for cipher in ciphers}
    assert [name for name in names if not re.fullmatch(r"(TLS_|ECDHE-).*(GCM|POLY1305).*", name)] == []
    assert not compressed(doors.proxy.host.address)
    assert [each.attrib for each in found.iter("renegotiation") if each.get("supported") != "0"] == []
    assert {each.get("vulnerable") for each in found.iter("heartbleed")} == {"0"}


def test_plain_http_leads_to_it(doors: Doors) -> None:
    headers = doors.notebook.sh(f"curl --silent --head http://{VISION}/x?y=1")
    assert f"Location: https://{VISION}/x?y=1" in headers
    found = doors.ask("/").headers
    assert found["referrer-policy"] == "same-origin"
    assert found["www-authenticate"].startswith("Basic")


def test_a_configuration_that_nginx_refuses_does_not_replace_the_one_that_runs(doors: Doors) -> None:
    before = doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf")
    # What cannot be is told before that; this is somebody else's, and good without this role's file.
    doors.proxy.sh("echo 'limit_conn_zone $remote_addr zone=mlflow_large:10m;' > /etc/nginx/conf.d/a.conf")
    run = doors.play("configure_proxies", "--limit=proxy1", mlflow_proxy_max_body_size="9g")
    doors.proxy.sh("rm /etc/nginx/conf.d/a.conf")
    assert run.code == 2
    assert re.search(r"mlflow_large.* is already bound to key .* in /etc/nginx/conf.d/mlflow.conf", run.output)
    assert doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf; nginx -t -q") == before
    assert doors.ask("/health").status == 200


def test_a_reload_that_nginx_refuses_is_told(doors: Doors) -> None:
    zone = "echo 'limit_req_zone {} zone=others:1m rate=1r/s;' > /etc/nginx/conf.d/others.conf"
    doors.proxy.sh(f"{zone.format('$remote_addr')}; systemctl reload nginx")
    # Good for an nginx that starts, and not for one that has the zone already.
    doors.proxy.sh(f"{zone.format('$remote_user')}; nginx -t -q")
    changed_a_bit = {"mlflow_proxy_timeout": 599}
    run = doors.play("configure_proxies", "--limit=proxy1", **changed_a_bit)
    assert run.code == 2, run.output[-5000:]
    assert "nginx of proxy1 takes this file, but not while it runs, and serves what it had before" in run.output
    assert 'uses the \\"$remote_user\\" key while' in run.output
    assert doors.ask(WHO_AM_I, ALICE).status == 200
    # It is made up for as soon as nothing is in the way, and who works meanwhile notices nothing.
    doors.proxy.sh("rm /etc/nginx/conf.d/others.conf")
    # A reload closes kept connections at once, also one that is just used again: Debian's nginx cannot do otherwise.
    with doors.logging("alice", "resnet", "--repeat") as logged:
        run = doors.play("configure_proxies", "--limit=proxy1", **changed_a_bit)
        for _time in range(10):
            doors.proxy.sh("systemctl reload nginx")
    assert logged["kept"] == logged["sent"] > 20
    assert run.code == 0, run.output[-5000:]
    assert changed(run)["proxy1"] == 1


def test_a_browser_signs_in_and_sees_what_it_may(doors: Doors, run_id: str, tmp_path: Path) -> None:
    address = doors.proxy.host.address
    with browser(tmp_path / "profile", {DOMAIN: address, f"*.{DOMAIN}": address}, doors.pin()) as page:
        page.open(f"https://{DOMAIN}/")
        text = page.wait_for("Connect from a notebook")
        assert "Finds defects in photographs" in text
        assert "try-out" not in text
        for size in ("desktop", "phone"):
            for dark in (False, True):
                page.look(PICTURES / f"start-{size}-{'dark' if dark else 'light'}.png", size, dark)
            assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        page.resize("desktop")
        page.open(f"https://{VISION}/#/experiments", *ALICE.split(":"))
        assert "segmentation" in page.wait_for("resnet")
        page.look(PICTURES / "experiments.png")
        found = json.loads(doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).text)["run"]["info"]
        where = f"https://{VISION}/#/experiments/{found['experiment_id']}/runs/{run_id}"
        page.open(where)
        page.wait_for("accuracy")
        page.look(PICTURES / "run.png")
        page.open(f"{where}/artifacts/notes.txt")
        page.wait_for("what the picture shows")
        page.look(PICTURES / "artifact.png")
        asked = page.asked_to_sign_in
        page.open(f"https://{NLP}/", *ALICE.split(":"))
        page.wait_for("401")
        assert page.asked_to_sign_in > asked
        assert "sentiment" not in page.text()


def test_a_team_that_is_stopped_is_not_gone(doors: Doors) -> None:
    dave, look = "dave:dave-try-out-only", "cat ~/.mlflow/credentials; grep -r . ~/.config/mlflow"
    before = doors.person("dave", look)
    run = doors.play("configure_proxies", mlflow_team_nlp=stage.example("nlp", state="stopped"))
    assert run.code == 0, run.output[-5000:]
    assert doors.person("dave", look) == before
    upload = f"{ARTIFACTS}/1/x"
    for name, path in ((NLP, "/"), (NLP, WHO_AM_I), (NLP, upload), (DOMAIN, "/nlp"), (DOMAIN, f"/nlp{upload}")):
        for method in ("GET", "PUT"):
            found = doors.ask(path, dave, name=name, method=method)
            assert (name, path, found.status, "MLflow is stopped" in found.text) == (name, path, 503, True)
    assert "It is stopped for now" in doors.ask("/", name=DOMAIN).text
    assert doors.ask(WHO_AM_I, ALICE).status == 200
    run = doors.play("configure_proxies")
    assert run.code == 0, run.output[-5000:]
    assert soon(lambda: doors.ask(WHO_AM_I, dave, name=NLP).status == 200)


def test_who_is_offboarded_has_nothing_left(doors: Doors) -> None:
    doors.person("bob", "printf '[databricks]\\nhost = x\\n' >> ~/.mlflow/credentials")
    run = doors.play("offboard_user", "-e", "user=bob")
    assert run.code == 0, run.output[-5000:]
    assert doors.ask("/api/2.0/mlflow/users/current", "bob:bob-try-out-only").status == 401
    assert doors.person("bob", "ls ~/.config/mlflow; cat ~/.mlflow/credentials").splitlines()[-2:] == [
        "[databricks]",
        "host = x",
    ]
    assert doors.person("bob", "grep -r bob-try-out-only . ", check=False) == ""
    assert "alice" in doors.person("alice", "cat ~/.mlflow/credentials")


def readers(doors: Doors) -> dict[str, object]:
    """Say who may read what the teams use."""
    addresses = list(doors.notebook.host.addresses)
    named = {"mlflow_proxy_usage_networks": addresses, "mlflow_proxy_usage_password_file": READERS}
    return {**named, "mlflow_proxy_usage_for_admins": True}


@pytest.fixture(scope="module")
def changed_over(doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> ChangedOver:
    """Give the proxy a certificate from here, whom people trust, and let this machine ask, as Prometheus would."""
    certificate, key = certify(tmp_path_factory.mktemp("controller"), "site")
    with socket.create_connection((doors.proxy.host.address, 443), 20) as connection:
        here = connection.getsockname()[0]
    given = {
        "mlflow_proxy_tls_from_controller": True,
        "mlflow_proxy_tls_certificate": str(certificate),
        "mlflow_proxy_tls_key": str(key),
        "mlflow_client_ca_file": str(certificate),
        "mlflow_proxy_metrics_networks": [here],
        **readers(doors),
    }
    made = f"printf 'head:%s\\n' $(openssl passwd -6 seen-try-out) > {READERS}"
    doors.proxy.sh(f"{made}; chgrp www-data {READERS}; chmod 640 {READERS}")
    run = doors.play("configure_proxies", "--diff", "-vv", **given)
    assert run.code == 0, run.output[-5000:]
    assert doors.shows(certificate.read_text())
    return dataclasses.replace(doors, certificate=certificate.read_text()), run, key


def test_a_certificate_from_the_controller_is_served_and_its_key_not_shown(changed_over: ChangedOver) -> None:
    doors, run, key = changed_over
    assert doors.ask("/health").headers["strict-transport-security"].startswith("max-age=")
    secrets = [line for line in key.read_text().splitlines() if "PRIVATE KEY" not in line]
    assert [line for line in secrets if line in run.output] == []
    assert doors.proxy.leaks(*secrets) == []
    (kept,) = doors.proxy.sh(f"grep -rlFs {secrets[0]} /etc /root /tmp /var", check=False).splitlines()
    assert doors.proxy.sh(f"stat -c '%U %a' {kept}").split() == ["root", "600"]


def test_prometheus_asks_from_where_it_may(changed_over: ChangedOver) -> None:
    doors, _run, _key = changed_over
    assert doors.ask("/nginx_status", name=DOMAIN).text.startswith("Active connections")
    # Whatever MLflow says itself: it has no numbers without a package of its own.
    says = "curl --silent --output /dev/null --write-out %{http_code}"
    itself = doors.server.sh(f"{says} --user {ADMIN} http://127.0.0.1:5001/metrics")
    assert doors.ask("/metrics", ADMIN).status == int(itself) != 403
    assert doors.ask("/metrics").status == 401
    for url in (f"https://{DOMAIN}/nginx_status", f"https://{VISION}/metrics"):
        assert doors.notebook.sh(f"{says} --user {ADMIN} {url}") == "403"


@pytest.fixture(scope="module")
def reported(changed_over: ChangedOver, tmp_path_factory: pytest.TempPathFactory) -> tuple[Doors, Path]:
    """Report what the teams use, to a directory here and to the proxy."""
    doors, _run, _key = changed_over
    run = doors.play("site", "--limit=mlflow1", mlflow_monitoring_state="present")
    assert run.code == 0, run.output[-5000:]
    # So that there is something of this day.
    doors.server.sh("systemctl start mlflow-monitoring.service")
    folder = tmp_path_factory.mktemp("reported")
    run = doors.play("report_usage", mlflow_monitoring_report_dir=str(folder), **readers(doors))
    assert run.code == 0, run.output[-5000:]
    return doors, folder


def test_what_the_teams_use_is_read_by_whom_the_operator_names(reported: tuple[Doors, Path]) -> None:
    doors, folder = reported
    for kind in ("html", "csv", "json"):
        page = f"/mlflow_usage/usage.{kind}"
        assert doors.ask(page, name=DOMAIN).status == 401
        assert doors.ask(page, "head:guessed", name=DOMAIN).status == 401
        # A log-in of the team's is none here.
        assert doors.ask(page, ADMIN, name=DOMAIN).status == 401
        assert doors.ask(page, "head:seen-try-out", name=DOMAIN).text == (folder / f"usage.{kind}").read_text()
    assert "Every team" in doors.ask("/mlflow_usage/", "head:seen-try-out", name=DOMAIN).text
    assert doors.ask("/mlflow_usage/..%2fmlflow/index.html", "head:seen-try-out", name=DOMAIN).status == 400
    says = f"curl --silent --output /dev/null --write-out %{{http_code}} https://{DOMAIN}/mlflow_usage/"
    assert doors.notebook.sh(says) == "200"
    # Nobody tries one password after the other. At once: one by one, a slow machine asks no faster than it is let.
    who, given = stranger(doors), login("head:guessed")
    with ThreadPoolExecutor(30) as pool:
        told = list(pool.map(lambda _number: who.ask("/mlflow_usage/", given, name=DOMAIN)[0], range(90)))
    assert set(told) == {401, 429}


def test_what_a_team_uses_is_read_by_its_own_admins(reported: tuple[Doors, Path]) -> None:
    doors, folder = reported
    assert {"vision", "nlp"} <= set(json.loads((folder / "usage.json").read_text())["mlflow1"]["teams"])
    assert soon(lambda: asleep(doors))
    for name, path in both_ways("/mlflow_usage/usage.json"):
        assert doors.ask(path, name=name).status == 401
    # Nobody is woken for who has no log-in.
    assert sleeps(doors)
    for kind in ("", "usage.html", "usage.csv", "usage.json"):
        for name, path in both_ways(f"/mlflow_usage/{kind}"):
            found = doors.ask(path, ADMIN, name=name)
            assert (path, found.status, "vision" in found.text) == (path, 200, True), found.text
            assert "nlp" not in found.text
            for user, status in ((ALICE, 403), (NLP_ADMIN, 401), ("", 401)):
                refused = doors.ask(path, user, name=name)
                assert (path, user, refused.status) == (path, user, status), refused.text
                # Who is known is not asked to be somebody else.
                assert ("www-authenticate" in refused.headers) is (status == 401)
    assert "default-src 'none'" in doors.ask("/mlflow_usage/", ADMIN).headers["content-security-policy"]
    theirs = doors.ask("/mlflow_usage/usage.json", NLP_ADMIN, name=NLP)
    assert (theirs.status, list(json.loads(theirs.text)["mlflow1"]["teams"])) == (200, ["nlp"])


def test_what_a_team_uses_is_kept_from_others_however_it_is_spelled(reported: tuple[Doors, Path]) -> None:
    doors, _folder = reported
    who = stranger(doors)
    place = "/mlflow_usage/usage.json"
    for name, path in (way for form in spelled(place, ODD) for way in both_ways(form)):
        for user in (ADMIN, ALICE):
            status, answer = who.ask(path, login(user), name=name)
            # 403 is for names of hosts that are not this one's.
            assert (path, user, status in (0, 400, 403, 414)) == (path, user, True), answer
    # As nginx reads it, it is judged.
    others = ("/%6dlflow_usage/usage.json", "/mlflow%5Fusage/%75sage.json", f"{place}?x=/health")
    for name, path in (way for form in others for way in both_ways(form)):
        for user, status in ((ADMIN, 200), (ALICE, 403), (NLP_ADMIN, 401)):
            assert (path, user, who.ask(path, login(user), name=name)[0]) == (path, user, status)
        assert who.ask(path, name=name)[0] == 401
    nowhere = [f"/mlflow_usage/{rest}" for rest in ("nlp/usage.json", "vision/usage.json", "x")]
    for name, path in (way for form in nowhere for way in both_ways(form)):
        assert (path, who.ask(path, login(ADMIN), name=name)[0]) == (path, 404)
    # Another spelling of the team is nobody's.
    assert who.ask(f"/%76ision{place}", login(ADMIN), name=DOMAIN)[0] == 400
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND"):
        assert (method, who.ask(place, login(ADMIN), method=method)[0]) == (method, 403)
    # Five are tried at once, and one more in each ten seconds that these take; a slow machine takes many of those.
    with ThreadPoolExecutor(30) as pool:
        wrong = [login(f"admin:a wrong one {number}") for number in range(60)]
        guesses = list(pool.map(lambda guess: who.ask(place, guess)[0], wrong))
    assert set(guesses) == {401, 429}, guesses
    assert doors.ask(place, ADMIN).status == 200


def test_files_on_the_proxy_are_served_and_renewed(doors: Doors, tmp_path: Path) -> None:
    for name in ("first", "renewed"):
        certificate, key = certify(tmp_path, name)
        for file, place in zip((certificate, key), SITE.values(), strict=True):
            # What renews them may keep their time, which is before nginx read the former ones.
            doors.proxy.sh(f"cat > {place}; touch --date '1 week ago' {place}", file.read_text())
        run = doors.play("configure_proxies", "--limit=proxy1", **SITE)
        assert run.code == 0, run.output[-5000:]
        assert doors.shows(certificate.read_text())
    # Without readers, nothing is there to be read.
    assert doors.proxy.sh("ls -A /var/www/mlflow-usage /var/www/mlflow-usage-of-teams | grep -v :", check=False) == "\n"
    # Nothing stays of what came from the controller before.
    assert sorted(doors.proxy.sh("ls /etc/mlflow-proxy").split()) == ["ca.key", "ca.pem", "server.key", "server.pem"]
    doors.proxy.sh(f"rm {' '.join(SITE.values())}")
    run = doors.play("configure_proxies", "--limit=proxy1", **SITE)
    assert run.code == 2
    assert f"mlflow_proxy_tls_key: proxy1 has no {' and no '.join(SITE.values())};" in run.output
    assert doors.shows(certificate.read_text())


def test_a_team_is_onboarded_to_its_first_run(doors: Doors) -> None:
    made = "lookup('ansible.builtin.password', inventory_dir ~ '/.passwords/audio_alice', length=24)"
    team = {
        "name": "audio",
        "port": 5003,
        "description": "Listens",
        "admin_password": "audio-admin-try-out",
        "users": [{"name": "alice", "password": f"{{{{ {made} }}}}"}],
        "experiments": [{"name": "speech", "grants": {"alice": "EDIT"}}],
    }
    inventory = stage.with_team(team, "doors")
    run = dataclasses.replace(doors, inventory=inventory).play("onboard_team", "-e", "team=audio")
    assert run.code == 0, run.output[-5000:]
    assert f"Team audio is at https://audio.{DOMAIN}" in run.output
    write = "import mlflow; mlflow.set_experiment('speech'); mlflow.log_metric('loss', 0.1); print('done')"
    assert "done" in doors.person("alice", f'mlflow-team audio python -c "{write}"').splitlines()
    assert "Listens" in doors.ask("/", name=DOMAIN).text
    file = inventory / ".passwords" / "audio_alice"
    password = file.read_text().split()[0]
    assert (len(password), file.stat().st_mode & 0o777) == (24, 0o600)
    assert password not in run.output
    # Nor does the next run take the file for one of hosts.
    listed = project.run(["ansible-inventory", *demo.sources([inventory]), "--list"], quiet=True).stdout
    assert "mlflow1" in listed
    assert password not in listed
    files = [each for each in stage.WORK.rglob("*") if each.is_file()]
    assert [each for each in files if password.encode() in each.read_bytes()] == [file]
    # Nor in what uv has unpacked of packages, a directory of this machine that is not the hosts' own.
    look = f"grep -rlFs --devices=skip --exclude-dir=site-packages --exclude-dir=archive-v0 -f - {stage.TREES}"
    hosts = (doors.server, doors.proxy, doors.notebook)
    found = [sorted(host.sh(look, feed=password, check=False).split()) for host in hosts]
    # It is the first of her teams.
    assert found == [[], [], ["/home/alice/.config/mlflow/audio.env", "/home/alice/.mlflow/credentials"]]
    stage.forget(doors.server, "audio")
