"""What went wrong, as one line that may be shown: its cause, without tracebacks and control characters."""

from __future__ import annotations

import contextlib
import re
import socket

from mlflowctl import commands, errors
from mlflowctl.in_mlflow.said import innermost

LONGEST_LINE = 400
TRACEBACK = "Traceback (most recent call last):"
FRAME = re.compile(r"\s|\^|\+|\|")
KIND = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)?: (?=\S)")
COMPLAINT = re.compile(r"(?i)\b(error|fatal|failed|denied|cannot|could not|unable|refused|full|killed)\b")
# What is longer is not taken at once.
LONGEST_NOTE = 60_000
JOURNAL = "/run/systemd/journal/socket"
# Of what a unit has said last. One message of a team's own code may have hundreds of megabytes.
LAST_LINES, LAST_BYTES = 500, 256 << 10
STORAGE = re.compile(r"(?mi)^\s*Storage\s*=\s*(\w+)")


def shown(text: str) -> str:
    """A text as one line that does nothing to a terminal, and is not too long to be read."""
    line = " ".join(text.split())
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE].rstrip()} …"
    return errors.shown(line)


def cause(text: str) -> str:
    """The line of a program's last words that says what went wrong."""
    lines = text.splitlines()
    if TRACEBACK in (line.strip() for line in lines):
        said = exception(lines)
    else:
        complaints = [line for line in lines if COMPLAINT.search(line)]
        said = (complaints or [line for line in lines if line.strip()] or ["it ended without output"])[
            0 if complaints else -1
        ]
    return shown(said)


def exception(lines: list[str]) -> str:
    """What the last traceback ends with."""
    begin = max(number for number, line in enumerate(lines) if line.strip() == TRACEBACK)
    rest = [line for line in lines[begin + 1 :] if line.strip()]
    while rest and FRAME.match(rest[0]):
        del rest[0]
    return innermost(KIND.sub("", "\n".join(rest[:20]))) or "it failed without output"


def journal_keeps() -> bool:
    """Whether this host's journal has what units say, as systemd reads its configuration: the last word counts."""
    with contextlib.suppress(OSError):
        command = ["systemd-analyze", "cat-config", "systemd/journald.conf"]
        return str((STORAGE.findall(commands.run(command).stdout) or ["auto"])[-1]).lower() != "none"
    return True


def last_words(*which: str) -> str:
    """Return the end of what the journal has of somebody, and no more than is to be read, however long one line is."""
    show = f'journalctl --lines={LAST_LINES} --no-pager --output=cat "$@" | tail --bytes={LAST_BYTES}'
    return commands.run(["sh", "-c", show, "journalctl", *which], commands.DO_SECONDS).stdout


def where(unit: str, word: str = "see") -> str:
    """Where all that a unit has said is to be read, or what is to be done so that it is the next time."""
    if journal_keeps():
        return f"{word} journalctl -u {unit}"
    return (
        "this host's journal keeps nothing: say Storage=auto in /etc/systemd/journald.conf, restart systemd-journald, "
        f"try again, and see journalctl -u {unit}"
    )


def note(unit: str, text: str) -> None:
    """Put into the journal, where a unit's lines are, what is too long to be shown."""
    fields = {
        "MESSAGE": text[-LONGEST_NOTE:],
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "mlflow-upgrade",
        "OBJECT_SYSTEMD_UNIT": unit,
    }
    entry = b""
    for name, value in fields.items():
        content = value.encode("utf-8", "replace")
        entry += name.encode() + b"\n" + len(content).to_bytes(8, "little") + content + b"\n"
    # Without a journal there is nowhere to put it.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.sendto(entry, JOURNAL)
