# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the webhooks that a server has and those it should have."""

from __future__ import annotations

import re
import typing as t
from functools import partial
from urllib.parse import quote

from ._client import Client, fitting
from ._dialect import require
from ._errors import InvalidRequest
from ._kept import Kept
from ._listed import Facts, pages
from ._shapes import Maybe, Word
from ._steps import MAKE, TAKE, Step

WEBHOOKS = "/api/2.0/mlflow/webhooks"
EVENTS = (
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
    "budget_policy.exceeded",
)
# Where an address leads: who logs in stands before that, and a path or a query may be a secret of its own.
LEADS_TO = re.compile(
    r"(?P<where>[a-z][a-z0-9+.-]*://)(?P<login>[^/?#]*@)?"
    r"(?P<host>(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]+)?)(?P<rest>[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
SHAPE = {
    "webhook_id": str,
    "name": str,
    "url": str,
    "description": Maybe(str),
    "events": Maybe([{"entity": str, "action": str}]),
    "status": Word(("ACTIVE", "DISABLED")),
    "last_updated_timestamp": int,
}


def webhook_facts(webhook: Facts) -> Facts:
    """What the modules return about a webhook, and when it was last changed. MLflow never tells its secret."""
    return {
        "name": webhook["name"],
        "webhook_id": webhook["webhook_id"],
        "url": webhook["url"],
        "events": sorted(f"{each['entity']}.{each['action']}".lower() for each in webhook.get("events") or []),
        "description": webhook.get("description") or "",
        "status": webhook["status"].lower(),
        "changed": webhook["last_updated_timestamp"],
    }


def shown_webhook(facts: Facts | None) -> Facts | None:
    """What a person is shown of it."""
    return facts and {key: value for key, value in facts.items() if key not in ("changed", "webhook_id")}


def veiled_webhook(before: Facts | None, after: Facts | None) -> tuple[Facts | None, Facts | None]:
    """Both as a diff shows them: of an address only where it leads, and whether it becomes another."""
    first, second = ({**facts, "url": _leads_to(facts["url"])} if facts else facts for facts in (before, after))
    if before and after and first and second and first["url"] == second["url"] and before["url"] != after["url"]:
        second["url"] += " (another)"
    return first, second


def _leads_to(url: str) -> str:
    found = LEADS_TO.fullmatch(url)
    if not found:
        return "***" if url else ""
    is_all = not found["login"] and found["rest"] in (None, "", "/")
    return url if is_all else f"{found['where']}{found['host']}/***"


def webhooks(client: Client) -> list[Facts]:
    """All webhooks of the server, sorted by name."""
    require(client, "webhooks", "a webhook")
    return sorted(map(webhook_facts, pages(client, WEBHOOKS, "webhooks", SHAPE)), key=lambda found: str(found["name"]))


def find_webhook(found: t.Iterable[Facts], name: str) -> Facts | None:
    """The webhook of this name; MLflow lets several have one, of which nobody could say which is meant."""
    called = [webhook for webhook in found if webhook["name"] == name]
    if len(called) > 1:
        raise InvalidRequest(f"webhooks: {len(called)} on the server are called '{name}'; leave one of them there")
    return called[0] if called else None


def webhook_steps(client: Client, present: Facts | None, wanted: Facts, kept: Kept) -> list[Step]:
    """Bring a webhook about."""
    name = wanted["name"]
    if wanted["state"] == "absent":
        return [Step(TAKE, f"- webhook {name}", partial(_delete, client, present, kept))] if present else []
    if present is None:
        for key in ("url", "events"):
            if not wanted[key]:
                raise InvalidRequest(f"{key}: webhook '{name}' does not exist yet and needs {key}")
        return [Step(MAKE, f"+ webhook {name}", partial(_create, client, wanted, kept))]
    if wanted["events"] == []:
        raise InvalidRequest(f"events: webhook '{name}' needs one at least; MLflow has no webhook without; disable it")
    changes = differences(present, wanted, kept)
    if not changes:
        return []
    for key in ("description", "secret"):
        if changes.get(key) == "":
            require(client, "emptying webhooks", f"{key}: taking it from webhook '{name}'")
    # Nobody is told anything more before all that is taken away is gone.
    phase = TAKE if changes.get("status") == "DISABLED" else MAKE
    line = f"~ webhook {name} {', '.join(sorted(changes))}"
    return [Step(phase, line, partial(_change, client, present, changes, wanted, kept))]


def differences(present: Facts, wanted: Facts, kept: Kept) -> Facts:
    """What of it is to be another, as a request says it."""
    changes: Facts = {}
    for key in ("url", "description"):
        if wanted[key] not in (None, present[key]):
            changes[key] = wanted[key]
    if wanted["events"] is not None and sorted(set(wanted["events"])) != present["events"]:
        changes["events"] = _events(wanted)
    if wanted["status"] not in (None, present["status"]):
        changes["status"] = wanted["status"].upper()
    if has_another_secret(present, wanted, kept):
        changes["secret"] = wanted["secret"]
    return changes


def has_another_secret(present: Facts, wanted: Facts, kept: Kept) -> bool:
    """Whether it may have another secret than the wanted one. Only a note can tell; where none is kept, it has not."""
    if wanted["secret"] is None or not kept.is_kept:
        return False
    return not kept.holds(present["webhook_id"], {"secret": wanted["secret"]}, present["changed"])


def webhook_after(present: Facts | None, wanted: Facts) -> Facts:
    """A webhook as it will be shown."""
    here = present or {"name": wanted["name"], "url": "", "events": [], "description": "", "status": "active"}
    after = {key: here[key] if wanted.get(key) is None else wanted[key] for key in here if key != "name"}
    return {**here, **after, "events": sorted(set(after["events"]))}


def _events(wanted: Facts) -> list[Facts]:
    found = (event.upper().split(".") for event in sorted(set(wanted["events"])))
    return [{"entity": entity, "action": action} for entity, action in found]


def _create(client: Client, wanted: Facts, kept: Kept) -> None:
    body = {"name": wanted["name"], "url": wanted["url"], "events": _events(wanted)}
    body["status"] = (wanted["status"] or "active").upper()
    for key in ("description", "secret"):
        if wanted[key]:
            body[key] = wanted[key]
    _note(client.write("POST", WEBHOOKS, **body), wanted, kept)


def _change(client: Client, present: Facts, changes: Facts, wanted: Facts, kept: Kept) -> None:
    answer = client.write("PATCH", f"{WEBHOOKS}/{quote(present['webhook_id'], safe='')}", **changes)
    if "secret" in changes:
        _note(answer, wanted, kept)
    else:
        kept.touch(present["webhook_id"], fitting(answer, {"webhook": SHAPE})["webhook"]["last_updated_timestamp"])


def _note(answer: Facts, wanted: Facts, kept: Kept) -> None:
    made = fitting(answer, {"webhook": SHAPE})["webhook"]
    if wanted["secret"] is not None:
        kept.note(made["webhook_id"], {"secret": wanted["secret"]}, made["last_updated_timestamp"])


def _delete(client: Client, present: Facts, kept: Kept) -> None:
    client.write("DELETE", f"{WEBHOOKS}/{quote(present['webhook_id'], safe='')}")
    kept.forget(present["webhook_id"])
