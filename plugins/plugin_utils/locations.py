# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where artifacts are kept that are not in the server's own place, and which MLflow hands them to whoever asks."""

from __future__ import annotations

import re
import typing as t

from .buckets import ENDPOINTS
from .names import quoted
from .packages import Packages
from .sharing import LOOPBACK
from .storage import is_local
from .stores import PLACE, plain_problem, store_problem

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

# From here on, GET mlflow-artifacts/presigned/… asks who may read what it signs. Before, every user got everything.
DOWNLOADS_CHECKED_SINCE = (3, 15, 0)
# From here on, POST mlflow/artifacts/presigned-upload-url asks who may write to the run.
UPLOADS_CHECKED_SINCE = (3, 16, 0)
OWN_SCHEME = "mlflow-artifacts"
# Stores whose addresses MLflow signs; those of the latter two for uploads alone.
SIGNED = ("s3", "gs", "wasbs")


def location_problems(team: Team, packages: Packages) -> Problems:
    """Why the artifacts of a declared experiment could not be where it says."""
    for experiment in team["experiments"]:
        location = experiment["artifact_location"]
        problem = None if location is None else _location_problem(location, team["artifacts"]["serve"], packages)
        if problem:
            yield f"experiments: {experiment['name']}: artifact_location: {problem}"


def _location_problem(location: str, serves: bool, packages: Packages) -> str | None:
    found = PLACE.fullmatch(location)
    scheme = found["scheme"].lower() if found else ""
    if not found or scheme == "file":
        return (
            f"{quoted(location)} is a place on the host, which no backup has and other experiments could be in; "
            f"use {OWN_SCHEME}:/NAME or a store such as s3://bucket/path, or leave it out"
        )
    if found["scheme"] != OWN_SCHEME:
        return store_problem(location, packages)
    if not serves:
        return f"{quoted(location)} is on the server, which serves none; set artifacts: serve: true, or name a store"
    if not re.fullmatch(r"/[^/].*", found["rest"], re.DOTALL):
        return f"{quoted(location)} names a server; write it with one slash, {OWN_SCHEME}:/NAME"
    odd = plain_problem(found["rest"])
    return f"{quoted(location)} {odd}" if odd else None


def signing_problems(team: Team, release: tuple[int, ...]) -> Problems:
    """Versions that sign addresses of a store elsewhere for users to whom nobody granted what is there."""
    artifacts, version = team["artifacts"], team["version"]
    if artifacts["serve"] and not is_local(artifacts["destination"]) and release < DOWNLOADS_CHECKED_SINCE:
        yield (
            f"artifacts: destination: MLflow {version} hands everything in a store elsewhere to every user "
            f"(mlflow-artifacts/presigned); use version {_spelled(DOWNLOADS_CHECKED_SINCE)} or later"
        )
    if release >= UPLOADS_CHECKED_SINCE:
        return
    places = _direct_places(team)
    if artifacts["presigned"]:
        # Whatever place somebody gives an experiment in the same bucket.
        places["artifacts: presigned"] = artifacts["destination"]
    for place, uri in places.items():
        if uri and not is_local(uri) and not uri.startswith(f"{OWN_SCHEME}:"):
            yield (
                f"{place}: MLflow {version} lets every user write to a store elsewhere "
                f"(artifacts/presigned-upload-url); use version {_spelled(UPLOADS_CHECKED_SINCE)} or later"
            )


def presigned_problems(team: Team) -> Problems:
    """Addresses that are wanted of a store, and nowhere to be had."""
    artifacts = team["artifacts"]
    uris = [artifacts["destination"] if artifacts["serve"] else None, *_direct_places(team).values()]
    if artifacts["presigned"] and not any(str(uri).startswith(f"{scheme}:") for uri in uris for scheme in SIGNED):
        yield (
            "artifacts: presigned: only has a meaning where artifacts are in a store whose addresses MLflow signs "
            f"({', '.join(SIGNED)}); give such a destination, or leave it out"
        )
    # The first that is set counts, and what is signed has it.
    endpoint = next((name for name in ENDPOINTS if team["environment"].get(name)), None)
    signs_here = endpoint and LOOPBACK.match(str(team["environment"][endpoint]).lower())
    if artifacts["presigned"] and signs_here and any(str(uri).startswith("s3:") for uri in uris):
        yield (
            f"environment: {endpoint} is an address that only the server's host reaches, and artifacts: presigned gives "
            "it to clients; give the address at which clients reach the store, or leave presigned out"
        )


def _direct_places(team: Team) -> dict[str, str | None]:
    """Where artifacts are that MLflow does not take for the server's own, by the option that says so."""
    places = {"artifacts: root": team["artifacts"]["root"]}
    for experiment in team["experiments"]:
        places[f"experiments: {experiment['name']}: artifact_location"] = experiment["artifact_location"]
    return places


def _spelled(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))
