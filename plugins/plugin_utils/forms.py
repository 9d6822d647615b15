# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a declaration, before Ansible makes text of whatever stands where text is wanted."""

from __future__ import annotations

import datetime
import math
import re
import typing as t

from ..module_utils._secret_text import EMPTY, kind_of, secret_problem

Schema = t.Dict[str, t.Any]
# Names that a number would change, and texts that a page shows in a line.
TEXTS = ("name", "rename_from", "admin_username", "owner", "description")
ON_THE_PAGE = ("description", "owner")
# What ends a text, or turns the rest of a page around.
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Python counts to these for hours, or breaks off.
ENDLESS = re.compile(r"\s*[+-]?([0-9_.]*e[+-]?[0-9_]+|inf(inity)?|.{20,})\s*", re.IGNORECASE | re.DOTALL)
Problems = t.Iterator[str]


def shape_problems(declared: t.Any, schema: Schema, where: str = "") -> Problems:
    """Whatever stands where settings are wanted, on which Ansible would break off without naming it."""
    if not all(isinstance(key, str) for key in declared):
        yield f"{where.removesuffix(': ') or 'the team'}: has a key that is not text; put it in quotes"
    for name, option in schema.items():
        value = declared.get(name)
        if option["type"] == "int" and _is_endless(value):
            yield f"{where}{name}: is not a number that a setting can have; give whole digits"
        if option["no_log"] and isinstance(value, datetime.date):
            yield f"{where}{name}: {secret_problem(value)}"
        if "options" not in option or value is None:
            continue
        if option["type"] == "list" and not isinstance(value, (list, tuple)):
            yield f"{where}{name}: is {kind_of(value)}, where a list is wanted"
            continue
        for number, item in enumerate(value if option["type"] == "list" else [value], 1):
            place = f"{where}{name}: {_label(item, number, option)}"
            if isinstance(item, dict):
                yield from shape_problems(item, option["options"], place)
            else:
                yield f"{place.removesuffix(': ')}: is {kind_of(item)}, where a mapping is wanted"


def form_problems(declared: t.Any, schema: Schema, where: str = "") -> Problems:
    """Values of another kind than Ansible could make of them without a change, and secrets that are none."""
    for name, option in schema.items():
        if not isinstance(declared, dict) or name not in declared:
            continue
        value, place = declared[name], f"{where}{name}"
        if value is None and option.get("required"):
            yield f"{place}: is empty, and has to be given"
        elif value is None and option.get("default") is not None:
            # Ansible puts no default in its place, and nothing may be the opposite of what is meant.
            yield f"{place}: {EMPTY}"
        elif value is not None:
            yield from _value_problems(value, option, place)


def _value_problems(value: t.Any, option: Schema, place: str) -> Problems:
    if "options" in option:
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items, 1):
            yield from form_problems(item, option["options"], f"{place}: {_label(item, number, option)}")
    elif option["no_log"]:
        yield from _secret_problems(value, option, place)
    elif option["type"] == "str":
        yield from _text_problems(value, place)
    elif option["type"] == "int" and isinstance(value, bool):
        yield f"{place}: is {kind_of(value)}, where a number is wanted"
    elif option.get("elements") == "str":
        yield from _texts_problems(value, place)


def _texts_problems(value: t.Any, place: str) -> Problems:
    if isinstance(value, (bool, float)):
        yield f"{place}: is {kind_of(value)}, where a list is wanted"
    for number, item in enumerate(value if isinstance(value, list) else (), 1):
        if not isinstance(item, (str, int, float)) or isinstance(item, bool):
            yield f"{place}: number {number}: is {kind_of(item)}, where text is wanted"


def _text_problems(value: t.Any, place: str) -> Problems:
    # YAML has made another text of these than stands there: 1.10 is 1.1, and a time is one of another zone.
    changed = isinstance(value, (float, datetime.datetime)) and place.rpartition(": ")[2] in TEXTS
    if changed or isinstance(value, (dict, list, tuple, bool)):
        yield f"{place}: is {kind_of(value)}, where text is wanted{'; put it in quotes' if changed else ''}"
    elif place in ON_THE_PAGE and isinstance(value, str) and UNSEEN.search(value):
        yield f"{place}: has characters in it that nobody sees; leave them out"


def _is_endless(value: t.Any) -> bool:
    """Whether counting to it breaks off, or goes on for ever."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and bool(ENDLESS.fullmatch(value))


def _secret_problems(value: t.Any, option: Schema, place: str) -> Problems:
    """What is wrong with a secret, or with the parts of one."""
    if option["type"] == "dict" and not isinstance(value, dict):
        yield f"{place}: is {kind_of(value)}, where a mapping is wanted"
        return
    for key, part in value.items() if option["type"] == "dict" else [("", value)]:
        problem = secret_problem(part)
        if problem:
            yield f"{place}: {f'{key}: ' if key else ''}{problem}"


def _label(item: t.Any, number: int, option: Schema) -> str:
    if option["type"] != "list":
        return ""
    name = item.get("name") if isinstance(item, dict) else None
    return f"{name}: " if isinstance(name, str) and name else f"number {number}: "
