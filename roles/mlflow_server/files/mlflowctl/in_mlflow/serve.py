"""Runs `mlflow server`, and becomes the worker that it starts instead of waiting for it.

`mlflow server` reads its options, prepares the user store, starts uvicorn as another process, and then
only waits for it, with all of MLflow in memory. In one process the same worker, with the same options
and environment, takes 240 MB where the two take 430; and one worker alone goes on with what was loaded
to prepare it, instead of loading it again. Where MLflow starts it in another way than this expects, or
has a process of its own to run beside it, nothing is changed but that the worker ends idle connections, that jobs
are told who they are (jobs.py), and that what runs them is loaded once (job_runner.py).
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

WORKER = [sys.executable, "-m", "uvicorn"]
HERE = os.path.dirname(os.path.abspath(__file__))
OWN_WORKER = [sys.executable, os.path.join(HERE, "serve_uvicorn.py")]
OWN_RUNNER = [sys.executable, HERE, "job_runner"]


def work(args: list[str]) -> None:
    """Go on as this worker. Several of them are processes that need one above them with nothing in its memory."""
    if args[args.index("--workers") + 1] == "1":
        from mlflowctl.in_mlflow import serve_uvicorn  # noqa: PLC0415 - loads uvicorn

        sys.argv = args[1:]
        serve_uvicorn.run()
    if os.environ.get("MLOPS_MLFLOW_REPLICA"):
        from mlflowctl.in_mlflow import other_schema  # noqa: PLC0415 - as below

        other_schema.outlive_exec()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(args[0], args)


def main() -> None:
    """Run it."""
    # What is loaded stays; looking for what of it could go is a fifth of a start. serve_uvicorn.py looks from then on.
    gc.disable()
    import runpy  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

    from mlflowctl.in_mlflow import job_runner, jobs, loading, user_store  # noqa: PLC0415 - reads the settings

    if os.environ.get("MLOPS_MLFLOW_REPLICA"):
        from mlflowctl.in_mlflow import other_schema  # noqa: PLC0415

        other_schema.refuse(os.environ["MLFLOW_AUTH_CONFIG_PATH"])
    user_store.refuse_emptied(os.environ["MLFLOW_AUTH_CONFIG_PATH"])
    loading.shorten()
    process: Any = subprocess.Popen
    start_process = process.__init__

    def start_worker(self: Any, args: Any, *others: Any, env: dict[str, str] | None = None, **options: Any) -> None:
        """Start our worker in place of that one, and of this process where it is done; tell jobs who they are."""
        if isinstance(args, list) and args[:3] == WORKER:
            args = [*OWN_WORKER, *args[3:]]
            if not jobs.has_jobs():
                os.environ.update(env or {})
                work(args)
            gc.enable()
        elif jobs.is_runner(args):
            env = jobs.as_somebody(env)
            if args == [sys.executable, "-m", job_runner.RUNNER]:
                args = OWN_RUNNER
        start_process(self, args, *others, env=env, **options)

    process.__init__ = start_worker
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)
