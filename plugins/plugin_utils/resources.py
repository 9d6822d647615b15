# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of its host a team's server may take, and how long it may do nothing or keep what was deleted."""

from __future__ import annotations

import re
import typing as t

from .genai import JOBS, NEVER, has_jobs
from .replicas import replicas_of

Team = t.Dict[str, t.Any]

TIME = re.compile(r"([1-9]\d*(s|min|h|d)?)( [1-9]\d*(s|min|h|d))*")
# As mlflow gc reads it.
AGE = re.compile(r"(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
UNLIMITED = "infinity"
AMOUNT = re.compile(rf"[1-9]\d{{0,18}}[KMGT]?|{UNLIMITED}")
# One worker without any work; with less it would be killed while it starts.
LEAST_MEMORY = 512 * 1024**2
# The same with the processes that wait for jobs; each job is another one.
LEAST_WITH_GENAI = 2 * 1024**3
# A database of MLflow's with nothing in it, and some room to work.
LEAST_DISK = 16 * 1024**2
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
# What each worker takes at least, and more than any host has of workers and of processes.
WORKER_MEMORY, MOST_WORKERS, MOST_TASKS = 200 * 1024**2, 256, 4194304
# systemd counts microseconds and bytes in 64 bits.
LONGEST = 10
# For how long a log-in is remembered, in seconds: by the only worker, which forgets it when the password changes,
# and by one of several, of this host or of others, which is not told.
ALONE, AMONG_SEVERAL = 60, 5


def resource_defaults(team: Team) -> Team:
    """C(sleeps), C(jobs), C(disk_max_bytes), and for how long log-ins are remembered unless the team says it."""
    remembered = team["auth_cache_ttl_seconds"]
    if remembered is None:
        remembered = ALONE if team["workers"] == 1 and not replicas_of(team) else AMONG_SEVERAL
    disk = team["disk_max"]
    return {
        "auth_cache_ttl_seconds": remembered,
        "sleeps": team["idle_timeout"] != NEVER,
        "jobs": has_jobs(team),
        "disk_max_bytes": _bytes(disk) if _is_amount(disk) and disk != UNLIMITED else None,
    }


def resource_problems(team: Team) -> t.Iterator[str]:
    """Words that systemd would not take, and limits that no server could live within."""
    timeout = team["idle_timeout"]
    if timeout != NEVER and (not TIME.fullmatch(timeout) or any(map(_is_long, re.findall(r"\d+", timeout)))):
        hint = f"use one like 30min, 2h or '1h 30min', seconds, or '{NEVER}'"
        yield f"idle_timeout: '{timeout}' is not a valid time; {hint}"
    if team["sleeps"] and team["jobs"] and not team["genai"]:
        yield f"idle_timeout: {JOBS} in environment lets MLflow work with nobody connected; use '{NEVER}'"
    age = team["gc_older_than"]
    if age != NEVER and (not AGE.fullmatch(age) or any(map(_is_long, re.findall(r"\d+", age)))):
        hint = f"use one like 30d, 12h or 1d12h, or '{NEVER}'"
        yield f"gc_older_than: '{age}' is not a valid time for mlflow gc; {hint}"
    yield from _memory_problems(team["memory_max"], team["workers"], bool(team["genai"]))
    yield from _disk_problems(team["disk_max"])
    yield from _number_problems(team)


def _memory_problems(memory: str, workers: int, genai: bool) -> t.Iterator[str]:
    if not _is_amount(memory):
        yield f"memory_max: '{memory}' is not a valid amount of memory; use one like 2G or 1500M, bytes, or 'infinity'"
    elif memory != UNLIMITED and _bytes(memory) < LEAST_MEMORY:
        yield f"memory_max: {memory} is too little for a server to start; {LEAST_MEMORY // 1024**2}M is the least"
    elif genai and memory != UNLIMITED and _bytes(memory) < LEAST_WITH_GENAI:
        least = f"{LEAST_WITH_GENAI // 1024**2}M"
        yield f"memory_max: {memory} is too little for what genai: true starts; {least} is the least"
    elif memory != UNLIMITED and 1 < workers <= MOST_WORKERS and _bytes(memory) < _needed(workers):
        least = f"{_needed(workers) // 1024**2}M"
        yield f"memory_max: {memory} is too little for {workers} workers to start; {least} is the least"


def _disk_problems(disk: str) -> t.Iterator[str]:
    if not _is_amount(disk):
        yield f"disk_max: '{disk}' is not a valid size; use one like 500G or 2T, bytes, or 'infinity'"
    elif disk != UNLIMITED and _bytes(disk) < LEAST_DISK:
        yield f"disk_max: {disk} is too little for a database; {LEAST_DISK // 1024**2}M is the least"


def _is_amount(text: str) -> bool:
    return bool(AMOUNT.fullmatch(text)) and (text == UNLIMITED or _bytes(text) < 2**63)


def _number_problems(team: Team) -> t.Iterator[str]:
    if not 1 <= team["cpu_weight"] <= 10000:
        yield f"cpu_weight: {team['cpu_weight']} is outside 1-10000; 100 is an ordinary share"
    if team["tasks_max"] < 128:
        yield f"tasks_max: {team['tasks_max']} is too little for a server to work; 128 is the least"
    elif team["tasks_max"] > MOST_TASKS:
        yield f"tasks_max: {team['tasks_max']} is more than a host can have; {MOST_TASKS} is the most"
    if team["workers"] < 1:
        yield f"workers: {team['workers']} is not a valid number of processes; 1 is the least"
    elif team["workers"] > MOST_WORKERS:
        yield f"workers: {team['workers']} is more than a host can start; {MOST_WORKERS} is the most"
    if not 0 <= team["auth_cache_ttl_seconds"] < 10**LONGEST:
        yield f"auth_cache_ttl_seconds: {team['auth_cache_ttl_seconds']} is not a valid time; 0 remembers no log-in"


def _needed(workers: int) -> int:
    return max(LEAST_MEMORY, workers * WORKER_MEMORY)


def _is_long(number: str) -> bool:
    return len(number) > LONGEST


def _bytes(amount: str) -> int:
    return int(amount.rstrip("KMGT")) * UNITS[amount.lstrip("0123456789")]
