# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which databases and which stores of artifacts a server can use, with the packages that are installed for it."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import parse_qs, unquote

from ..module_utils._secret_text import secret_problem
from ..module_utils._text import is_plain
from .names import quoted
from .packages import PACKAGES_VARIABLE, Packages, spelled

Problems = t.Iterator[str]

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
# Those of them that are numbers.
SQLITE_NUMBERS = ("timeout", "cached_statements", "detect_types")
ISOLATION = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")
# What libpq looks up or connects to; several hosts stand there with commas.
HOST = re.compile(r"[A-Za-z0-9._,-]*|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._-]+)?\]", re.ASCII)
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# As SQLAlchemy takes a URI apart.
DATABASE = re.compile(
    r"(?P<kind>[\w]+)(?:\+(?P<driver>[\w]+))?://(?:[^:/]*(?::[^@]*)?@)?"
    r"(?P<host>\[[^/?]+\]|[^/:?]*)(?::(?P<port>[^/?]*))?(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
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
STORE = re.compile(r"//(?P<host>[^/\s]+)(/.*)?", re.DOTALL)
# How a store is named: by a bucket alone, or by two names with an @ between them.
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
BUCKETS = ("s3", "gs")
NAMED_AT = {
    "r2": "r2://bucket@account.r2.cloudflarestorage.com/path",
    "b2": "b2://bucket@endpoint/path",
    "wasbs": "wasbs://container@account.blob.core.windows.net/path",
    "abfss": "abfss://container@account.dfs.core.windows.net/path",
}
AT = re.compile(r"[^@:\s]+@[^@:\s]+(:[0-9]+)?", re.ASCII)
# What no file system takes for a name, and no program for a path.
LONGEST_PART, LONGEST_PATH = 255, 4095


def said(found: re.Match[str], part: str, option: str) -> str:
    """What a URI says of a part: among its options, which SQLAlchemy takes first, or else in its place."""
    return ",".join(parse_qs(found["query"] or "").get(option, [])) or found[part] or ""


def database_problem(uri: str, packages: Packages) -> str | None:
    """Why MLflow could not open this database; None where it could. The URI is never shown."""
    if problem := secret_problem(uri):
        return problem
    found = DATABASE.fullmatch(uri)
    if not found:
        return "is not a URI of a database; use one like postgresql+psycopg://user:password@host/name"
    kind, driver = found["kind"], found["driver"] or ""
    if kind == "sqlite":
        return _sqlite_problem(uri, driver)
    return _driver_problem(kind, driver, packages) or _parts_problem(found, uri) or _name_problem(found)


def _driver_problem(kind: str, driver: str, packages: Packages) -> str | None:
    if kind not in DRIVERS:
        return f"{quoted(kind)} is not a kind of database that MLflow knows; use {', '.join(DRIVERS)} or sqlite"
    if not driver:
        first = next(iter(DRIVERS[kind]))
        return f"names no driver; write {kind}+{first}:// instead of {kind}://"
    if driver not in DRIVERS[kind]:
        return f"{quoted(driver)} is not a driver for {kind}; use {' or '.join(DRIVERS[kind])}"
    if missing := _missing(DRIVERS[kind][driver], packages):
        return f"{kind}+{driver}:// needs {missing}, which is not in {PACKAGES_VARIABLE}; add it there"
    return None


def _parts_problem(found: re.Match[str], uri: str) -> str | None:
    host, port = found["host"], found["port"]
    if "@" in host:
        return "has more than one @; in user and password, write %40 instead"
    if port and not (re.fullmatch("[0-9]{1,9}", port) and 0 < int(port) < 65536):
        return "has no number for a port; in user and password, write %3A, %2F and %40 instead of :, / and @"
    if re.search(r"\s", uri):
        return "has blanks in it; in user and password, write %20 instead"
    if not all(map(is_plain, uri)):
        return "has characters in it that nobody sees; write it anew"
    if not HOST.fullmatch(host) or host.startswith("-"):
        return "names no host that can be looked up; give a name or an address, or a socket as ?host=/run/postgresql"
    return None


def _name_problem(found: re.Match[str]) -> str | None:
    """Whether the database is named, and by one name."""
    query = parse_qs(found["query"] or "", keep_blank_values=True)
    name = said(found, "database", "dbname")
    if not name:
        return "names no database; end it with a slash and the name"
    if "/" in name:
        return "has a slash in the name of its database, or in a password; write %2F in a password"
    modes = query.get("sslmode", []) if found["kind"] == "postgresql" else []
    if not set(modes) <= set(SSL_MODES):
        return f"has a word for sslmode that is none; use one of {', '.join(SSL_MODES)}"
    return None


def _sqlite_problem(uri: str, driver: str) -> str | None:
    if driver not in SQLITE_DRIVERS:
        return f"{quoted(driver)} is not a driver that is installed for SQLite; use sqlite:////absolute/path"
    path, _question, query = uri.partition("://")[2].partition("?")
    if not path.strip("/") or ":memory:" in path:
        return "is a database in memory, which is lost whenever the server sleeps; use sqlite:////absolute/path"
    if not path.startswith("//"):
        relative = "is a relative path, which is another file for each program"
        return f"{relative}; use sqlite:////absolute/path, with four slashes"
    options = [option.partition("=")[0] for option in query.split("&") if option]
    if odd := [option for option in options if unquote(option) not in SQLITE_OPTIONS]:
        return f"{quoted(odd[0])} may open another file than the one that is backed up; leave it out"
    return _option_problem(query)


def _option_problem(query: str) -> str | None:
    for name, values in parse_qs(query, keep_blank_values=True).items():
        for value in values:
            if name in SQLITE_NUMBERS and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value):
                return f"{name} is not a number; leave it out, or give one"
            if name == "isolation_level" and value not in ISOLATION:
                return f"{name} is none in it; leave it out, or use one of {', '.join(ISOLATION[1:])}"
    return None


