# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose arguments are not written into the target's journal.

Ansible writes a list of users as one text, and hides the passwords in it that stand there as they are: not one with
both kinds of quotes or with a backslash, which have others before them there. That the module itself asks for no_log is
overruled by the task, which says that it did not.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule


class UnloggedModule(AnsibleModule):
    """For arguments with secrets below the first level."""

    def __init__(self, **options: t.Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def _log_invocation(self) -> None:
        AnsibleModule.log(self, "Invoked, with arguments that are not shown")
