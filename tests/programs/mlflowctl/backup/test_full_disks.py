"""Disks that are full: what was begun is undone, which takes no room."""

import os
import shutil
import subprocess

import pytest
from mlflowctl.files import write_private
from programs.mlflowctl.backup_lab import Lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


@pytest.fixture
def lab(tmp_path, empty):
    """A team with a snapshot of another state than it has."""
    shutil.copytree(empty, tmp_path / "repository")
    lab = Lab(tmp_path)
    lab.sql("INSERT INTO runs VALUES ('kept')")
    lab.back_up()
    lab.sql("INSERT INTO runs VALUES ('later')")
    return lab


@pytest.fixture
def fill(lab):
    """Have the disk of changes fill itself, and return what does so."""
    place = lab.home / "changes"
    how = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place]
    if subprocess.run(how, check=False).returncode:
        pytest.skip("nothing can be mounted here")

    def fill():
        with open(place / "others", "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    pass
            except OSError:
                pass

    yield fill
    subprocess.run(["umount", place], check=True)


def test_of_a_secret_that_does_not_fit_nothing_is_left(lab, fill):
    place = lab.home / "changes"
    fill()
    (place / "others").write_bytes(b"x" * 512)
    with pytest.raises(OSError, match="No space left"):
        write_private(place / "secrets.env", b"secret" * 20_000)
    assert [path.name for path in place.iterdir()] == ["others"]


def test_a_restore_that_is_not_well_is_undone_at_once(lab, monkeypatch, fill):
    before = lab.everything()

    def try_out(_change, *_words):
        fill()
        raise lab.transaction.ChangeError("it did not start")

    monkeypatch.setattr(lab.transaction.Change, "try_out", try_out)
    with pytest.raises(lab.transaction.ChangeError, match="it did not start"):
        lab.restore_into()
    assert lab.everything() == before
    assert lab.transaction.read_journal("vision") is None