def store_problem(uri: str, packages: Packages) -> str | None:
    """Why artifacts could not be in this store, which is not on the host; None where they could."""
    if problem := secret_problem(uri):
        return problem
    found = PLACE.fullmatch(uri)
    scheme = found["scheme"] if found else ""
    if not found or scheme not in STORES:
        return (
            f"{quoted(scheme or uri)} is not a store that a server can use; use {', '.join(STORES)} or an absolute path"
        )
    named = STORE.fullmatch(found["rest"])
    if not named:
        return f"{quoted(uri)} names no bucket or host; use one like s3://bucket/path"
    if problem := _named_problem(scheme, named["host"]):
        return problem
    if missing := _missing(STORES[scheme], packages):
        return f"{scheme}:// needs {missing}, which is not in {PACKAGES_VARIABLE}; add it there"
    if odd := plain_problem(found["rest"][2:]):
        return f"{quoted(without_password(uri))} {odd}"
    return None


def _named_problem(scheme: str, host: str) -> str | None:
    """What stands where a bucket is wanted, or a container and its account; it may be a key, and is not shown."""
    if scheme in BUCKETS and (not BUCKET.fullmatch(host) or ".." in host):
        return (
            f"{scheme}:// is not followed by the name of a bucket alone; use {scheme}://bucket/path, and environment "
            "for keys and for an endpoint (MLFLOW_S3_ENDPOINT_URL)"
        )
    if scheme in NAMED_AT and not AT.fullmatch(host):
        return f"{scheme}:// is not followed by both names that it needs; use one like {NAMED_AT[scheme]}"
    return None


def without_password(uri: str) -> str:
    """A place as it may be shown."""
    return re.sub(r"(?<=//)[^/@]*:[^/]*@", "…@", uri)


def plain_problem(path: str) -> str | None:
    """Why two programs could read a path differently; None where they could not."""
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", path):
        return "has control characters; use a plain path"
    if not all(map(is_plain, path)):
        return "has characters that nobody sees; use a plain path"
    if len(path.encode("utf-8", "replace")) > LONGEST_PATH:
        return f"has more than {LONGEST_PATH} bytes; use a shorter path"
    if any(len(part.encode("utf-8", "replace")) > LONGEST_PART for part in path.split("/")):
        return f"has a name of more than {LONGEST_PART} bytes in it; use a shorter one"
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
    return needed[0] if needed and not {spelled(name) for name in needed} & set(packages) else None
