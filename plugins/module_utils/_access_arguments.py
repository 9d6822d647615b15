# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments that declare everybody on a server."""

from __future__ import annotations

import typing as t

from ._arguments import grant_list_spec
from ._errors import InvalidRequest
from ._kinds import WORDS
from ._secret_text import EMPTY
from ._webhooks import EVENTS

STATE = {"type": "str", "choices": ["present", "absent"], "default": "present"}
NAME = {"type": "str", "required": True}
# What a prompt has beside a name, here and as a thing of its own.
PROMPT: dict[str, t.Any] = {
    "description": {"type": "str"},
    "template": {"type": "str"},
    "commit_message": {"type": "str"},
    "tags": {"type": "dict"},
    "aliases": {"type": "dict"},
}
WEBHOOK: dict[str, t.Any] = {
    "url": {"type": "str"},
    "events": {"type": "list", "elements": "str", "choices": list(EVENTS)},
    "description": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "status": {"type": "str", "choices": ["active", "disabled"]},
}
GATEWAY_SECRET: dict[str, t.Any] = {
    "values": {"type": "dict", "no_log": True},
    "provider": {"type": "str"},
    "auth_config": {"type": "dict"},
}
GATEWAY_ENDPOINT: dict[str, t.Any] = {
    "models": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str"},
            "provider": NAME,
            "model": NAME,
            # The name of a secret is none.
            "secret": {**NAME, "no_log": False},
        },
    },
}


def access_spec() -> dict[str, t.Any]:
    """The argument spec documented by the C(access) fragment: who there is on a server, and what they may do."""
    grants = grant_list_spec()
    return {
        "policy": {"type": "str", "choices": ["exclusive", "additive"], "default": "exclusive"},
        "kinds": {"type": "list", "elements": "str", "choices": list(WORDS), "default": []},
        "artifact_root": {"type": "str"},
        "keep_users": {"type": "list", "elements": "str", "default": []},
        "revoke_creators": {"type": "bool", "default": False},
        "on_missing_roles": {"type": "str", "choices": ["fail", "expand"], "default": "fail"},
        "update_password": {
            "type": "str",
            "choices": ["always", "on_create"],
            "default": "always",
            "no_log": False,
        },
        "users": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "password": {"type": "str", "no_log": True},
                "admin": {"type": "bool", "default": False},
                "grants": grants,
                "state": STATE,
            },
        },
        "groups": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "description": {"type": "str"},
                "members": {"type": "list", "elements": "str"},
                "grants": grants,
                "state": STATE,
            },
        },
        "experiments": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "artifact_location": {"type": "str"},
                "tags": {"type": "dict"},
                "grants": {"type": "dict"},
                "rename_from": {"type": "str"},
                "on_deleted": {"type": "str", "choices": ["restore", "fail"], "default": "restore"},
                "state": STATE,
            },
        },
        "registered_models": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "description": {"type": "str"},
                "tags": {"type": "dict"},
                "aliases": {"type": "dict"},
                "grants": {"type": "dict"},
                "rename_from": {"type": "str"},
                "state": STATE,
            },
        },
        "prompts": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": NAME, **PROMPT, "grants": {"type": "dict"}, "state": STATE},
        },
        "gateway_secrets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "no_log": False,
            "options": {"name": NAME, **GATEWAY_SECRET, "grants": {"type": "dict"}, "state": STATE},
        },
        "gateway_endpoints": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": NAME, **GATEWAY_ENDPOINT, "grants": {"type": "dict"}, "state": STATE},
        },
        "webhooks": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": NAME, **WEBHOOK, "state": STATE},
        },
        "secrets_file": {"type": "path"},
    }


def refuse_empty(declared: dict[str, t.Any]) -> None:
    """Raise for what is there with nothing behind it: a list of nobody is something else than one that is left out."""
    for name, option in access_spec().items():
        if option.get("default") is not None and name in declared and declared[name] is None:
            raise InvalidRequest(f"{name}: {EMPTY}")
