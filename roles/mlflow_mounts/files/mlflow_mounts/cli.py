"""mlflow-mounts status   whose artifacts are mounted here, and who looks at them now
mlflow-mounts doctor   as a user: whether each team's server answers you; as root: whether the service works
mlflow-mounts serve    what the unit runs
"""

from __future__ import annotations

import gc
import sys

SETTINGS = "/etc/mlflow-mounts/settings.json"


def main() -> int:
    """Do what the command line says; return the exit code."""
    command = sys.argv[1] if len(sys.argv) == 2 or sys.argv[1:2] == ["serve"] else ""
    path = sys.argv[2] if len(sys.argv) == 3 else SETTINGS
    if command == "serve":
        # Before the first process starts, so that all of them share it.
        from mlflow_mounts import answering  # noqa: PLC0415
        from mlflow_mounts.root import service  # noqa: PLC0415

        # And none of them has a copy of it for looking what of it could go.
        gc.collect()
        gc.freeze()
        service.run(path, answering.with_idle(service.Settings(path).idle))
        return 0
    if command in ("status", "doctor"):
        from mlflow_mounts import report  # noqa: PLC0415

        try:
            return report.status() if command == "status" else report.doctor(path)
        except report.LateError as error:
            print(f"systemd does not answer: {error}", file=sys.stderr)
            return 1
    print((__doc__ or "").rstrip(), file=sys.stderr)
    return 2
