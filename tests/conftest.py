"""Let the tests import ansible_collections.mlops.mlflow from this checkout, unbuilt."""

import os
from pathlib import Path

import project
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "checkout"


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
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(HOME)
link_checkout()
_AnsibleCollectionFinder(paths=[str(HOME)])._install()
