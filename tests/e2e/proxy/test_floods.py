"""Nobody takes the memory, connections, requests or files that all have from a proxy."""

from __future__ import annotations

import contextlib

from e2e.proxied import ALICE, ASKS, ASKS_NLP, DOMAIN, NEW_RUN, VISION, Doors
from e2e.stage import WHO_AM_I, soon
from e2e.strangers import both_ways, holding, login, never_taken, stranger

# More than MLflow is ever to hold of a request.
BODY = 20 * 1024**2
# Of a body that is not all sent.
PART = 12 * 1024**2
# More connections than Debian's nginx has, here on two cores.
MANY = 1600
ASKS_VISION = f"{ASKS} --user {ALICE} https://{VISION}{WHO_AM_I}"


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
