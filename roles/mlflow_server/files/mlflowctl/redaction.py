"""Hides what must not be shown of a text that others have printed: passwords, wherever they stand and however spelt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, unquote_plus

# What stands between a user's name and the host in a URI. A password may have any character in it, @ and / too.
IN_URI = re.compile(r"://([^:/@\s'\"]*):")
# Who logs in, with whatever: all that stands before the host.
LOG_IN = re.compile(r"://[^/?#\s]*@")
# As connection strings of several kinds and variables of the environment say it, which put words of their own before.
IN_PAIR = re.compile(
    r"(?i)(password|passwd|pwd|passphrase|secret|token|(?:access|account|api)[_-]?key)(['\"]?\s*[=:]\s*)"
    r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s,;&]+)"
)
# As HTTP says who asks.
IN_HEADER = re.compile(r"(?i)\b(authorization['\"]?\s*[=:]\s*['\"]?[a-z]+)\s+[^\s,'\"]+")
SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token|key|credential")
# A shorter one would blot out half of the text that it happens to be in.
SHORTEST = 4


def secrets_in(uri: str) -> set[str]:
    """The passwords that a URI may have in it, as they stand there and decoded, however its reader takes it apart."""
    rest = uri.partition("://")[2]
    found = set()
    for position in (it.start() for it in re.finditer("@", rest)):
        found.add(rest[:position].partition(":")[2])
    for name, value in parse_qsl(rest.partition("?")[2]):
        if SECRET_NAME.search(name):
            found.add(value)
        elif "=" in value:
            # A connection string within the URI.
            found |= {pair[3].strip("'\"") for pair in IN_PAIR.finditer(value)}
    return found


def spellings(secrets: Iterable[str]) -> list[str]:
    """Every way in which they may be printed, the longest first, since one may be within another."""
    found = set()
    for secret in secrets:
        # A reader may stop at the first @, and take what follows for the host.
        for each in {secret, *secret.split("@")}:
            found |= {each, unquote(each), unquote_plus(each), repr(each)[1:-1], repr(unquote(each))[1:-1]}
    return sorted((it for it in found if len(it) >= SHORTEST), key=len, reverse=True)


def hidden(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without passwords: those that are known, and whatever stands where one does."""
    for secret in spellings(secrets):
        text = text.replace(secret, "***")
    return IN_HEADER.sub(r"\1 ***", IN_PAIR.sub(r"\1\2***", re.sub(r"\S+", without_log_in, text)))


def without_log_in(word: re.Match[str]) -> str:
    """A word without the password of a URI in it, which its last @ may end; however long it is, it is read once."""
    before, at, after = word[0].rpartition("@")
    begins = IN_URI.search(before) if at else None
    return f"{before[: begins.start()]}://{begins[1]}:***@{after}" if begins else word[0]


def address(uri: str) -> str:
    """A URI without who logs in there: to some stores a user's name alone is a word to log in with."""
    return LOG_IN.sub("://***@", uri)
