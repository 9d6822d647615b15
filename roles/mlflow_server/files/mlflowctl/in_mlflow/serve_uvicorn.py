"""Runs uvicorn with an end to connections on which nothing comes: it has one between two requests, and none before.

Whoever only connects, leaves a request or its body unfinished or does not read the answer would otherwise hold a
connection for ever, without any log-in. Who does what HTTP wants, however slowly, is served; but once there are as many
as a team is promised, who is waited for goes for who comes: who asks nothing, and whom MLflow has not found to be
somebody, whatever is under way (logins.py).

An answer begins when its body does: MLflow's client repeats a request that nothing is answered to, and fails where a
server that dies leaves it the head alone.

A server that ends gives a connection on which nothing is asked the time for one more request, and says with the answer
that it was the last. From 3.18 on MLflow's client repeats none that makes something, and it may just have sent one.

What a lean environment leaves out, and a request asks for, is named in the journal, and so is who did what (audit.py).
Who may make what has a name of its own is in creators.py, how no job is begun in jobs.py, who gets an address in the
store in presigned.py, what nobody names as a place in places.py and traces.py, or has named in trace_places.py, how a
trace stays where it is in trace_moves.py, and linked to whose runs in trace_runs.py, and which paths nobody reads in
plain.py. On which routes MLflow is made to ask for grants is in unchecked.py, what nobody renames in renames.py, what
nobody calls a thing in patterns.py, what nobody names in two ways in one_reading.py, what is done in turns in
one_by_one.py, where no endpoint leaves its traces in gateway_traces.py, how nobody gets or loses grants on a scorer in
scorer_grants.py, or runs one that they are denied in scorer_denials.py, of what nobody makes a prompt in
prompt_marks.py, which prompts nobody optimizes in optimizations.py, and what a page of a search tells nobody in
pages.py. What strangers make it say is little (lines.py), and who cannot be looked up is no stranger (away.py) and
waits a while (outage.py, waiting.py).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import importlib
import os
import sys
from typing import Any

import uvicorn.config

# As a program of its own, or read again by one, it does not stand in its package.
if not __package__:
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
from mlflowctl.in_mlflow import (
    asking,
    audit,
    away,
    creators,
    gateway_traces,
    jobs,
    lines,
    logins,
    one_by_one,
    one_reading,
    optimizations,
    outage,
    pages,
    patterns,
    places,
    plain,
    presigned,
    prompt_marks,
    renames,
    room,
    scorer_denials,
    scorer_grants,
    trace_moves,
    trace_places,
    trace_runs,
    traces,
    unchecked,
    user_store,
    waiting,
)

PROTOCOLS = {
    "uvicorn.protocols.http.h11_impl": "H11Protocol",
    "uvicorn.protocols.http.httptools_impl": "HttpToolsProtocol",
}
# What answers one request, by the same name in both.
CYCLE = "RequestResponseCycle"
# How long a whole head of a request may take, and how long nothing may come of a body, or be taken of an answer.
SECONDS = {"head": 60, "body": 60, "answer": 300}
SECONDS_BETWEEN_LOOKS = 10
# How many artifacts may be moved at once, and grants on them looked up. MLflow does so in the threads of asyncio, of
# which there are 4 more than processors: those who wait for a slow store would keep all others from theirs.
TRANSFERS = 16
# How many connections there may be before those go that are waited for: what a team is promised, of which each worker
# has a part. More are let in, so that who comes then is not turned away.
PROMISED = 1024
# How long who is connected may ask once more when the server ends.
SECONDS_TO_ASK = 1
# The packages that a lean environment leaves out, as they are imported.
LEFT_OUT = {"matplotlib", "pyarrow", "scipy", "skops", "sklearn"}


def waits_for(protocol: Any) -> tuple[str, Any] | None:
    """What is to come from the client, and something that changes as it comes; None where it is the server's turn."""
    cycle, transport = protocol.cycle, protocol.transport
    # Who was answered in the middle of a body, as where there is no room for it, reads that at its end.
    asks_nothing = cycle is None or (cycle.response_complete and not cycle.more_body)
    untaken = transport.get_write_buffer_size()
    # A connection that is to be closed stays open until all of the answer is taken.
    if protocol.flow.write_paused or (untaken and (asks_nothing or transport.is_closing())):
        return "answer", untaken
    if asks_nothing:
        return "head", cycle
    if cycle.more_body and not protocol.flow.read_paused:
        return "body", protocol.received
    return None


def look(protocol: Any, before: tuple[str, Any] | None = None, seconds: int = 0) -> None:
    """Close a connection on which nothing has come for too long; look again later."""
    transport = protocol.transport
    if protocol not in opened or transport.get_protocol() is not protocol:
        opened.pop(protocol, None)
        return
    found = waits_for(protocol)
    seconds = seconds + SECONDS_BETWEEN_LOOKS if found and found == before else 0
    if found and seconds >= SECONDS[found[0]]:
        transport.abort()
    else:
        protocol.loop.call_later(SECONDS_BETWEEN_LOOKS, look, protocol, found, seconds)


# All that are open; last who has asked last, or has come since.
opened: dict[Any, None] = {}


def make_room(newcomer: Any) -> None:
    """Close the connection that may go and has asked nothing for longest, where there are too many."""
    if len(opened) > PROMISED // int(os.environ.get("MLFLOW_WORKERS") or 1):
        gone = next((it for it in opened if it is not newcomer and may_go(it)), None)
        if gone is not None:
            del opened[gone]
            gone.transport.abort()


