# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which buckets and users teams want of an S3, by the stores and keys that they declare."""

from __future__ import annotations

import re
import typing as t

from .bucket_keys import ID, UNMADE
from .names import quoted

Team = t.Dict[str, t.Any]
Account = t.Dict[str, t.Any]
Problems = t.Iterator[str]

SCHEME = "s3://"
# In the order in which MLflow's client takes them.
ENDPOINTS = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
# What every S3 takes, and one part of an address.
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
# In a policy, these stand for more than they are.
PATTERN = re.compile(r"[*$]")


def account_of(team: Team, server: Team, kept: str) -> Account | None:
    """Where a team has its artifacts, if that is in a bucket of this S3; C(kept) is the key that is kept for it."""
    option = "destination" if team["artifacts"]["serve"] else "root"
    uri, environment = str(team["artifacts"][option] or ""), team["environment"]
    endpoint = next((str(environment[name]) for name in ENDPOINTS if environment.get(name)), "")
    if not uri.startswith(SCHEME) or plain(endpoint) != plain(server["endpoint"]):
        return None
    bucket, _slash, prefix = uri[len(SCHEME) :].partition("/")
    return {
        "team": team["name"],
        "option": f"artifacts: {option}",
        "hosts": sorted({each["host"] for each in team["hosts"]}),
        "bucket": bucket,
        "prefix": prefix.strip("/"),
        "user": f"{server['user_prefix']}{team['name']}",
        "kept": "" if kept == UNMADE else kept,
        # Whose key comes from elsewhere has a user of its own.
        "own": str(environment.get(ID, "")) != kept,
    }


def plain(endpoint: str) -> str:
    """An address as it is compared."""
    return endpoint.rstrip("/").lower()


def account_problems(account: Account) -> Problems:
    """Why an account cannot be made."""
    place = f"mlflow_teams: {account['team']}: {account['option']}:"
    if not BUCKET.fullmatch(account["bucket"]) or ".." in account["bucket"]:
        yield (
            f"{place} the bucket {quoted(account['bucket'])} has a name that not every S3 takes; use 3 to 63 small "
            "letters, digits, dots and hyphens, a letter or digit first and last"
        )
    if PATTERN.search(account["prefix"]):
        yield f"{place} has * or $ in its path, which a policy takes for a pattern; use a plain path"


def together_problems(managed: t.Sequence[Account], others: t.Sequence[Account]) -> Problems:
    """Teams that would read each other's artifacts, since they have one bucket."""
    first: dict[str, Account] = {}
    for account in [*managed, *others]:
        other = first.setdefault(account["bucket"], account)
        if other["team"] != account["team"] and not other["own"]:
            yield (
                f"mlflow_teams: '{other['team']}' and '{account['team']}' both have the bucket "
                f"{quoted(account['bucket'])}, and either could list what is the other's; give each a bucket of its own"
            )


def asked_problems(
    option: str, asked: t.Sequence[str], teams: t.Sequence[Team], accounts: t.Sequence[Account]
) -> Problems:
    """Teams that were asked for by name, and for which nothing is done here."""
    known, here = {team["name"] for team in teams}, {account["team"]: account for account in accounts}
    for name in asked:
        if name not in known:
            yield f"{option}: no team {quoted(name)} is declared; there is {', '.join(sorted(known)) or 'none'}"
        elif name not in here:
            yield (
                f"{option}: {quoted(name)} has no bucket of this S3; declare artifacts: destination: s3://BUCKET, and "
                "in environment the MLFLOW_S3_ENDPOINT_URL that mlflow_bucket_endpoint_url says, or leave it out here"
            )
        elif here[name]["own"]:
            yield (
                f"{option}: {quoted(name)} has keys that are not made here; take them from the lookup "
                "mlops.mlflow.bucket_key in environment, or leave it out here"
            )
