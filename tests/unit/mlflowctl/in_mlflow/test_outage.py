"""Who gets no connection to a PostgreSQL that is away waits for it, for a while, and not all of them."""

import asyncio
import base64
import concurrent.futures
import contextvars
import json
import sys
import threading
import time
import types

import pytest
from mlflowctl.in_mlflow import asking, logins, outage, waiting


class OperationalError(Exception):
    """As a driver says that there is no connection."""


REFUSED = 'connection to server at "127.0.0.1", port 5432 failed: Connection refused'


class Engine:
    """Of a database, as SQLAlchemy has it, which may be away."""

    def __init__(self, name="postgresql"):
        driver = types.SimpleNamespace(OperationalError=OperationalError)
        self.dialect = types.SimpleNamespace(name=name, loaded_dbapi=driver)
        self.error = None
        self.tries = 0
        self.url = types.SimpleNamespace(host="pg", port=5432, query={})

    def raw_connection(self):
        self.tries += 1
        if self.error is not None:
            raise self.error
        return types.SimpleNamespace(close=lambda: None)


connected = outage.patient(Engine.raw_connection)
REACH = outage.reach


@pytest.fixture(autouse=True)
def state(monkeypatch):
    """Know of no outage, and let everything take a moment."""
    found = outage.Outage()
    monkeypatch.setattr(outage, "outage", found)
    monkeypatch.setattr(outage, "reach", Engine.raw_connection)
    monkeypatch.setattr(outage, "BETWEEN_TRIES", 0.05)
    monkeypatch.setattr(outage, "BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(logins, "known", {})
    monkeypatch.setitem(
        sys.modules, asking.AUTH, types.SimpleNamespace(is_unprotected_route=lambda path: path == "/health")
    )
    return found


@pytest.fixture
def engine():
    it = Engine()
    it.error = OperationalError(REFUSED)
    yield it
    it.error = None


def in_request(work, *arguments):
    """Do it as in a thread that answers a request."""
    context = contextvars.copy_context()
    context.run(outage.request.set, outage.Asked())
    return context.run(work, *arguments)


@pytest.mark.parametrize(
    ("said", "is_away"),
    [
        (REFUSED, True),
        ("connection timeout expired", True),
        ('connection to server at "pg1" (192.0.2.1), port 5432 failed: timeout expired', True),
        ('could not translate host name "pg1" to address: Name or service not known', True),
        ("connection failed: session is read-only\nMultiple connection attempts failed. All failures were: …", True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  the database system is not yet accepting connections", True),
        ("server closed the connection unexpectedly", True),
        ("FATAL:  server login has been failing, cached error: connect failed (server_login_retry)", True),
        ('FATAL:  password authentication failed for user "nlp"', False),
        ('FATAL:  database "nlp" does not exist', False),
        ("FATAL:  sorry, too many clients already", False),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1"', False),
    ],
)
def test_what_is_an_outage(said, is_away):
    assert outage.is_away(Engine(), OperationalError(said)) is is_away
    # A file that is locked, or not there, is none.
    assert not outage.is_away(Engine("sqlite"), OperationalError(said))
    assert not outage.is_away(Engine(), ValueError(said))


def test_a_thread_waits_until_it_is_back(engine):
    with concurrent.futures.ThreadPoolExecutor() as people:
        asked = people.submit(in_request, connected, engine)
        assert concurrent.futures.wait([asked], 0.3).not_done
        engine.error = None
        assert asked.result(60) is not None


def test_what_is_no_request_does_not_wait(engine):
    with pytest.raises(OperationalError):
        connected(engine)


def test_another_error_ends_it(engine):
    with concurrent.futures.ThreadPoolExecutor() as people:
        asked = people.submit(in_request, connected, engine)
        assert concurrent.futures.wait([asked], 0.2).not_done
        engine.error = OperationalError("FATAL:  password authentication failed")
        with pytest.raises(OperationalError, match="password"):
            asked.result(60)


def test_only_so_many_threads_wait(engine, monkeypatch):
    monkeypatch.setattr(outage, "outage", outage.Outage(threading.Semaphore(2)))
    with concurrent.futures.ThreadPoolExecutor(5) as people:
        asked = [people.submit(in_request, connected, engine) for _number in range(5)]
        concurrent.futures.wait(asked, 1)
        assert [type(it.exception()) for it in asked if it.done()] == [OperationalError] * 3
        engine.error = None
        concurrent.futures.wait(asked, 60)
        assert [it.exception() for it in asked].count(None) == 2


def test_an_outage_is_waited_for_no_longer_than_that(engine, monkeypatch):
    monkeypatch.setattr(outage, "SECONDS", 0.3)
    before = time.monotonic()
    with pytest.raises(OperationalError):
        in_request(connected, engine)
    assert 0.2 < time.monotonic() - before < 10
    # Nobody who comes later waits again.
    tries = engine.tries
    before = time.monotonic()
    with pytest.raises(OperationalError):
        in_request(connected, engine)
    assert time.monotonic() - before < 0.2
    assert engine.tries > tries


def test_who_is_to_stop_waits_no_longer(engine, state):
    with concurrent.futures.ThreadPoolExecutor() as people:
        asked = people.submit(in_request, connected, engine)
        assert concurrent.futures.wait([asked], 0.2).not_done
        outage.stop()
        with pytest.raises(OperationalError):
            asked.result(60)
    assert [state.threads.acquire(blocking=False) for _number in range(outage.THREADS)] == [True] * outage.THREADS


def test_whoever_waits_for_one_database_keeps_nobody_from_another(engine, monkeypatch):
    people, other = Engine(), Engine()
    other.url.host = "other"
    other.error = OperationalError(REFUSED)
    store = types.SimpleNamespace(engine=people)
    monkeypatch.setitem(sys.modules, asking.AUTH, types.SimpleNamespace(store=store))
    monkeypatch.setattr(outage, "SECONDS", 0.3)
    # Given up, and away as before.
    with pytest.raises(OperationalError):
        in_request(connected, other)
    assert outage.outage.since is None
    monkeypatch.setattr(outage, "SECONDS", 60)
    with concurrent.futures.ThreadPoolExecutor() as waiters:
        asked = waiters.submit(in_request, connected, engine)
        assert concurrent.futures.wait([asked], 0.3).not_done
        engine.error = None
        assert asked.result(60) is not None
    other.error = None


def test_who_is_gone_is_not_connected(engine):
    def ask_and_go():
        outage.request.get().is_gone = gone.is_set
        return connected(engine)

    gone = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as people:
        asked = people.submit(in_request, ask_and_go)
        assert concurrent.futures.wait([asked], 0.2).not_done
        gone.set()
        with pytest.raises(OperationalError):
            asked.result(60)


def test_where_no_thread_can_be_begun_nobody_waits(engine, state, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(OperationalError):
        in_request(connected, engine)
    assert state.since is None


@pytest.mark.parametrize(
    ("driver", "named", "expected"),
    [("psycopg", {}, 3), ("psycopg2", {"connect_timeout": "9"}, "9"), ("pg8000", {}, None)],
)
def test_a_try_has_an_end(driver, named, expected):
    given = {}
    dialect = types.SimpleNamespace(
        driver=driver,
        create_connect_args=lambda _url: ([], named),
        connect=lambda **options: given.update(options),
    )
    REACH(types.SimpleNamespace(dialect=dialect, url=None))
    assert given.get("connect_timeout") == expected


class Client:
    """Asks an application once."""

    def __init__(self, path="/api", body=(b"",), name=b"alice", goes_after=None):
        word = base64.b64encode(name + b":word")
        self.scope = {"type": "http", "path": path, "headers": [(b"authorization", b"Basic " + word)] if name else []}
        self.body, self.goes_after = list(body), goes_after
        self.sent = []

    async def receive(self):
        if self.body:
            piece = self.body.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.body)}
        await asyncio.sleep(60 if self.goes_after is None else self.goes_after)
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    async def ask(self, app):
        await app(self.scope, self.receive, self.send)
        if not self.sent:
            return None
        return self.sent[0]["status"], b"".join(it.get("body", b"") for it in self.sent[1:])


def mlflow(engine, is_looking_in_loop, reads_first=False):
    """An application that looks somebody up and reads a body, as MLflow's routes do."""

    async def app(_scope, receive, send):
        async def read():
            body, message = b"", {"more_body": True}
            while message.get("more_body"):
                message = await receive()
                body += message.get("body", b"")
            return body

        status = 200
        body = await read() if reads_first else b""
        try:
            if is_looking_in_loop:
                connected(engine)
            else:
                await asyncio.to_thread(connected, engine)
        except OperationalError:
            status = 503
        if status == 200 and not reads_first:
            body = await read()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return waiting.Patient(app)


async def back_after(engine, seconds, *asked):
    """Ask while it is away, and have it back; return what was answered until then, and in the end."""
    tasks = [asyncio.ensure_future(it) for it in asked]
    await asyncio.sleep(seconds)
    before = [it.result() for it in tasks if it.done()]
    engine.error = None
    return before, await asyncio.gather(*tasks)


PIECES = [b"a" * waiting.KEPT, b"b" * waiting.KEPT, b"c"]


@pytest.mark.parametrize("is_looking_in_loop", [True, False])
def test_who_comes_meanwhile_is_asked_for_the_rest_of_the_body_later(engine, is_looking_in_loop):
    app = mlflow(engine, is_looking_in_loop)

    async def story():
        first, later = Client(body=PIECES), Client(body=PIECES)

        async def come_later():
            await asyncio.sleep(0.1)
            return await later.ask(app)

        found = await asyncio.gather(back_after(engine, 0.5, first.ask(app), come_later()), left(later))
        return found[0], found[1]

    async def left(later):
        await asyncio.sleep(0.4)
        return len(later.body)

    (before, answers), unread = asyncio.run(story())
    assert (before, answers) == ([], [(200, b"".join(PIECES))] * 2)
    assert unread == 2


def test_what_was_read_already_is_not_asked_for_again(engine):
    app = mlflow(engine, is_looking_in_loop=True, reads_first=True)
    before, _answers = asyncio.run(back_after(engine, 0.3, Client(body=PIECES).ask(app)))
    assert [status for status, _body in before] == [503]


def test_who_is_known_waits_beside_strangers(engine, monkeypatch):
    monkeypatch.setattr(waiting, "MOST", {False: 2, True: 3})
    app = mlflow(engine, is_looking_in_loop=True)
    known = [Client(name=b"bob") for _number in range(4)]
    logins.known[logins.digest(known[0].scope["headers"])] = None

    async def story():
        first = asyncio.ensure_future(Client(name=b"bob").ask(app))
        await asyncio.sleep(0.1)
        strangers = [Client(name=b"nobody %d" % number) for number in range(4)]
        found = await back_after(engine, 0.3, *(it.ask(app) for it in (*strangers, *known)))
        return found, await first

    (before, answers), first = asyncio.run(story())
    assert [status for status, _body in before] == [503] * 4
    assert {json.loads(body)["error_code"] for _status, body in before} == {"TEMPORARILY_UNAVAILABLE"}
    # One of whom it knows was there before.
    assert [status for status, _body in answers] == [200, 200, 503, 503, 200, 200, 503, 503]
    assert first[0] == 200


def test_who_has_no_log_in_or_asks_for_health_does_not_wait(engine):
    app = mlflow(engine, is_looking_in_loop=True)
    healthy = mlflow(Engine(), is_looking_in_loop=True)

    async def story():
        first = Client().ask(app)
        open_to_all = Client(path="/health").ask(healthy), Client(name=b"").ask(healthy)

        async def later(asked):
            await asyncio.sleep(0.1)
            return await asked

        return await back_after(engine, 0.4, first, *map(later, open_to_all))

    before, answers = asyncio.run(story())
    assert (before, len(answers)) == ([(200, b"")] * 2, 3)


def test_who_is_gone_is_not_answered(engine):
    calls = []
    inner = mlflow(engine, is_looking_in_loop=True)

    async def app(scope, receive, send):
        calls.append(scope["path"])
        await inner.app(scope, receive, send)

    async def story():
        patient = waiting.Patient(app)
        gone = Client(path="/gone", goes_after=0.1)
        found = await back_after(engine, 0.4, Client(path="/stays").ask(patient), gone.ask(patient))
        return found[1]

    assert asyncio.run(story()) == [(200, b""), None]
    assert calls == ["/stays", "/stays"]
