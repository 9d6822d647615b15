"""What runs of Ansible on throwaway hosts share: never what was made of another collection's modules."""

from types import SimpleNamespace

import pytest
from connection import testhost


@pytest.fixture
def begin(monkeypatch, tmp_path):
    """Begin a run of Ansible with a collection; return where it looks for what was made of modules."""

    def begin(name, stamp):
        run, collections = tmp_path / f"run-{name}", tmp_path / "collections"
        for directory in (run, collections):
            directory.mkdir(exist_ok=True)
        (collections / ".complete").unlink(missing_ok=True)
        if stamp:
            (collections / ".complete").write_text(stamp)
        config = SimpleNamespace(get_config_value=lambda name: [str(collections)])
        monkeypatch.setattr(testhost, "constants", SimpleNamespace(config=config, DEFAULT_LOCAL_TMP=str(run)))
        monkeypatch.setattr(testhost, "BUILD", tmp_path / "build")
        testhost.share_modules()
        # By each of the processes of its tasks.
        testhost.share_modules()
        return run / "ansiballz_cache"

    return begin


def test_runs_of_one_collection_share_them(begin):
    (begin("one", "a") / "files").write_text("made")
    assert (begin("two", "a") / "files").read_text() == "made"


@pytest.mark.parametrize("stamp", ["b", ""])
def test_another_or_an_unknown_one_has_its_own(begin, stamp):
    (begin("one", "a") / "files").write_text("made")
    assert not (begin("two", stamp) / "files").exists()
