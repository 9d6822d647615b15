# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs that works on several servers: one that fails does not keep it from the others."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._arguments import connection_spec
from ._declared import repeated
from ._errors import MlflowError
from ._parallel import Died, in_parallel
from ._text import all_shown, cut, shown

SHARED = ("ca_path", "validate_certs", "timeout")
OWN = ("tracking_uri", "username", "password")

Params = t.Dict[str, t.Any]
Result = t.Dict[str, t.Any]


def several_spec(options: Params) -> Params:
    """The argument spec documented by C(connection.several), with the options of each server."""
    connection = connection_spec()
    # An environment variable names one server.
    own = {name: {key: value for key, value in connection[name].items() if key != "fallback"} for name in OWN}
    return {
        **{name: connection[name] for name in SHARED},
        "parallel": {"type": "int", "default": 4},
        "servers": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, **own, **options},
        },
    }


def result(changes: t.Sequence[str] = (), **more: t.Any) -> Result:
    """What became of one server."""
    return {"changed": bool(changes), "asked": True, "changes": list(changes), "warnings": [], **more}


def work_on_servers(module: AnsibleModule, work: t.Callable[[Params], Result]) -> None:
    """Do the work for each server, told its options and what all share, and end the module."""
    servers, parallel = module.params["servers"], module.params["parallel"]
    for name in repeated(servers):
        module.fail_json(msg=f"servers: '{name}' is declared twice")
    if parallel < 1:
        module.fail_json(msg=f"parallel: {parallel} is less than 1")
    shared = {"unix_socket": None, **{name: module.params[name] for name in SHARED}}
    results: list[Result] = [{}] * len(servers)
    for number, found in in_parallel(lambda server: _result(work, {**shared, **server}), servers, parallel):
        answer = result(msg=str(found), failure={}) if isinstance(found, Died) else all_shown(found)
        results[number] = {"name": servers[number]["name"], **answer}
    for one in results:
        for warning in one["warnings"]:
            module.warn(f"{shown(one['name'])}: {warning}")
    module.exit_json(
        changed=any(one["changed"] for one in results),
        diff=[{"prepared": told(one)} for one in results if one["changed"]],
        servers=results,
        failures={one["name"]: one["msg"] for one in results if "failure" in one},
        invocation={"module_args": {**module.params, "servers": [briefly(server) for server in servers]}},
    )


def briefly(server: Params) -> Params:
    """What is shown of the arguments. Ansible looks for every password in every word of it, which takes its time."""
    return {"name": server["name"], "tracking_uri": server["tracking_uri"], "username": server["username"]}


def _result(work: t.Callable[[Params], Result], server: Params) -> Result:
    try:
        return work(server)
    except MlflowError as error:
        return result(msg=str(error), failure=error.failure)
    except OSError as error:
        return result(msg=cut(error, 500), failure={})
    except Exception as error:  # noqa: BLE001 - a fault in the work on one server is no reason to leave the others
        return result(msg=f"{type(error).__name__}: {cut(error, 500)}; this is a bug of the module", failure={})


def told(one: Result) -> str:
    """The diff of one server, below its name."""
    lines = one["changes"] or [one["msg"]]
    return "".join(f"{line}\n" for line in (f"{one['name']}:", *lines))
