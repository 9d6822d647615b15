# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scorers, as a server lists them: each in its experiment."""

from __future__ import annotations

import typing as t
from urllib.parse import quote, unquote

from ._client import Client
from ._errors import RequestRefused
from ._listed import Facts, Listing, Things


class Scorers(Things):
    """A scorer belongs to an experiment, and is called by both names."""

    def __init__(self, client: Client, listing: Listing, kinds: t.Mapping[str, Things]) -> None:
        super().__init__(client, listing, kinds)
        self._in: dict[str, set[str]] | None = None
        self._at_once = True

    @property
    def by_name(self) -> dict[str, Facts]:
        """Where a server has no list of all, only those in experiments that were asked about."""
        self._keys_in("")
        keys = [key for found in (self._in or {}).values() for key in found]
        return {name: {"name": name, "key": key} for key in keys for name in [self.name(key)] if name}

    def put(self, found: t.Iterable[Facts]) -> dict[str, Facts]:
        self._in = {}
        for facts in found:
            number = facts["key"].partition("/")[0]
            self._in.setdefault(number, set()).add(facts["key"])
        return self.by_name

    def name(self, key: str) -> str | None:
        number, _slash, quoted = key.partition("/")
        experiment = self._kinds["experiment"].name(number)
        # Deleted experiments are listed, but not what is in them.
        listed = experiment is not None and key in self._keys_in(number)
        return f"{experiment}/{quoted}" if listed else None

    def key(self, name: str) -> str:
        experiment, _slash, quoted = name.rpartition("/")
        return f"{self._kinds['experiment'].key(experiment)}/{quoted}"

    def exists(self, name: str) -> bool:
        experiment, _slash, _quoted = name.rpartition("/")
        if not self._kinds["experiment"].exists(experiment):
            return False
        key = self.key(name)
        return key in self._keys_in(key.partition("/")[0])

    def _keys_in(self, number: str) -> set[str]:
        """Those in one experiment; in none, where there is a list of all."""
        if self._in is None:
            self._in = {}
            try:
                self.put(self._list())
            except RequestRefused as refusal:
                # Up to 3.12 there is one for each experiment.
                if refusal.status != 400:
                    raise
                self._at_once = False
        if not self._at_once and number and number not in self._in:
            self._in[number] = {facts["key"] for facts in self._list(experiment_id=number)}
        return self._in.get(number, set())

    def _look_for(self, key: str) -> bool:
        number = key.partition("/")[0]
        experiments = self._kinds["experiment"]
        name = experiments.name(number)
        if name is None:
            return experiments.is_gone(number)
        # MLflow tells nothing of what is in a deleted experiment, which may come back.
        return experiments.exists(name) and super()._look_for(key)

    def _one(self, key: str) -> tuple[str, dict[str, str]]:
        number, name = scorer_of(key)
        return self._listing.one, {"experiment_id": number, "name": name}


def scorer_key(number: object, name: str) -> str:
    """What grants call a scorer, as MLflow writes it from 3.13 on: its name may have slashes of its own."""
    return f"{number}/{quote(name, safe='')}"


def scorer_of(key: str) -> tuple[str, str]:
    """The experiment's number and the scorer's name."""
    number, _slash, quoted = key.partition("/")
    return number, unquote(quoted)
