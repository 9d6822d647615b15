"""Counts what Ansible really runs on hosts: each module, whichever task, loop or action plugin called for it."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: count_remote
type: aggregate
short_description: Counts the modules that are run on hosts
description: Writes what it counted, and what the recap says, as JSON to the file that E(BENCH_COUNTS) names.
"""


class CallbackModule(CallbackBase):
    """Is loaded before the first worker is forked, so that all of them count."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "count_remote"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Let every module leave one byte."""
        super().__init__(*arguments, **options)
        self.file = os.environ["BENCH_COUNTS"]
        with open(self.file, "w"):
            pass
        file, run = self.file, ActionBase._execute_module

        def counted(*arguments: Any, **options: Any) -> Any:
            with open(file, "a") as ours:
                ours.write(".")
            return run(*arguments, **options)

        ActionBase._execute_module = counted  # type: ignore[method-assign]

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the sums."""
        remote = os.path.getsize(self.file)
        found = {"remote": remote, "changed": sum(stats.changed.values()), "failed": sum(stats.failures.values())}
        with open(self.file, "w") as file:
            json.dump(found, file)
