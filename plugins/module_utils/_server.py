# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server holds, as people speak of it: grants by names instead of ids."""

from __future__ import annotations

import typing as t

from ._client import Client
from ._dialect import Access, Dialect, Grant, Holder, Resource, can, require, unsupported
from ._dialect_permissions import PermissionDialect
from ._dialect_roles import RoleDialect
from ._errors import InvalidRequest
from ._kinds import ALWAYS, EVERY, KINDS
from ._resources import Directory


class StaleGrant(t.NamedTuple):
    """A grant that has outlived what it was on. On SQLite its id may come to mean something else."""

    holder: Holder
    resource: Resource
    grant: Grant


class Server:
    """One observation of a server. Each part is read when it is first asked for."""

    def __init__(
        self, client: Client, names: t.Iterable[str] = (), stuck: t.Mapping[tuple[str, str], str] | None = None
    ) -> None:
        """C(names) are the users to ask about where the server cannot list them."""
        self.client = client
        self.dialect: Dialect = RoleDialect(client) if can(client, "roles alone") else PermissionDialect(client)
        self._names = names
        self._access: Access | None = None
        self._directory: Directory | None = None
        self._known: dict[tuple[str, str], bool] = {}
        # What of a declaration it keeps from being brought about, and why.
        self.refused: list[str] = []
        # What of it will not be there, so that nothing can be granted on it.
        self.unmade: set[Resource] = set()
        # Of that, what could only not be renamed, by the name that it was to have.
        self.former: dict[Resource, Resource] = {}
        # Declared things of which it has refused a step, and why.
        self.stuck: t.Mapping[tuple[str, str], str] = stuck or {}

    def can(self, feature: str) -> bool:
        """Whether its version has what is asked for."""
        return can(self.client, feature)

    def require(self, feature: str, what: str) -> None:
        """Raise the error that names the version needed for it."""
        require(self.client, feature, what)

    @property
    def access(self) -> Access:
        """Users and groups, their grants by the server's own keys."""
        if self._access is None:
            self._access = self.dialect.observe(self._names)
        return self._access

    @property
    def directory(self) -> Directory:
        """Experiments and registered models."""
        if self._directory is None:
            self._directory = Directory(self.client)
        return self._directory

    def holders(self) -> list[Holder]:
        """All users and groups."""
        return [Holder("user", name) for name in self.access.users] + [
            Holder("group", name) for name in self.access.groups
        ]

    def exists(self, holder: Holder) -> bool:
        return holder.name in (self.access.users if holder.kind == "user" else self.access.groups)

    def grants(self, holder: Holder, kinds: t.Container[str] = KINDS) -> dict[Resource, Grant]:
        """The holder's own grants on things of these kinds, with names as keys; empty for nobody.

        Without stale ones, and without those that the inventory has no word for: they are left alone.
        """
        named = ((self.named(resource, kinds), grant) for resource, grant in self.rows(holder).items())
        return {resource: grant for resource, grant in named if resource is not None}

    def named(self, resource: Resource, kinds: t.Container[str] = KINDS) -> Resource | None:
        """What grants call so, as people do; None where it is of no such kind, or in no list of the server's."""
        words = self.dialect.words(resource.kind)
        for word in words[:1] if resource.key == EVERY else words:
            name = self.directory.name(Resource(word, resource.key)) if word in kinds else None
            # Somebody may call a thing so, which is not all of them.
            if name is not None and (name != EVERY or resource.key == EVERY):
                return Resource(word, name)
        return None

    def knows(self, kind: str, holder: str) -> bool:
        """Whether it can grant a C(holder), a user or a group, something on things of a kind."""
        if kind in ALWAYS:
            return holder == "user" or self.can("groups")
        if not self._known:
            # What somebody has needs no question.
            rows = ((each.kind, resource.kind) for each in self.holders() for resource in self.rows(each))
            self._known.update({(kind, holder): True for holder, kind in rows})
        if (kind, holder) not in self._known:
            self._known[(kind, holder)] = self.dialect.knows(kind, holder)
        return self._known[(kind, holder)]

    def refuse_unknown(self, holder: Holder, resource: Resource, what: str) -> None:
        """Raise the error that names the version needed, where it cannot grant the holder anything on such things."""
        kind = KINDS[resource.kind]
        if not self.knows(resource.kind, holder.kind):
            raise unsupported(self.client, what, kind.since if holder.kind == "user" else kind.groups_since)
        if kind.filed_as and resource.key == EVERY:
            self.require("all prompts", what)

    def rename(self, kind: str, old: str, new: str) -> None:
        """Plan on as if a thing had its new name: users' grants on a model go with it, groups' do not."""
        self.directory.rename(kind, old, new)
        if kind == "registered_model":
            for user in self.access.users.values():
                grant = user.grants.pop(Resource(kind, old), None)
                if grant:
                    user.grants[Resource(kind, new)] = grant

    def leave(self, thing: Resource, why: str, rename_from: str | None = None) -> None:
        """Note that a declared thing will not be there."""
        self.refused.append(why)
        self.unmade.add(thing)
        if rename_from is not None and rename_from in self.directory.things(thing.kind):
            self.former[thing] = Resource(thing.kind, rename_from)

    def refuse_stuck(self, thing: Resource) -> None:
        """Raise where it has refused a step of this thing's."""
        if thing in self.stuck:
            raise InvalidRequest(self.stuck[thing])

    def possible(self, wanted: dict[Resource, str]) -> dict[Resource, str]:
        """The levels on what will be there. What could not be renamed has them under its former name."""
        there = {thing: level for thing, level in wanted.items() if thing not in self.unmade}
        return {**there, **{self.former[thing]: level for thing, level in wanted.items() if thing in self.former}}

    def stale_grants(self, kinds: t.Container[str] = KINDS) -> list[StaleGrant]:
        """Those on things of these kinds that have outlived them."""
        return [
            StaleGrant(holder, resource, grant)
            for holder in self.holders()
            for resource, grant in self.rows(holder).items()
            if resource.kind in kinds and self.is_gone(resource)
        ]

    def is_gone(self, resource: Resource) -> bool:
        """Whether the server says that what grants call so is not there."""
        return self.named(resource) is None and self.directory.is_gone(resource)

    def unmanaged_grants(self) -> list[tuple[Holder, Resource, Grant]]:
        """Those that the inventory has no word for, or whose names the server does not tell."""
        return [
            (holder, resource, grant)
            for holder in self.holders()
            for resource, grant in self.rows(holder).items()
            if self.named(resource) is None and not self.is_gone(resource)
        ]

    def creators(self) -> set[int]:
        """Rows of grants that MLflow gave to whoever created a thing."""
        return {row for row, _name in self.makers().values()}

    def makers(self) -> dict[Resource, tuple[int, str]]:
        """Who created a thing, by what the server's grants call it, with the row that says so.

        MLflow does not say so; it is the first row on the thing, a user's own, and MANAGE.
        """
        first: dict[Resource, tuple[int, str, Holder]] = {}
        for holder in self.holders():
            for resource, grant in self.rows(holder).items():
                # Nobody has made all of a kind.
                if grant.row is not None and resource.key != EVERY:
                    row = (grant.row, grant.level, holder)
                    first[resource] = min(first.get(resource, row), row)
        return {
            resource: (row, holder.name)
            for resource, (row, level, holder) in first.items()
            if (level, holder.kind) == ("MANAGE", "user")
        }

    def rows(self, holder: Holder) -> dict[Resource, Grant]:
        """The holder's own grants as the server has them."""
        known: t.Mapping[str, t.Any] = self.access.users if holder.kind == "user" else self.access.groups
        return known[holder.name].grants if holder.name in known else {}
