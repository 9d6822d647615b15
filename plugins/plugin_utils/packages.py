# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages are installed beside MLflow."""

from __future__ import annotations

import re
import typing as t

from ..module_utils._secret_text import kind_of, secret_problem

Packages = t.Collection[str]

PACKAGES_VARIABLE = "mlflow_server_extra_packages"
# What the role installs beside MLflow when nobody says otherwise.
DEFAULT_PACKAGES = ("psycopg[binary]", "PyMySQL", "boto3")
# What comes with the version of a team.
OF_THE_VERSION = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})


def packages_of(declared: t.Any) -> tuple[list[t.Any], list[str]]:
    """What is to be installed beside MLflow, as a list, and why it cannot be."""
    found = declared.split(",") if isinstance(declared, str) else declared or []
    if not isinstance(found, (list, tuple)):
        return [], [f"{PACKAGES_VARIABLE}: is {kind_of(declared)}, where a list of packages is wanted"]
    odd = [(number, each) for number, each in enumerate(found, 1) if not isinstance(each, str)]
    problems = [f"{PACKAGES_VARIABLE}: number {n}: is {kind_of(each)}, where text is wanted" for n, each in odd]
    texts = [(number, each) for number, each in enumerate(found, 1) if isinstance(each, str)]
    said = ((number, _package_problem(each)) for number, each in texts)
    problems += [f"{PACKAGES_VARIABLE}: number {number}: {problem}" for number, problem in said if problem]
    return [each for _number, each in texts], problems


def _package_problem(package: str) -> str | None:
    """Why pip would not install it beside MLflow. Its address is not shown: it may have a log-in in it."""
    if problem := secret_problem(package):
        return problem
    if package.strip().startswith("-"):
        return "is an option of pip; use mlflow_server_index_url, mlflow_server_wheel_dir or the host's pip.conf"
    if not re.match(r"\s*[A-Za-z0-9/]", package):
        return "is not a valid package; use names as pip takes them, such as boto3 or psycopg[binary]"
    if name := installed([package]) & OF_THE_VERSION:
        return f"is {', '.join(name)}, of which the teams' versions say which; leave it out"
    return None


def installed(requirements: t.Iterable[t.Any]) -> frozenset[str]:
    """The names of packages in a list for pip, as indexes spell them."""
    names = (re.match(r"\s*([A-Za-z0-9._-]+)", str(requirement)) for requirement in requirements)
    return frozenset(spelled(name[1]) for name in names if name)


def spelled(name: str) -> str:
    """A name as an index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()
