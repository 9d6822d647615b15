"""A scorer that somebody wrote: it tries what a trace asks it to, and says what became of each."""

from __future__ import annotations

import inspect
import json
import textwrap
from typing import Any


def mine(trace: Any) -> str:
    import json  # noqa: PLC0415 - the body goes alone
    import mmap  # noqa: PLC0415
    import socket  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    flags = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ways = {
        "read": lambda path: Path(path).read_bytes()[:1],
        "write": lambda path: Path(path).touch(),
        "connect": lambda place: socket.create_connection(tuple(place), 5).close(),
        "execute": lambda size: mmap.mmap(-1, size, prot=flags).close(),
    }
    found = []
    for way, what in json.loads(trace.data.spans[0].inputs["question"]):
        try:
            ways[way](what)
            found.append("done")
        except OSError as error:
            found.append(type(error).__name__)
    return json.dumps(found)


def serialized() -> str:
    """Return it as MLflow's client registers a scorer."""
    body = "".join(inspect.getsource(mine).splitlines(keepends=True)[1:])
    code = {
        "name": "mine",
        "call_source": textwrap.dedent(body),
        "call_signature": "(trace)",
        "original_func_name": "mine",
        "mlflow_version": "3.17.2",
        "serialization_version": 1,
    }
    return json.dumps(code)
