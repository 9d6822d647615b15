"""What MLflow's API tells of a team: experiments, runs, logged models, and the artifacts of both."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from mlflow_mounts.artifacts import names
from mlflow_mounts.artifacts.asking import Team, all_pages, list_of, number_of, text_of
from mlflow_mounts.fuse.wire import Attributes

API = "/api/2.0/mlflow"
STORE = "/api/2.0/mlflow-artifacts/artifacts"
DIRECTORY, FILE, LINK = stat.S_IFDIR | 0o500, stat.S_IFREG | 0o400, stat.S_IFLNK | 0o777
MODELS = "models"
# How half of a character is asked about: JSON can carry one, and a server that is not MLflow may say it.
PAST = "surrogatepass"
# Of files that a server is still receiving.
UPLOADING = ".artifact.uploading."
# Runs that are asked about by identity in one request.
TOGETHER = 500
PROXIED = re.compile(r"mlflow-artifacts:/*(\d+(?:/[^?#]*)?)\Z")


class Entry(NamedTuple):
    """What stands in a directory."""

    mode: int
    size: int = 0
    mtime: int = 0
    # Of an experiment, a run or a model.
    identity: str = ""
    # Where its artifacts are, to MLflow.
    place: str = ""
    # Of an artifact: its path below its run or model, as MLflow knows it.
    path: str = ""
    # Of a link.
    target: str = ""

    @property
    def attributes(self) -> Attributes:
        """What the kernel is told."""
        return Attributes(self.mode, self.size, self.mtime)


Listing = dict[str, Entry]


def seconds(thing: dict[str, object], key: str) -> int:
    """Return a time of MLflow's, which has milliseconds."""
    return number_of(thing, key) // 1000


def proxied(place: str) -> str:
    """Return the path of a place that the server passes on; empty where it is elsewhere, or no plain path."""
    found = PROXIED.match(place)
    if not found or {"", ".", ".."} & set(found[1].split("/")):
        return ""
    return found[1]


def experiments(team: Team) -> Listing:
    """Return those that the user may read."""
    found = team.pages(f"{API}/experiments/search", "experiments", max_results=1000, view_type="ACTIVE_ONLY")
    return names.distinct(
        (
            names.of_thing(text_of(each, "name")),
            text_of(each, "experiment_id"),
            Entry(
                DIRECTORY,
                mtime=seconds(each, "last_update_time"),
                identity=text_of(each, "experiment_id"),
                place=text_of(each, "artifact_location"),
            ),
        )
        for each in found
    )


def inside_experiment(team: Team, experiment: Entry) -> Listing:
    """Return its runs, the newest first, of which those without artifacts are left out where one answer tells."""
    found = sorted(_runs(team, experiment), key=lambda info: -number_of(info, "start_time"))
    listed = names.distinct(
        (
            names.with_identity(text_of(info, "run_name"), text_of(info, "run_id")),
            text_of(info, "run_id"),
            Entry(
                DIRECTORY,
                mtime=seconds(info, "start_time"),
                identity=text_of(info, "run_id"),
                place=text_of(info, "artifact_uri"),
            ),
        )
        for info in found
    )
    return {MODELS: Entry(DIRECTORY, mtime=experiment.mtime), **listed}


def _runs(team: Team, experiment: Entry) -> Iterator[dict[str, object]]:
    with_files = _runs_with_files(team, experiment)
    search = {"experiment_ids": [experiment.identity], "run_view_type": "ACTIVE_ONLY"}
    if with_files is None:
        searches = [{**search, "max_results": 1000}]
    else:
        parts = [with_files[start : start + TOGETHER] for start in range(0, len(with_files), TOGETHER)]
        wanted = [", ".join(f"'{run}'" for run in part) for part in parts]
        searches = [{**search, "max_results": TOGETHER, "filter": f"attributes.run_id IN ({part})"} for part in wanted]
    for arguments in searches:
        for run in team.pages(f"{API}/runs/search", "runs", **arguments):
            info = run.get("info")
            if isinstance(info, dict):
                yield info


def _runs_with_files(team: Team, experiment: Entry) -> list[str] | None:
    """Return which runs have artifacts; None where nobody can tell but by asking for each."""
    place = proxied(experiment.place)
    if not place:
        return None
    try:
        found = list_of(team.get(STORE, path=place), "files")
    except FileNotFoundError:
        return []
    except PermissionError:
        # Not every version lets all who read an experiment list its place.
        return None
    runs = [posixpath.basename(text_of(each, "path")) for each in found if each.get("is_dir")]
    return [run for run in runs if re.fullmatch(r"[0-9a-f]{32}", run)]


def models(team: Team, experiment: Entry) -> Listing:
    """Return an experiment's logged models."""
    found = team.pages(f"{API}/logged-models/search", MODELS, experiment_ids=[experiment.identity])
    infos = [info for info in (each.get("info") for each in found) if isinstance(info, dict)]
    return names.distinct(
        (
            names.with_identity(text_of(info, "name"), text_of(info, "model_id")),
            text_of(info, "model_id"),
            Entry(
                DIRECTORY,
                mtime=seconds(info, "creation_timestamp_ms"),
                identity=text_of(info, "model_id"),
                place=text_of(info, "artifact_uri"),
            ),
        )
        for info in infos
    )


def artifacts(team: Team, top: Entry, below: str, is_run: bool) -> Listing:
    """Return a directory of a run or of a model."""
    if is_run:
        route, given = f"{API}/artifacts/list", {"run_id": top.identity, **({"path": below} if below else {})}
    else:
        route = f"{API}/logged-models/{quote(top.identity, safe='', errors=PAST)}/artifacts/directories"
        given = {"artifact_directory_path": below} if below else {}
    found = list(all_pages(lambda paging: team.get(route, **given, **paging), "files"))
    return names.distinct(_artifacts(found, below, top.mtime))


def _artifacts(found: list[dict[str, object]], below: str, mtime: int) -> Iterator[tuple[str, str, Entry]]:
    plain: list[tuple[str, str, Entry]] = []
    changed: list[tuple[str, str, Entry]] = []
    for each in found:
        own = posixpath.basename(text_of(each, "path"))
        name = names.of_artifact(own)
        if name is None or own.startswith(UPLOADING):
            continue
        mode = DIRECTORY if each.get("is_dir") else FILE
        path = f"{below}/{own}" if below else own
        size = 0 if each.get("is_dir") else number_of(each, "file_size")
        (plain if name == own else changed).append((name, path, Entry(mode, size, mtime, path=path)))
    # Whose name is its own has it.
    yield from plain
    yield from changed


def address(top: Entry, path: str, is_run: bool) -> str:
    """Return where the bytes of an artifact are."""
    place = proxied(top.place)
    if place:
        return f"{STORE}/{quote(place, errors=PAST)}/{quote(path, errors=PAST)}"
    if is_run:
        asked = urlencode({"run_id": top.identity, "path": path}, errors=PAST)
        return f"/get-artifact?{asked}"
    asked = urlencode({"artifact_file_path": path}, errors=PAST)
    return f"/ajax-api/2.0/mlflow/logged-models/{quote(top.identity, safe='', errors=PAST)}/artifacts/files?{asked}"
