# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done at an S3 for teams to have their buckets, and to have them alone."""

from __future__ import annotations

import typing as t

from .names import quoted

Found = t.Dict[str, t.Any]
Account = t.Dict[str, t.Any]

POLICY = "mlflow"
# Of all that MLflow asks for, by the names that each S3 knows.
OF_BUCKET = ["s3:GetBucketLocation", "s3:ListBucket"]
OF_OBJECTS = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
DONE = ("buckets", "users", "policies", "unused", "new_keys", "former", "steps", "problems")


def plan(accounts: t.Sequence[Account], found: Found, rotate: t.Sequence[str]) -> Found:
    """What differs, as what is to be done and as lines that may be shown; nothing of a team that cannot have it all."""
    done: Found = {name: [] for name in DONE}
    for account in accounts:
        user = found["users"].get(account["user"])
        if problems := list(_problems(account, user, account["team"] in rotate)):
            done["problems"] += problems
            continue
        if account["bucket"] not in found["buckets"]:
            done["buckets"].append(account["bucket"])
            done["steps"].append(f"bucket {account['bucket']}: is made")
        _user(done, account, user)
        _key(done, account, [key["id"] for key in user["keys"]] if user else [], account["team"] in rotate)
    return done


def former_of_absent(accounts: t.Sequence[Account], found: Found) -> list[Found]:
    """All keys of teams that are C(absent)."""
    return [
        _former(account, key["id"])
        for account in accounts
        for key in (found["users"].get(account["user"]) or {"keys": []})["keys"]
    ]


def refusals(accounts: t.Sequence[Account], buckets: t.Sequence[Found], users: t.Sequence[Found]) -> list[Found]:
    """Whose bucket or user could not be made, and why, of the results of tasks that went through them."""
    done = [("bucket", each["item"], each) for each in buckets]
    done += [("user", each["item"]["user"] if isinstance(each["item"], dict) else each["item"], each) for each in users]
    place = "mlflow_teams: {team}: {option}: the S3 says: "
    return [
        {"user": account["user"], "problem": place.format(**account) + " ".join(each["msg"].split())}
        for kind, name, each in done
        # What modules say where they fail, and Ansible of one that check mode leaves out.
        if "msg" in each and not each.get("skipped")
        for account in accounts
        if account[kind] == name
    ]


def policy(account: Account) -> Found:
    """What a team's user may do."""
    bucket = f"arn:aws:s3:::{account['bucket']}"
    objects = f"{bucket}/{account['prefix']}/*" if account["prefix"] else f"{bucket}/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": OF_BUCKET, "Resource": [bucket]},
            {"Effect": "Allow", "Action": OF_OBJECTS, "Resource": [objects]},
        ],
    }


def _problems(account: Account, user: Found | None, rotated: bool) -> t.Iterator[str]:
    place = f"mlflow_teams: {account['team']}: {account['option']}:"
    if user is None:
        return
    if strange := sorted(set(user["policies"]) - {POLICY}):
        yield (
            f"{place} the user {quoted(account['user'])} has the policies {', '.join(map(quoted, strange))}, too, and "
            "may do what these allow; take them away, or say another mlflow_bucket_user_prefix"
        )
    if rotated:
        return
    if user["keys"] and account["kept"] not in [key["id"] for key in user["keys"]]:
        yield (
            f"{place} the user {quoted(account['user'])} has a key already, which is not that in mlflow_bucket_keys; "
            f"put its file there, or have another made with mlflow_bucket_rotate: [{account['team']}]"
        )
    if any(key["id"] == account["kept"] and not key["active"] for key in user["keys"]):
        yield (
            f"{place} the key of {quoted(account['user'])} has been made inactive; make it active again, or have "
            f"another made with mlflow_bucket_rotate: [{account['team']}]"
        )


def _user(done: Found, account: Account, user: Found | None) -> None:
    name, wanted = account["user"], policy(account)
    if user is None:
        done["users"].append(name)
        done["steps"].append(f"user {name}: is made")
    if user is None or not same(user["policies"].get(POLICY), wanted):
        done["policies"].append({"user": name, "policy": wanted})
        place = "/".join(filter(None, (account["bucket"], account["prefix"])))
        done["steps"].append(f"user {name}: may read and write in {place}, and nothing else")


def _key(done: Found, account: Account, keys: list[str], rotated: bool) -> None:
    name = account["user"]
    if rotated or account["kept"] not in keys:
        # First the former one: modules of amazon.aws cannot list two where an S3 does not say since when they are.
        done["unused"] += [{"user": name, "id": key} for key in keys]
        done["new_keys"].append({"team": account["team"], "user": name})
        done["steps"].append(f"user {name}: gets {'another' if keys else 'a'} key")
    else:
        done["former"] += [_former(account, key) for key in keys if key != account["kept"]]


def _former(account: Account, key: str) -> Found:
    return {"team": account["team"], "user": account["user"], "id": key, "hosts": account["hosts"]}


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two policies are one: an S3 may write a list of one as the one, and lists in another order."""
    return bool(_plain(one) == _plain(other))


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _plain(part if key in ("Effect", "Version") else _listed(part)) for key, part in value.items()}
    if isinstance(value, list):
        return sorted(map(_plain, value), key=repr)
    return value


def _listed(value: t.Any) -> t.Any:
    return value if isinstance(value, (list, dict)) else [value]
