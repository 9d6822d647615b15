"""Removes artifacts at a place that was computed, and nothing that a link leads to.

Runs as the team's account, with the team's own access to its stores and none of the admin's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from mlflowctl.in_mlflow.known import Known
from mlflowctl.in_mlflow.own_places import SERVED

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OutsideError(Exception):
    """Something is no plain part of the place, but could lead elsewhere."""


@contextlib.contextmanager
def opened(path: str, within: int | None = None) -> Iterator[int]:
    """Hold a directory; below another one, only what is really in it."""
    try:
        handle = os.open(path, DIRECTORY | (0 if within is None else os.O_NOFOLLOW), dir_fd=within)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OutsideError(f"{path} is a link, or no directory") from None
        raise
    try:
        yield handle
    finally:
        os.close(handle)


def remove_tree(name: str, within: int) -> None:
    """Remove a directory with all that is in it, with two descriptors however deep that is."""
    with opened(name, within) as top:
        waiting = empty(top, top)
        while waiting:
            aside = waiting.pop()
            with opened(aside, top) as directory:
                waiting += empty(directory, top)
            os.rmdir(aside, dir_fd=top)
    os.rmdir(name, dir_fd=within)


def empty(directory: int, top: int) -> list[str]:
    """Remove the files and links in a directory; return the names below top that its directories have now."""
    moved = []
    with os.scandir(directory) as entries:
        found = list(entries)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=directory)
            continue
        # Nobody can have an entry of that name there.
        aside = secrets.token_hex(16)
        os.rename(entry.name, aside, src_dir_fd=directory, dst_dir_fd=top)
        moved.append(aside)
    return moved


class Local:
    """A directory of this host."""

    def __init__(self, path: str, owned: list[str]) -> None:
        """Take links for root's only above what is the team's."""
        place = PurePosixPath(os.path.abspath(path))
        above = [part for part in (place, *place.parents) if str(part) in owned] or [place.parent]
        self.start = str(above[-1])
        self.way = place.relative_to(self.start).parts

    def remove(self, way: tuple[str, ...]) -> None:
        """Remove all that is at a place below it."""
        *directories, last = (*self.way, *way)
        try:
            with contextlib.ExitStack() as stack:
                handle = stack.enter_context(opened(self.start))
                for name in directories:
                    handle = stack.enter_context(opened(name, handle))
                remove_tree(last, handle)
        except FileNotFoundError:
            # It never had artifacts, or an earlier run was cut off.
            return


class Remote:
    """A store of another kind, reached as MLflow does."""

    def __init__(self, root: str) -> None:
        self.root = root

    def repository(self, way: tuple[str, ...]) -> Any:
        """Return what MLflow reaches a place with."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415 - slow
        from mlflow.utils.uri import append_to_uri_path  # noqa: PLC0415 - slow

        return get_artifact_repository(append_to_uri_path(self.root, *way))

    def remove(self, way: tuple[str, ...]) -> None:
        """Remove all that is at a place below it."""
        if len(way) > 1:
            self.repository(way[:-1]).delete_artifacts(way[-1])
            return
        # MLflow up to 3.15 takes a place in a bucket for the beginning of a name: with 1 it would remove 10 and 11.
        # What is in 1 can be removed so, since all that begins like it is in 1 too.
        repository = self.repository(way)
        for found in list(repository.list_artifacts()):
            if not found.path or found.path in (".", "..") or "/" in found.path:
                raise OutsideError(f"{found.path!a} is not a plain name")
            repository.delete_artifacts(found.path)


def store_of(team: Known, root: str) -> Local | Remote:
    """Return where the artifacts really are whose places are below a root."""
    from mlflow.utils.file_utils import local_file_uri_to_path  # noqa: PLC0415 - slow
    from mlflow.utils.uri import is_local_uri  # noqa: PLC0415 - slow

    kept = (os.environ.get("MLFLOW_ARTIFACTS_DESTINATION") or team.artifacts) if root == SERVED else root
    if kept and is_local_uri(kept, is_tracking_or_registry_uri=False):
        return Local(local_file_uri_to_path(kept), [team.state_dir, *team.storage_dirs])
    return Remote(str(kept))
