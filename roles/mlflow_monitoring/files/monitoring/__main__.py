"""Writes the figures of all teams for Prometheus, counts their artifacts, or prints what a report is made of."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # An isolated Python is given this directory. Beside it is what mlflow_server brings, of which one version is used.
    LIBRARY = Path(__file__).resolve().parent.parent
    sys.path[0:1] = [str((LIBRARY / "mlflowctl").resolve().parent), str(LIBRARY)]

from mlflowctl import team as teams

from monitoring import certificates, kinds, store, within
from monitoring.exposition import Sample, publish, text_of
from monitoring.looking import Look, walk
from monitoring.reporting import report

FILE = "mlflow.prom"


def write() -> None:
    """Look at everything, and put the file in place."""
    settings = store.settings()
    began, now = time.monotonic(), time.time()
    look = Look(settings, now)
    look.read_journal()
    found = look.everybody()
    for path, end in certificates.ends(certificates.named_by(settings["nginx"]) + settings["certificates"]):
        found.append(Sample(kinds.CERTIFICATE_ERROR, {"path": path}, end is None))
        if end is not None:
            found.append(Sample(kinds.CERTIFICATE, {"path": path}, end))
    look.keep()
    store.forget(look.names, settings["keep_days"])
    found.append(Sample(kinds.RAN, {}, round(now, 3)))
    found.append(Sample(kinds.TOOK, {}, round(time.monotonic() - began, 3)))
    publish(Path(settings["textfile_dir"]), FILE, text_of(found))


def main(action: str, *words: str) -> None:
    """Do one of the three; or, as a team's account, what one of them asks of it."""
    if action == "within":
        within.main(*words)
        return
    os.umask(0o077)
    if action == "write":
        write()
    elif action == "walk":
        walk(teams.names())
    else:
        print(json.dumps(report()))


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    # Without waiting for whom a disk holds.
    os._exit(0)
