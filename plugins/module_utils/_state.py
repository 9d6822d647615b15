# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs: observe, plan, write only the difference, tell what happened."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._arguments import client_from, connection_spec
from ._client import Client
from ._errors import MlflowError
from ._steps import Step, in_order
from ._text import all_shown, shown

Shown = t.Optional[t.Dict[str, t.Any]]
Observe = t.Callable[[Client, t.Dict[str, t.Any]], t.Any]
Show = t.Callable[[Client, t.Dict[str, t.Any], t.Any], Shown]
Warn = t.Callable[[Client, t.Dict[str, t.Any], t.Any], t.List[str]]
Veil = t.Callable[[Shown, Shown], t.Tuple[Shown, Shown]]
Plan = t.Callable[[Client, t.Dict[str, t.Any], t.Any], t.Tuple[Shown, t.List[Step]]]


def ensure_module(
    noun: str,
    argument_spec: dict[str, t.Any],
    observe: Observe,
    plan: Plan,
    show: Show,
    warn: Warn = lambda *_observed: [],
    veil: Veil = lambda before, after: (before, after),
    **options: t.Any,
) -> None:
    """Bring one thing into its wanted state and return it under its noun.

    C(observe) reads the server. C(plan) returns what will be shown afterwards and the steps that
    lead there: no steps, no change. Check mode stops before the steps, so both modes show the
    same diff. C(warn) says what a person should know, C(veil) what a diff, which goes to screens and
    logs, shows of both.
    """
    module = AnsibleModule(argument_spec={**connection_spec(), **argument_spec}, supports_check_mode=True, **options)
    params, done = module.params, 0
    try:
        client = client_from(params, read_only=module.check_mode)
        state = observe(client, params)
        before = show(client, params, state)
        after, steps = plan(client, params, state)
        warnings = warn(client, params, state)
        result = after
        if steps and not module.check_mode:
            for step in in_order(steps):
                step.do()
                done += 1
            result = show(client, params, observe(client, params))
    except MlflowError as error:
        module.fail_json(msg=str(error), failure=error.failure, changed=done > 0 or bool(error.done))
    for warning in warnings:
        module.warn(shown(warning))
    before, after = veil(before, after)
    module.exit_json(
        changed=bool(steps),
        diff=all_shown({"before": before or {}, "after": after or {}}),
        **{noun: result or {}},
    )


def info_module(
    noun: str, argument_spec: dict[str, t.Any], read: t.Callable[..., t.List[t.Any]], **options: t.Any
) -> None:
    """Return a list under its noun, also for one name and for none."""
    module = AnsibleModule(argument_spec={**connection_spec(), **argument_spec}, supports_check_mode=True, **options)
    try:
        found = read(client_from(module.params, read_only=True), module.params)
    except MlflowError as error:
        module.fail_json(msg=str(error), failure=error.failure)
    module.exit_json(changed=False, **{noun: found})
