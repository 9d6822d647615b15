"""What code in a server can define in its database so that one value takes days: it is waited for with an end."""

import pytest
from mlflowctl import databases
from mlflowctl.backup import manifest, restic, snapshot
from programs.mlflowctl.backup_lab import Lab

# All that SQLite does meanwhile is one step, so that it asks nobody whether to go on.
ENDLESS = "(instr(hex(zeroblob(2000000 + length(name))), hex(zeroblob(1000000)) || '1'))"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A team whose database is looked through by computing that, and a host that does not wait for long."""
    lab = Lab(tmp_path)
    lab.sql("INSERT INTO runs VALUES ('x')")
    lab.sql(f"ALTER TABLE runs ADD COLUMN n TEXT AS {ENDLESS}")
    monkeypatch.setattr(databases, "ASK_SECONDS", 1)
    return lab


def test_a_backup_and_a_drill_wait_with_an_end(lab):
    late = "was still not done after 1 s"
    stage = lab.home / "stage"
    stage.mkdir()
    with pytest.raises(restic.BackupError, match=f"mlflowctl contents {late}"):
        snapshot.copy_databases(lab.vision(), stage)
    with pytest.raises(restic.BackupError, match=late):
        manifest.look_into(stage / "databases" / "mlflow.db", "vision", lab.vision())


def test_more_may_take_longer_and_nothing_for_ever(tmp_path):
    copy = tmp_path / "mlflow.db"
    seconds = []
    for size in (0, 10**9, 10**12):
        with open(copy, "w", encoding="utf-8") as file:
            file.truncate(size)
        seconds.append(databases.seconds_to_read(copy))
    assert seconds == [databases.ASK_SECONDS, databases.ASK_SECONDS + 1000, databases.COPY_SECONDS]
