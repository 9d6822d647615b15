# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and people wrote, for files that a program takes up again: Ansible, a spreadsheet, a browser."""

from __future__ import annotations

import csv
import io
import re
import typing as t
import unicodedata

import yaml
from ansible.errors import AnsibleError
from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import WORDS
from ansible_collections.mlops.mlflow.plugins.module_utils._text import is_plain, shown

# A spreadsheet takes what begins with one of these for a formula, some of them also after blanks and quotes.
FORMULA = frozenset("=+-@")
QUOTES = frozenset("'\"`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f«»")
# Where a comma is for decimals, a spreadsheet begins a new cell at a semicolon, wherever the quotes are.
NEXT_CELL = ";"
# What Markdown takes for more than a sign. In a table a backslash before it says that it is none.
MARKDOWN = re.compile(r"([\\`*_\[\]|~$!#])")
# An address is a link without any mark.
ADDRESS = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
TEMPLATE = re.compile("[{][{%#]")
# What is longer is no key to YAML, unless a question mark says so.
LONGEST_KEY = 1000
# Keys that the collection has; all others are users' names and tags.
OWN_KEYS = frozenset(
    [
        *(
            "name",
            "port",
            "admin_username",
            "default_permission",
            "users",
            "groups",
            "experiments",
            "registered_models",
        ),
        *("admin", "grants", "members", "description", "tags", "permission", *WORDS),
    ]
)
NAMED = {"\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def csv_cell(value: object) -> str:
    """A value as a cell that no spreadsheet calculates."""
    return NEXT_CELL.join(f"'{part}" if _is_formula(part) else part for part in shown(value).split(NEXT_CELL))


def _is_formula(text: str) -> bool:
    first = next((sign for sign in text if sign not in QUOTES and not sign.isspace()), "")
    # Wide and small variants of a sign are the same sign.
    return unicodedata.normalize("NFKC", first)[:1] in FORMULA


def csv_table(rows: t.Iterable[t.Iterable[object]]) -> str:
    """Rows as CSV, each value in quotes."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return file.getvalue()


def markdown(value: object) -> str:
    """A value as text that Markdown and HTML show as it is, in a table too."""
    text = shown(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return ADDRESS.sub(lambda sign: f"&#{ord(sign[0])};", MARKDOWN.sub(r"\\\1", text))


def unsafe_yaml(value: object, indent: int = 0) -> str:
    """A value as YAML in which Ansible takes no text for a template or for anything else, keys neither."""
    space = " " * indent
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        # Some versions of Ansible guess what an unsafe text means, quotes or not. What is not text then is no template.
        tag = "" if _means_more(value) and not TEMPLATE.search(value) else "!unsafe "
        return f'{tag}"{"".join(map(_yaml_character, value))}"'
    if isinstance(value, t.Mapping):
        lines = [f"{_key(key, space)}:{_below(inner, indent)}" for key, inner in value.items()]
    elif isinstance(value, (list, tuple)):
        lines = [f"{space}-{_below(inner, indent)}" for inner in value]
    else:
        raise AnsibleError(f"a {type(value).__name__} cannot be written into an inventory")
    return "\n".join(lines)


def _key(key: object, space: str) -> str:
    text = str(key) if key in OWN_KEYS else unsafe_yaml(str(key))
    return f"{space}{text}" if len(text) < LONGEST_KEY else f"{space}? {text}\n{space}"


def _below(value: object, indent: int) -> str:
    if isinstance(value, (t.Mapping, list, tuple)):
        return f"\n{unsafe_yaml(value, indent + 2)}" if value else (" {}" if isinstance(value, t.Mapping) else " []")
    return f" {unsafe_yaml(value)}"


def _means_more(text: str) -> bool:
    """Whether YAML takes it for a number, a date, a word of its own, once it stands without quotes."""
    found = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return bool(found != yaml.SafeLoader.DEFAULT_SCALAR_TAG)


def _yaml_character(character: str) -> str:
    if character in NAMED:
        return NAMED[character]
    number = ord(character)
    if 0xD800 <= number <= 0xDFFF:
        raise AnsibleError("a text has half of a character, which no file can keep")
    if is_plain(character) or character == " ":
        return character
    return f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"


def exported_inventory(
    declaration: dict[str, t.Any], team: str, port: int, admin_username: str, default_permission: str
) -> str:
    """The variable of one team as a file of an inventory. Only the admin's password is a template in it."""
    key = team.replace("-", "_")
    if not re.fullmatch("[a-z][a-z0-9_]*", key):
        raise AnsibleError(
            f"team: '{shown(team)}' is not a valid name of a team; use lower case letters, digits and dashes"
        )
    password = f'"{{{{ vault_mlflow_passwords.{key}.admin }}}}"'
    header = {"name": team, "port": port, "admin_username": admin_username, "default_permission": default_permission}
    body = unsafe_yaml({**header, **declaration}, 2)
    return f"mlflow_team_{key}:\n  admin_password: {password}\n{body}\n"


def inventory_templates(text: str) -> list[str]:
    """Lines of an exported inventory that have something of a template in them, but for the admin's password."""
    lines = text.split("\n")
    return [shown(line.strip()) for line in lines if TEMPLATE.search(line) and not _is_password(line)]


def _is_password(line: str) -> bool:
    return bool(re.fullmatch(r'  admin_password: "\{\{ vault_mlflow_passwords\.[a-z0-9_]+\.admin \}\}"', line))
