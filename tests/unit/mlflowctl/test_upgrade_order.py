"""What a power cut may find at the end of an upgrade: the link to the new version, or how to undo it; never neither."""

import os
from pathlib import Path

import pytest
from mlflowctl import files, paths, team, transaction, upgrade


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A team without databases, on a host whose kernel is asked what is on the disk."""
    paths.HERE.locks, paths.HERE.changes, paths.HERE.config = (tmp_path / it for it in ("run", "var", "etc"))
    (tmp_path / "etc" / "vision").mkdir(parents=True)
    (tmp_path / "etc" / "vision" / "team.json").touch()
    for version in ("3.15.2", "3.17.2"):
        (tmp_path / version).mkdir()
    (tmp_path / "etc" / "vision" / "venv").symlink_to(tmp_path / "3.15.2")
    # Here is no systemd to ask.
    monkeypatch.setattr(transaction.Change, "stop_server", lambda _self: None)
    monkeypatch.setattr(transaction.Change, "try_out", lambda _self, *_words: None)
    return tmp_path


@pytest.fixture
def happened(home, monkeypatch):
    """What happened, in its order: where the link led when its directory was synced, and when the journal went."""
    link, journal, told = home / "etc" / "vision" / "venv", home / "var" / "vision.json", []
    synced, gone = os.fsync, Path.unlink

    def fsync(handle):
        synced(handle)
        if os.readlink(f"/proc/self/fd/{handle}") == str(link.parent):
            told.append(f"synced {os.path.basename(os.readlink(link))}")

    def unlink(self, missing_ok=False):
        if self == journal:
            told.append("no journal")
        gone(self, missing_ok)

    monkeypatch.setattr(files.os, "fsync", fsync)
    monkeypatch.setattr(Path, "unlink", unlink)
    return told


def test_the_link_is_on_the_disk_before_nobody_knows_how_to_undo_it(home, happened):
    vision = team.Team("vision", "", str(home), "", "", "", [], None, [], home / "etc")
    with transaction.Change(vision, "upgrade to 3.17.2") as change:
        assert upgrade.Upgrade(vision, "3.17.2", home, change, lambda: False).run()
    assert vision.version == "3.17.2"
    assert happened == ["synced 3.17.2", "no journal"]


def test_so_it_is_where_it_is_undone(home, happened, monkeypatch):
    def fails(_self, *_words):
        raise transaction.NotStartedError("it does not")

    monkeypatch.setattr(transaction.Change, "try_out", fails)
    monkeypatch.setattr(upgrade.Upgrade, "said_since", lambda _self, _moment: "")
    vision = team.Team("vision", "", str(home), "", "", "", [], None, [], home / "etc")
    steps = []

    def goes():
        with transaction.Change(vision, "upgrade to 3.17.2") as change:
            try:
                upgrade.Upgrade(vision, "3.17.2", home, change, lambda: False).run()
            finally:
                steps.extend(it["command"] for it in transaction.read_journal("vision")["undo"])

    with pytest.raises(upgrade.UpgradeError):
        goes()
    link = home / "etc" / "vision" / "venv"
    assert vision.version == "3.15.2"
    # The order is the journal's: what is on another disk is synced before it goes.
    assert steps[:2] == [["ln", "-sfnT", str(home / "3.15.2"), str(link)], ["sync", str(link.parent)]]
    assert happened[-1] == "no journal"
