# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values with their templates filled in, and what is said where nothing can: never the value, which may be a secret.

Up to ansible-core 2.18 messages have the whole value in them, and errors that are not Ansible's come out as they are.
"""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleError

# The last of these is the reason; what stands before it is the value.
UNDEFINED = re.compile(r"(?:'[^']+' is undefined|(?:object of type '\w+'|'[\w ]+ object') has no attribute '[^']+')")


def filled(templar: t.Any, value: t.Any) -> t.Any:
    """The value with its templates filled in.

    :raises AnsibleError: where nothing can fill them in
    """
    try:
        return templar.template(value)
    except AnsibleError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a filter raises
        raise AnsibleError(f"a template in it ends with {type(error).__name__}") from None


def reason(error: AnsibleError) -> str:
    """What is wrong, without what Ansible adds to it: the lines of a file, or the value."""
    said = str(getattr(error, "_original_message", None) or getattr(error, "_message", None) or error)
    undefined = UNDEFINED.findall(said)
    if undefined:
        return str(undefined[-1])
    return said.rpartition("original message: ")[2].partition(" String: ")[0]
