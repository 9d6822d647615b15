"""Starts modules quickly: it has imported what they share, and forks a process for each.

Run as a script with the path of a Unix socket. Whoever connects sends a module's name with the three
files that are to be its standard input, output and error; the connection ends when the module does.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import traceback
import typing as t

COLLECTION = "ansible_collections.mlops.mlflow.plugins"


def preload() -> None:
    """Import what every module would import again."""
    shared = importlib.import_module(f"{COLLECTION}.module_utils")
    for found in pkgutil.iter_modules(shared.__path__):
        importlib.import_module(f"{COLLECTION}.module_utils.{found.name}")


def become(name: str, files: list[int]) -> t.NoReturn:
    """Be the module, in this process, until it exits."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.argv = [name]
    try:
        runpy.run_module(f"{COLLECTION}.modules.{name}", run_name="__main__", alter_sys=True)
    except SystemExit:
        pass
    except BaseException:  # noqa: BLE001 - what Python would write, and nobody asks for the code
        traceback.print_exc()
    # As multiprocessing does: to take apart all that was imported before takes longer than the module.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def main() -> None:
    preload()
    # What is there for good is looked at, and so copied, by no module's process.
    gc.freeze()
    # Nobody waits for the modules here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        # Whoever sees it there is let in.
        listener.bind(sys.argv[1] + ".new")
        listener.listen()
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        while True:
            connection, _address = listener.accept()
            name, files, _flags, _sender = socket.recv_fds(connection, 100, 3)
            if os.fork() == 0:
                become(name.decode(), files)
            for file in files:
                os.close(file)
            connection.close()


if __name__ == "__main__":
    main()
