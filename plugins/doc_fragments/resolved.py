# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a declaration that was looked up once is used again."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  problems:
    description: Return what is wrong with the declaration, a line each, instead of the teams.
    type: bool
    default: false
  resolve:
    description:
      - Return what was found as one word for O(resolved), instead of the teams. Whoever needs the teams often thus
        asks each lookup that a secret comes from once. The word is as secret as what is in it.
    type: bool
    default: false
  resolved:
    description: What O(resolve) returned before, in place of the variables.
    type: str
"""
