# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the ansible-core that runs this is one that the collection was made for."""

from __future__ import annotations

import re
import typing as t

from ansible.release import __version__

# As meta/runtime.yml says it, where Ansible by default only warns.
OLDEST = (2, 17)


def core_problems(version: str = __version__) -> t.Iterator[str]:
    """A line where it is too old: what an older one does with a declaration is not known."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and tuple(map(int, numbers.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield f"ansible-core: this is {version}, and mlops.mlflow needs {oldest} or later; upgrade it"
