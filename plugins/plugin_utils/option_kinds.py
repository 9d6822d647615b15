# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What options of roles hold that end up in files of nginx and systemd, which would take them for something else."""

from __future__ import annotations

import re
import typing as t

from .clients import is_network
from .endpoints import DOMAIN
from .names import quoted
from .vrrp import is_shareable

Check = t.Callable[[str], bool]


class Kind(t.NamedTuple):
    """What an option can hold: how to tell, what it is called, and an example to follow."""

    check: Check
    called: str
    hint: str


def _matches(pattern: str) -> Check:
    """A check of the whole text."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: bool(compiled.fullmatch(text))


def _is_number(least: int, most: int) -> Check:
    """A check of digits, with the limits that they are read with."""
    return lambda text: bool(re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII)) and least <= int(text) <= most


def _is_calendar(text: str) -> bool:
    """Whether it has the form of systemd.time(7)'s calendar events, and no number that no calendar has."""
    event = text.rpartition(" ")[0] if ZONE.search(text) else text
    if SHORTHAND.fullmatch(event):
        return True
    found = CALENDAR.fullmatch(event)
    return bool(found and event and all(_are_within(found[name] or "", *LIMITS[name]) for name in LIMITS))


def _are_within(parts: str, least: int, most: int) -> bool:
    """Whether numbers and ranges of a calendar event are some that there are, none backwards, each repeated by one."""
    for part in filter(None, parts.split(",")):
        numbers, _slash, step = part.partition("/")
        first, _dots, last = numbers.partition("..")
        if step and not 1 <= int(step) <= most:
            return False
        if first != "*" and not least <= int(first) <= int(last or first) <= most:
            return False
    return True


def _is_memory(text: str) -> bool:
    """Whether systemd takes it for a limit of memory; another one it leaves out without an end to the unit."""
    found = re.fullmatch(r"([1-9]\d{0,17})([KMGT%]?)|infinity", text, re.ASCII)
    if not found or not found[1]:
        return bool(found)
    amount, unit = int(found[1]), found[2]
    return amount <= 100 if unit == "%" else amount << 10 * "BKMGT".index(unit or "B") < 1 << 63


# No option of these kinds has so much in it.
LONGEST = 4096
PART = r"(?:\*|\d+(?:\.\.\d+)?)(?:/\d+)?"
PARTS = rf"{PART}(?:,{PART})*"
DAY = r"(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
CALENDAR = re.compile(
    rf"(?:{DAY}(?:(?:\.\.|-){DAY})?(?:,{DAY}(?:(?:\.\.|-){DAY})?)*,?(?: |$))?"
    rf"(?:(?:(?P<year>{PARTS})-)?(?P<month>{PARTS})[-~](?P<day>{PARTS})(?: |$))?"
    rf"(?:(?P<hour>{PARTS}):(?P<minute>{PARTS})(?::(?P<second>{PARTS}))?)?",
    re.ASCII | re.IGNORECASE,
)
SHORTHAND = re.compile(
    "minutely|hourly|daily|weekly|monthly|quarterly|semi-?annually|bi-?annually|yearly|annually|anually", re.IGNORECASE
)
ZONE = re.compile(r"\S (UTC|[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+)+)\Z", re.ASCII)
LIMITS = {"year": (1970, 2199), "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
UNITS = (
    "usec|us|µs|msec|ms|seconds|second|sec|s|minutes|minute|min|months|month|M|m|hours|hour|hr|h|days|day|d|weeks|week|w"
    "|years|year|y"
)
# Only the last number may have no unit: so there is one way to read it.
SPAN = rf"(?=.)(?:\d+(?:\.\d+)? *(?:{UNITS}) *)*(?:\d+(?:\.\d+)?)?"
# What a word in a file of nginx or systemd ends with, or begins anew with.
WORD = r"[A-Za-z0-9_.,:@+=~/-]+"
UNIT = r"[A-Za-z0-9:_.\\@%-]+\.(?:service|target|socket|path|timer)"

KINDS = {
    "port or 0": Kind(_is_number(0, 65535), "port", "give a number from 1 to 65535, or 0 for none"),
    "count": Kind(_is_number(1, 2**31 - 1), "number above 0", "give whole digits"),
    "count or 0": Kind(_is_number(0, 2**31 - 1), "number", "give whole digits, from 0 on"),
    "size": Kind(_matches(r"\d{1,12}[kKmMgG]?"), "size for nginx", "give one such as 16m or 10g, or 0 for any"),
    "network": Kind(is_network, "address or network", "give one such as 10.0.0.7, 10.1.0.0/16 or fd00::/8"),
    "path": Kind(
        lambda text: bool(re.fullmatch(rf"/{WORD}", text, re.ASCII)) and ".." not in text.split("/"),
        "absolute path",
        "give one of plain letters, such as /srv/mlflow, without spaces and quotes",
    ),
    # Where what reads it is told where it ends.
    "path with blanks": Kind(
        lambda text: bool(re.fullmatch(r"/[^\"'\\%$`]+", text)) and text.isprintable() and ".." not in text.split("/"),
        "absolute path",
        "give one without quotes, $ and %",
    ),
    "address with prefix": Kind(
        is_shareable, "address with the length of its prefix", "give one that no host has, such as 192.0.2.10/24"
    ),
    "virtual router": Kind(_is_number(1, 255), "number of a virtual router", "give one from 1 to 255"),
    "host name": Kind(
        lambda text: bool(DOMAIN.fullmatch(text)), "host name", "use one in lower case, such as mlflow.example.org"
    ),
    "URL": Kind(_matches(r"https?://[A-Za-z0-9.\[\]:-]+(/[!-~]*)?"), "URL", "begin it with https:// and a host"),
    "e-mail address": Kind(
        lambda text: bool(re.fullmatch(r"[^\s@<>,;\"'%]+@[^\s@<>,;\"'%]+", text)) and text.isprintable(),
        "e-mail address",
        "give one alone",
    ),
    "line": Kind(lambda text: text.isprintable(), "line of text", "leave line breaks and unseen characters out"),
    "calendar event": Kind(
        _is_calendar,
        "calendar event for systemd",
        "give one such as 'daily' or '*-*-* 02:00:00'; try it with systemd-analyze calendar",
    ),
    "time span": Kind(_matches(SPAN), "time span for systemd", "give one such as 30min, 2h or 1d"),
    "time limit": Kind(_matches(rf"{SPAN}|infinity"), "time span for systemd", "give one such as 2h, 1d or infinity"),
    "memory limit": Kind(_is_memory, "limit of memory for systemd", "give one such as 512M, 4G, 80% or infinity"),
    "unit or command": Kind(
        _matches(rf"{UNIT}|/[^\s\"'\\$;%][^\n\r]*"),
        "unit or command",
        "give a unit such as mail-root@%n.service, or a command that begins with /",
    ),
}


# What may be several; a list of all else would stand in a file as Python writes it.
LISTS = ("network",)


def option_problems(name: str, value: t.Any, kind: str) -> t.Iterator[str]:
    """A line for what is wrong with an option, or with each item of a list. Empty text is for what is not used."""
    known = KINDS[kind]
    for item in value if isinstance(value, (list, tuple)) and kind in LISTS else [value]:
        text = str(item)
        is_unused = text == "" and item is value
        is_text = not isinstance(item, (bool, list, tuple, dict, type(None)))
        if not is_unused and (not is_text or len(text) > LONGEST or not known.check(text)):
            yield f"{name}: {quoted(text)} is not a valid {known.called}; {known.hint}"
