# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The things of one kind, as a server lists them: by their names, and by what the server's grants call them."""

from __future__ import annotations

import typing as t
from functools import cached_property
from urllib.parse import quote

from ._client import Client, fitting
from ._errors import RequestRefused, TransportError
from ._shapes import LONGEST, Maybe, Shape

# A thousand things each.
PAGES = 1000
PAGE = 1000

# What MLflow says where a part of it, such as its gateway, is switched off.
SWITCHED_OFF = "NOT_IMPLEMENTED"

Facts = t.Dict[str, t.Any]


class Origin(t.NamedTuple):
    """When a thing was made, in milliseconds, and by whom, as far as it says so itself."""

    at: int | None = None
    by: str | None = None


def unknown(_thing: Facts) -> Origin:
    """Where a kind of thing says neither."""
    return Origin()


class Listing(t.NamedTuple):
    """How the server tells what there is of a kind."""

    # Where they are listed, what the list is called, and what is read of each.
    path: str
    items: str
    shape: Shape
    # What of it is the name, and what the key of grants.
    name: str
    key: str
    # Where one is asked for, and as what its key is given; without a word the path ends with it.
    one: str
    by: str = ""
    # What is kept of each.
    facts: t.Callable[[Facts], Facts] = dict
    query: t.Mapping[str, str] = {}
    paged: bool = True
    origin: t.Callable[[Facts], Origin] = unknown


def pages(
    client: Client, path: str, items: str, shape: Shape, paged: bool = True, **query: object
) -> t.Iterator[Facts]:
    """All entries of a list of the server's, which may come in parts."""
    page = {items: Maybe([shape]), "next_page_token": Maybe(str)}
    if paged:
        query["max_results"] = PAGE
    entries = 0
    for _number in range(PAGES):
        answer = fitting(client.get(path, **query), page)
        entries += len(answer[items] or [])
        if entries > LONGEST:
            raise TransportError(f"GET {path}: {client.tracking_uri} lists over {LONGEST}; is it an MLflow server?")
        yield from answer[items] or []
        if not answer.get("next_page_token"):
            return
        query["page_token"] = answer["next_page_token"]
    raise TransportError(f"GET {path}: {client.tracking_uri} has no end of pages; is it an MLflow server?")


class Things:
    """All of one kind. Nothing is asked before it is needed."""

    def __init__(self, client: Client, listing: Listing, kinds: t.Mapping[str, Things]) -> None:
        """C(kinds) has the things of all kinds, by their words."""
        self._client = client
        self._listing = listing
        self._kinds = kinds
        self._by_name: dict[str, Facts] | None = None
        self._names: dict[str, str] = {}
        self._gone: dict[str, bool] = {}
        self._origins: dict[str, Origin] = {}
        # Why the server does not tell what there is.
        self.refusal: RequestRefused | None = None

    @property
    def by_name(self) -> dict[str, Facts]:
        """The facts of each; none where the server does not tell, for which there is a C(refusal)."""
        if self._by_name is None:
            try:
                found = list(self._list())
            except RequestRefused as refusal:
                if refusal.error_code != SWITCHED_OFF:
                    raise
                self.refusal, found = refusal, []
            return self.put(found)
        return self._by_name

    def put(self, found: t.Iterable[Facts]) -> dict[str, Facts]:
        """Take these for all there are."""
        self._by_name = {}
        for facts in found:
            self.add(facts)
        return self._by_name

    def add(self, facts: Facts) -> None:
        """Take note of one more."""
        name = facts[self._listing.name]
        self.by_name[name] = facts
        self._names[facts[self._listing.key]] = name

    def rename(self, old: str, new: str) -> None:
        """Plan on as if one had its new name already."""
        former = self.by_name.pop(old)
        facts = {**former, self._listing.name: new}
        self.add(facts)
        key = former[self._listing.key]
        if key != facts[self._listing.key]:
            del self._names[key]
            self._gone[key] = True

    def name(self, key: str) -> str | None:
        """What people call it; None where it is not listed."""
        return self._names.get(key) if self.by_name else None

    def key(self, name: str) -> str:
        """What grants call one that is there."""
        # What an earlier step made is not listed yet.
        return name if self._listing.key == self._listing.name else str(self.by_name[name][self._listing.key])

    def origin(self, name: str) -> Origin:
        """What one that is listed says of where it comes from."""
        return self._origins.get(self.key(name), Origin())

    def exists(self, name: str) -> bool:
        """Whether something can be granted on it."""
        return name in self.by_name

    def is_gone(self, key: str) -> bool:
        """Whether the server says of this one thing that it is not there."""
        if key not in self._gone:
            self._gone[key] = not self.refusal and self._look_for(key)
        return self._gone[key]

    def _list(self, **query: str) -> t.Iterable[Facts]:
        path, items, shape = self._listing.path, self._listing.items, self._listing.shape
        found = pages(self._client, path, items, shape, paged=self._listing.paged, **self._listing.query, **query)
        return map(self._noted, found)

    def _noted(self, thing: Facts) -> Facts:
        """What is kept of one; apart from it, where it comes from."""
        facts = self._listing.facts(thing)
        self._origins[facts[self._listing.key]] = self._listing.origin(thing)
        return facts

    def _look_for(self, key: str) -> bool:
        path, query = self._one(key)
        try:
            return self._client.find(path, **query) is None
        except RequestRefused:
            # It did not say so.
            return False

    def _one(self, key: str) -> tuple[str, dict[str, str]]:
        """Where one is asked for, and how."""
        listing = self._listing
        return (listing.one, {listing.by: key}) if listing.by else (f"{listing.one}/{quote(key, safe='')}", {})


class Experiments(Things):
    """Deleted ones are listed too, since their names stay taken."""

    def exists(self, name: str) -> bool:
        """Deleted experiments cannot be worked with."""
        return bool(self.by_name.get(name, {}).get("lifecycle_stage") == "active")


class Used(Things):
    """Those that something else uses are known from there, which spares a request where all are used."""

    @cached_property
    def _used(self) -> dict[str, str]:
        """Their names by their keys."""
        raise NotImplementedError

    def name(self, key: str) -> str | None:
        return self._used.get(key) or super().name(key)

    def key(self, name: str) -> str:
        return next((key for key, found in self._used.items() if found == name), "") or super().key(name)

    def exists(self, name: str) -> bool:
        return name in self._used.values() or super().exists(name)


def mappings_of(endpoint: Facts) -> list[Facts]:
    """How an endpoint of the gateway leads to models, as far as the server tells which."""
    return [mapping for mapping in endpoint.get("model_mappings") or [] if mapping["model_definition"]]


class Definitions(Used):
    """Models of the gateway that endpoints use."""

    @cached_property
    def of_endpoints(self) -> list[Facts]:
        """As the endpoints tell them."""
        endpoints = self._kinds["gateway_endpoint"].by_name.values()
        return [mapping["model_definition"] for endpoint in endpoints for mapping in mappings_of(endpoint)]

    @cached_property
    def _used(self) -> dict[str, str]:
        return {
            model["model_definition_id"]: model["name"] for model in self.of_endpoints if model["model_definition_id"]
        }


class Secrets(Used):
    """Secrets of the gateway that models of endpoints use."""

    @cached_property
    def _used(self) -> dict[str, str]:
        models = t.cast(Definitions, self._kinds["gateway_model_definition"]).of_endpoints
        return {
            model["secret_id"]: model["secret_name"] for model in models if model["secret_id"] and model["secret_name"]
        }