def may_go(protocol: Any) -> bool:
    """Say whether it is the client's turn, and no request is under way or nobody knows whose it is."""
    what = (waits_for(protocol) or ("nothing",))[0]
    stranger = protocol.cycle is None or not logins.knows(protocol.cycle.scope["headers"])
    return what == "head" or (what != "nothing" and stranger)


class Absent:
    """Names what is imported and not there, once each; as the last finder it is asked for nothing else."""

    def __init__(self) -> None:
        self.named: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in LEFT_OUT - self.named:
            self.named.add(name)
            print(
                f"a request asks for {name}, which is not in this environment; if it fails for that,"
                " set mlflow_server_environment: full and run the playbook again",
                file=sys.stderr,
                flush=True,
            )


absent: Any = Absent()


def give_an_end(kind: Any) -> None:
    """Let a kind of connection be looked at from its beginning."""
    begin, receive, lose = kind.connection_made, kind.data_received, kind.connection_lost

    def connection_made(self: Any, transport: Any) -> None:
        # MLflow is loaded by now; what it tries to import before that, it does without.
        if absent not in sys.meta_path:
            sys.meta_path.append(absent)
        self.received = 0
        begin(self, transport)
        opened[self] = None
        make_room(self)
        look(self)

    def data_received(self: Any, data: bytes) -> None:
        self.received += len(data)
        before = self.cycle
        receive(self, data)
        if self.cycle is not before and self in opened:
            opened[self] = opened.pop(self)

    def connection_lost(self: Any, error: Exception | None) -> None:
        opened.pop(self, None)
        lose(self, error)

    kind.connection_made, kind.data_received, kind.connection_lost = connection_made, data_received, connection_lost


def begin_with_the_body(kind: Any) -> None:
    """Let the heads of answers wait for what follows them, and say when no other answer will follow."""
    send = kind.send

    async def send_together(self: Any, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.head = message
            return
        head = self.__dict__.pop("head", None)
        if head is not None:
            self.access_log = self.access_log and lines.is_written(head["status"], logins.knows(self.scope["headers"]))
            # uvicorn with h11 only closes: who sends the next request at once would lose it.
            last = [] if self.keep_alive else [(b"connection", b"close")]
            await send(self, {**head, "headers": [*head.get("headers", ()), *last]})
        await send(self, message)

    kind.send = send_together


def end_with_an_answer(kind: Any) -> None:
    """Let connections end with an answer that says so, or when nothing more is asked."""
    receive = kind.data_received

    def shutdown(self: Any) -> None:
        outage.stop()
        self.ends = True
        # Also for what is being answered, and has said already that the connection is kept.
        self.timeout_keep_alive = SECONDS_TO_ASK
        if self.cycle is None or self.cycle.response_complete:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(SECONDS_TO_ASK, self.timeout_keep_alive_handler)
        say_that_it_ends(self)

    def data_received(self: Any, data: bytes) -> None:
        receive(self, data)
        say_that_it_ends(self)

    kind.ends, kind.shutdown, kind.data_received = False, shutdown, data_received


def say_that_it_ends(protocol: Any) -> None:
    """Let the answer that has not begun yet be the last one of a connection that ends."""
    if protocol.ends and protocol.cycle is not None and not protocol.cycle.response_started:
        protocol.cycle.keep_alive = False


def watch_the_application() -> None:
    """Let what is done be said in the journal, only creators make things, and uploads need room, where wanted."""
    config: Any = uvicorn.config.Config
    load = config.load

    def load_watched(self: Any) -> None:
        if "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
            # Of several workers, one that dies is followed by another, to which MLflow is new.
            user_store.refuse_emptied(os.environ["MLFLOW_AUTH_CONFIG_PATH"])
        asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(TRANSFERS))
        gc.disable()
        load(self)
        # MLflow has none; where a package brings what speaks it, whoever asks is not followed.
        self.ws_protocol_class = None
        # All of it is there for good, and is not looked at again.
        gc.freeze()
        gc.enable()
        places.close()
        traces.close()
        trace_places.close()
        trace_moves.close()
        trace_runs.close()
        unchecked.close()
        renames.close()
        prompt_marks.close()
        patterns.close()
        one_reading.close()
        pages.close()
        scorer_grants.close()
        scorer_denials.close()
        optimizations.close()
        gateway_traces.close()
        # As the last, so that all that is asked is asked in turn.
        one_by_one.close()
        presigned.close()
        inner = plain.Plain(jobs.around(waiting.around(room.around(away.around(self.loaded_app)))))
        watched = audit.around(creators.around(inner))
        if watched is not inner or asking.AUTH in sys.modules:
            asking.follow()
        self.loaded_app = logins.Noted(creators.Alone(watched))
        lines.watch()

    config.load = load_watched


watch_the_application()
# Several workers are processes of their own, which read this file again under another name.
for module, name in PROTOCOLS.items():
    try:
        protocols = importlib.import_module(module)
    except ImportError:
        continue
    give_an_end(getattr(protocols, name))
    end_with_an_answer(getattr(protocols, name))
    begin_with_the_body(getattr(protocols, CYCLE))


def run() -> None:
    """Do what the command line says, and end with it."""
    # What `python -m uvicorn` begins with.
    sys.path[0] = os.getcwd()
    from uvicorn.main import main  # noqa: PLC0415 - a module of that directory comes first, as there

    try:
        main(prog_name="uvicorn")
    except PermissionError as error:
        # Its socket, which goes with the unit's directory: that is root's by now.
        if error.filename not in sys.argv:
            raise


if __name__ == "__main__":
    run()
