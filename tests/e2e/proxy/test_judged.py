"""What nginx judges is what MLflow gets, however it is spelled, and nothing of a stranger's gets there."""

from __future__ import annotations

import re
import urllib.parse

from e2e.proxied import ADMIN, ALICE, DOMAIN, NLP, Doors, asleep, compressed, quoted, scanned, sleeps
from e2e.stage import WHO_AM_I, soon
from e2e.strangers import ARTIFACTS, MALFORMED, ODD, PLACES, PLAIN, both_ways, login, spelled, stranger

# One of each kind that nginx takes differently.
ODD_PLACES = (WHO_AM_I, "/static-files/index.html", f"{ARTIFACTS}/1/x")
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


def test_no_other_log_in_is_passed_on_beside_the_one_that_was_judged(doors: Doors) -> None:
    answers = {
        doors.ask(path, ALICE, name=name, method="POST", X_MLflow_Authorization=login(other)).status
        for name, path in both_ways("/gateway/any/mlflow/invocations")
        for other in (ADMIN, "admin:a wrong password")
    }
    # Of Alice, who has no such endpoint.
    assert answers == {403}


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
