# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which databases and which stores of artifacts a server can use, with the packages that are installed for it."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import unquote

from ..module_utils._secret_text import secret_problem
from .names import quoted

Packages = t.Collection[str]
Problems = t.Iterator[str]

PACKAGES_VARIABLE = "mlflow_server_extra_packages"
# What the role installs beside MLflow when nobody says otherwise.
DEFAULT_PACKAGES = ("psycopg[binary]", "PyMySQL", "boto3")

# Any of the packages will do. Without a driver in the URI, SQLAlchemy takes one that is not installed.
DRIVERS: dict[str, dict[str, tuple[str, ...]]] = {
    "postgresql": {
        "psycopg": ("psycopg", "psycopg-binary"),
        "psycopg2": ("psycopg2-binary", "psycopg2"),
        "pg8000": ("pg8000",),
    },
    "mysql": {
        "pymysql": ("PyMySQL",),
        "mysqldb": ("mysqlclient",),
        "mysqlconnector": ("mysql-connector-python",),
    },
    "mssql": {"pymssql": ("pymssql",), "pyodbc": ("pyodbc",)},
}
SQLITE_DRIVERS = ("", "pysqlite")
# Everything else changes which file is opened, or whether it is kept.
SQLITE_OPTIONS = ("timeout", "check_same_thread", "isolation_level", "cached_statements", "detect_types")
# As SQLAlchemy takes a URI apart.
DATABASE = re.compile(
    r"(?P<kind>[\w]+)(?:\+(?P<driver>[\w]+))?://(?:[^:/]*(?::[^@]*)?@)?"
    r"(?P<host>\[[^/?]+\]|[^/:?]*)(?::(?P<port>[^/?]*))?(?:/(?P<database>[^?]*))?(?:\?.*)?",
    re.DOTALL,
)

# What each store of artifacts needs beside MLflow; none is a choice of packages.
STORES: dict[str, tuple[str, ...]] = {
    "s3": ("boto3",),
    "r2": ("boto3",),
    "b2": ("boto3",),
    "gs": ("google-cloud-storage",),
    "wasbs": ("azure-storage-blob",),
    "abfss": ("azure-storage-file-datalake",),
    "sftp": ("pysftp",),
    "ftp": (),
}
PLACE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
STORE = re.compile(r"//[^/\s]+(/.*)?", re.DOTALL)


def installed(requirements: t.Iterable[t.Any]) -> frozenset[str]:
    """The names of packages in a list for pip, as indexes spell them."""
    names = (re.match(r"\s*([A-Za-z0-9._-]+)", str(requirement)) for requirement in requirements)
    return frozenset(_spelled(name[1]) for name in names if name)


def database_problem(uri: str, packages: Packages) -> str | None:
    """Why MLflow could not open this database; None where it could. The URI is never shown."""
    if problem := secret_problem(uri):
        return problem
    found = DATABASE.fullmatch(uri)
    if not found:
        return "is no URI of a database; use one like postgresql+psycopg://user:password@host/name"
    kind, driver = found["kind"], found["driver"] or ""
    if kind == "sqlite":
        return _sqlite_problem(uri, driver)
    return _driver_problem(kind, driver, packages) or _parts_problem(found["host"], found["port"], uri)


def _driver_problem(kind: str, driver: str, packages: Packages) -> str | None:
    if kind not in DRIVERS:
        return f"{quoted(kind)} is no kind of database that MLflow knows; use {', '.join(DRIVERS)} or sqlite"
    if not driver:
        first = next(iter(DRIVERS[kind]))
        return f"names no driver; write {kind}+{first}:// instead of {kind}://"
    if driver not in DRIVERS[kind]:
        return f"{quoted(driver)} is no driver for {kind}; use {' or '.join(DRIVERS[kind])}"
    if missing := _missing(DRIVERS[kind][driver], packages):
        return f"{kind}+{driver}:// needs {missing}, which is not in {PACKAGES_VARIABLE}; add it there"
    return None


def _parts_problem(host: str, port: str | None, uri: str) -> str | None:
    if "@" in host:
        return "has more than one @; in user and password, write %40 instead"
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        return "has no number for a port; in user and password, write %3A, %2F and %40 instead of :, / and @"
    if re.search(r"\s", uri):
        return "has blanks in it; in user and password, write %20 instead"
    return None


def _sqlite_problem(uri: str, driver: str) -> str | None:
    if driver not in SQLITE_DRIVERS:
        return f"{quoted(driver)} is no driver that is installed for SQLite; use sqlite:////absolute/path"
    path, _question, query = uri.partition("://")[2].partition("?")
    if not path.strip("/") or ":memory:" in path:
        return "is a database in memory, which is lost whenever the server sleeps; use sqlite:////absolute/path"
    if not path.startswith("//"):
        relative = "is a relative path, which is another file for each program"
        return f"{relative}; use sqlite:////absolute/path, with four slashes"
    options = [option.partition("=")[0] for option in query.split("&") if option]
    if odd := [option for option in options if unquote(option) not in SQLITE_OPTIONS]:
        return f"{quoted(odd[0])} may open another file than the one that is backed up; leave it out"
    return None


def store_problem(uri: str, packages: Packages) -> str | None:
    """Why artifacts could not be in this store, which is not on the host; None where they could."""
    if problem := secret_problem(uri):
        return problem
    found = PLACE.fullmatch(uri)
    scheme = found["scheme"] if found else ""
    if not found or scheme not in STORES:
        return f"{quoted(scheme or uri)} is no store that a server can use; use {', '.join(STORES)} or an absolute path"
    if not STORE.fullmatch(found["rest"]):
        return f"{quoted(uri)} names no bucket or host; use one like s3://bucket/path"
    if missing := _missing(STORES[scheme], packages):
        return f"{scheme}:// needs {missing}, which is not in {PACKAGES_VARIABLE}; add it there"
    if odd := plain_problem(found["rest"][2:]):
        return f"{quoted(uri)} {odd}"
    return None


def plain_problem(path: str) -> str | None:
    """Why two programs could read a path differently; None where they could not."""
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", path):
        return "has control characters; use a plain path"
    if odd := next((letter for letter in "?#%\\" if letter in path), None):
        return f"has '{odd}', which programs read differently; use a plain path"
    if any(part in (".", "..") for part in path.split("/")):
        return "has '.' or '..'; use a plain path"
    if "//" in path or path.startswith("//"):
        return "has '//', which programs read differently; use one slash"
    if any(part != part.strip() for part in path.split("/")):
        return "has blanks at the end of a name, which nobody sees; leave them out"
    return None


def _missing(needed: t.Sequence[str], packages: Packages) -> str | None:
    return needed[0] if needed and not {_spelled(name) for name in needed} & set(packages) else None


def _spelled(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
