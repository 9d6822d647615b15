"""Let the tests import ansible_collections.mlops.mlflow from this checkout, unbuilt."""

import os
import subprocess
import tempfile
from pathlib import Path

import project
import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "checkout"
# Where a run keeps what its tests make, unless it was told a place.
PLACE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give each run a place of its own: of pytest's, the old ones are removed by all runs that end at the same time."""
    if not config.option.basetemp:
        config.option.basetemp = config.stash[PLACE] = tempfile.mkdtemp(prefix="pytest-")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove it, unless there is something to be seen there."""
    place = session.config.stash.get(PLACE, None)
    if place and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        # With directories that are deeper than Python goes.
        subprocess.run(["rm", "-rf", "--one-file-system", place], check=False, capture_output=True)


def link_checkout() -> None:
    """Make the path that Ansible expects a collection at."""
    link = HOME / "ansible_collections" / "mlops" / "mlflow"
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(ROOT)
    except FileExistsError:
        if link.resolve() != ROOT:
            link.unlink()
            link.symlink_to(ROOT)


project.tidy_up_when_told_to_end()
# What fails in a helper of several tests tells what it saw, as what fails in a test does.
pytest.register_assert_rewrite(*{path.stem for path in (ROOT / "tests").rglob("*.py")} - {"conftest"})
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(HOME)
link_checkout()
_AnsibleCollectionFinder(paths=[str(HOME)])._install()
