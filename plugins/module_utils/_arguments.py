# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments that several modules share."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from ._client import TIMEOUT, Client
from ._dialect import LEVELS, Resource
from ._errors import InvalidRequest
from ._kinds import WORDS


def connection_spec() -> dict[str, t.Any]:
    """The argument spec documented by the C(connection) fragment."""
    return {
        "tracking_uri": {
            "type": "str",
            "required": True,
            "fallback": (env_fallback, ["MLFLOW_TRACKING_URI"]),
        },
        "unix_socket": {"type": "path"},
        "username": {
            "type": "str",
            "required": True,
            "fallback": (env_fallback, ["MLFLOW_TRACKING_USERNAME"]),
        },
        "password": {
            "type": "str",
            "required": True,
            "no_log": True,
            "fallback": (env_fallback, ["MLFLOW_TRACKING_PASSWORD"]),
        },
        "ca_path": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": TIMEOUT},
    }


def client_from(params: dict[str, t.Any], read_only: bool) -> Client:
    """The client that the connection arguments describe."""
    return Client(read_only=read_only, **{name: params[name] for name in connection_spec()})


def grant_spec() -> dict[str, t.Any]:
    """One grant as the inventory writes it: a resource of one type, and a level."""
    return {
        # The name of a secret is none.
        **{kind: {"type": "str", "no_log": False} for kind in WORDS},
        "permission": {"type": "str", "choices": list(LEVELS)},
    }


def grant_list_spec() -> dict[str, t.Any]:
    """A list of grants, each with one resource and a level."""
    options = grant_spec()
    options["permission"]["required"] = True
    return {
        "type": "list",
        "elements": "dict",
        "options": options,
        "mutually_exclusive": [WORDS],
        "required_one_of": [WORDS],
    }


def resource_of(grant: dict[str, t.Any]) -> Resource:
    """The resource that a grant speaks of, by its name."""
    return next(Resource(kind, grant[kind]) for kind in WORDS if grant.get(kind) is not None)


def wanted_grants(grants: list[dict[str, t.Any]]) -> dict[Resource, str]:
    """The level on each resource; two levels on one are an error."""
    wanted: dict[Resource, str] = {}
    for grant in grants:
        resource, level = resource_of(grant), grant["permission"]
        if wanted.setdefault(resource, level) != level:
            raise InvalidRequest(f"grants: {resource.kind} {resource.key} has two levels")
    return wanted
