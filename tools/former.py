"""The release before this one, to upgrade hosts from: where somebody says it is, or from the history of this checkout.

MLOPS_MLFLOW_FORMER names an archive, a tag or a commit; otherwise it is the newest release that is tagged, and
until there is one, a commit that stands for it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import project

NAMED = "MLOPS_MLFLOW_FORMER"
# As long as nothing was released.
UNTIL_RELEASED = "f39be81ba8d825642ab727641f230e13cb6ebe91"
FORMER = project.BUILD / "former"
COLLECTIONS = FORMER / "collections"
# Where Ansible looks for it there.
COLLECTION = COLLECTIONS / "ansible_collections" / "mlops" / "mlflow"


def git(*words: str) -> str:
    """Return what git answers; nothing where it cannot."""
    return project.run(["git", "-c", "safe.directory=*", *words], quiet=True, check=False).stdout.strip()


def commit_of(name: str) -> str:
    """Return the commit that a tag or a commit's name means; nothing where the history of this checkout has none."""
    return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def newest_release() -> str:
    """Return the newest tag of a release before what is checked out; nothing where there is none."""
    tags = git("tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname")
    return tags.partition("\n")[0]


def named() -> str:
    """Return what is to be taken; nothing where nobody names any and the history does not reach back to one."""
    return os.environ.get(NAMED, "") or newest_release() or commit_of(UNTIL_RELEASED)


def built(commit: str) -> Path:
    """Build the archive of a commit, as it was built then: from its files, and no others."""
    source = FORMER / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    packed = FORMER / "source.tar"
    project.run(["git", "-c", "safe.directory=*", "archive", "--output", packed, commit], quiet=True)
    project.run(["tar", "--extract", "--file", packed, "--directory", source], quiet=True)
    packed.unlink()
    for old in FORMER.glob("*.tar.gz"):
        old.unlink()
    project.run(["ansible-galaxy", "collection", "build", "--output-path", FORMER, source], quiet=True)
    shutil.rmtree(source)
    (archive,) = FORMER.glob("*.tar.gz")
    return archive


def install(name: str) -> None:
    """Install what is named in COLLECTIONS."""
    archive = Path(name)
    if not archive.is_file():
        commit = commit_of(name)
        if not commit:
            raise project.ToolError(f"{NAMED}: there is no archive, tag or commit {name}")
        archive = built(commit)
    shutil.rmtree(COLLECTIONS, ignore_errors=True)
    words = ["ansible-galaxy", "collection", "install", "--offline", "--no-deps", "--force", "-p", str(COLLECTIONS)]
    project.run([*words, archive.resolve()], quiet=True)
