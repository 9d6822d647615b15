"""Where everything of this program's is on a host."""

from __future__ import annotations

from pathlib import Path


class Paths:
    """All paths that it uses by itself; those of a team stand in what was written down of the team."""

    def __init__(self, root: Path = Path("/")) -> None:
        # Teams, each with its settings and secrets; and what is to be known for backups.
        self.config = root / "etc/mlflow"
        self.backup_config = root / "etc/mlflow-backup"
        self.units = root / "etc/systemd/system"
        self.volatile_units = root / "run/systemd/system"
        self.timers = root / "var/lib/systemd/timers"
        self.fstab = root / "etc/fstab"
        # Locks of who changes a team, and below them who was let in to start; of who backs up, and what came of it.
        self.locks = root / "run/mlflow-changes"
        self.turns = root / "run/mlflow-backup"
        # Replicas whose port is closed since their server died, a file for each: see replica.conf of mlflow@.
        self.closed = root / "run/mlflow-closed"
        # What is to be undone, a file for each team, beside a directory of its account's for what that needs.
        self.changes = root / "var/lib/mlflow-changes"
        # Plans of restores, and what PostgreSQL's databases held.
        self.restores = root / "var/lib/mlflow-restores"
        self.state = root / "var/lib/mlflow"
        self.staging = root / "var/lib/mlflow-backup"
        self.cache = root / "var/cache/mlflow-backup"
        # What whoever watches the host reads: the repository may be far away.
        self.noted = root / "var/cache/mlflow-backup/noted"
        # systemd keeps a dynamic account's state below the first, and shows it to its unit as the second.
        self.drills = root / "var/lib/private/mlflow-drill"
        self.drills_seen = root / "var/lib/mlflow-drill"
        self.drills_run = root / "run/mlflow-drill"
        # Where mlflow-gc@ finds what it needs.
        self.garbage = root / "run/mlflow-gc"
        # Where every account gets to what it has there, and what is not memory.
        self.looks = root / "var/tmp"
        # What monitoring has read of teams, by another role.
        self.figures = root / "var/lib/mlflow-monitoring"
        self.library = root / "usr/local/lib/mlflow"
        # Another role's program.
        self.mounts = root / "usr/local/bin/mlflow-mounts"


# This host's.
HERE = Paths()
