"""Runs MLflow's job runner, and forks the consumers that it starts.

MLflow starts a Python for each kind of job that it knows, and each loads all of MLflow again. Forked from a runner that
has loaded it, they share what none of them changes: a third of the memory and of the processor's time (3.17.2, seven
consumers). Where MLflow starts them in another way than this expects, nothing is changed.

Forked is only what is started at first: before the runner looks for jobs that were cut off, for which it connects to
the database. A consumer that has ended is started again as MLflow does.
"""

from __future__ import annotations

import contextlib
import gc
import os
import runpy
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

RUNNER = "mlflow.server.jobs._job_runner"
CONSUMER = "huey.bin.huey_consumer"


class Forked:
    """What the runner asks of a process that it has started: to wait for its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Return how it ended."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def become(command: list[str], env: dict[str, str]) -> NoReturn:
    """Be what this command of Python's runs, and end with it."""
    code = 1
    try:
        os.environ.update(env)
        sys.argv = command[2:]
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, a process of its own would show it, and end
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What is beyond here is the runner's.
        os._exit(code)


class Starting:
    """How the runner starts its consumers: by forks, until it has connections that none of them may have."""

    def __init__(self, start: Callable[..., Any]) -> None:
        self.start = start
        self.forks = True
        self.lock = threading.Lock()

    def __call__(self, cmd: Any, *others: Any, extra_env: dict[str, str] | None = None, **options: Any) -> Any:
        """Start one as MLflow asks for it."""
        if isinstance(cmd, list) and cmd[1:3] == ["-m", CONSUMER]:
            with self.lock:
                if self.forks:
                    pid = os.fork()
                    if pid == 0:
                        become(cmd, extra_env or {})
                    return Forked(pid)
        return self.start(cmd, *others, extra_env=extra_env, **options)

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return work before which the last one is forked."""

        def alone(*words: Any, **options: Any) -> Any:
            with self.lock:
                self.forks = False
            return work(*words, **options)

        return alone


def prepare() -> None:
    """Load what consumers need, and have them forked."""
    from mlflow.server.jobs import logging_utils, utils  # noqa: F401, PLC0415 - the former for the consumers
    from mlflow.utils import process  # noqa: PLC0415 - slow

    # All at their places before anything is changed.
    unfinished, names = utils._enqueue_unfinished_jobs, [*utils._job_name_to_fn_fullname_map]
    starting = Starting(process._exec_cmd)
    for name in names:
        utils._load_function(utils.get_job_fn_fullname(name))
    # That for schedules has the name from when it was loaded.
    process._exec_cmd = utils._exec_cmd = starting
    utils._enqueue_unfinished_jobs = starting.before(unfinished)


def main() -> None:
    """Run it."""
    # As serve.py does. What is frozen, and so never looked at again, stays shared.
    gc.disable()
    with contextlib.suppress(ImportError, AttributeError):
        prepare()
    gc.collect()
    gc.freeze()
    gc.enable()
    runpy.run_module(RUNNER, run_name="__main__", alter_sys=True)
