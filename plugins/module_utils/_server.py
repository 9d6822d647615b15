# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server holds, as people speak of it: grants by names instead of ids."""

from __future__ import annotations

import typing as t

from ._client import Client
from ._dialect import Access, Dialect, Grant, Holder, Resource, can, require
from ._dialect_permissions import PermissionDialect
from ._dialect_roles import RoleDialect
from ._kinds import KINDS
from ._resources import Directory


class StaleGrant(t.NamedTuple):
    """A grant that has outlived what it was on. On SQLite its id may come to mean something else."""

    holder: Holder
    resource: Resource
    grant: Grant


class Server:
    """One observation of a server. Each part is read when it is first asked for."""

    def __init__(self, client: Client, names: t.Iterable[str] = ()) -> None:
        """C(names) are the users to ask about where the server cannot list them."""
        self.client = client
        self.dialect: Dialect = RoleDialect(client) if can(client, "roles alone") else PermissionDialect(client)
        self._names = names
        self._access: Access | None = None
        self._directory: Directory | None = None

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

    def grants(self, holder: Holder) -> dict[Resource, Grant]:
        """The holder's own grants with names as keys; empty for nobody.

        Without stale ones, and without those that the inventory has no word for: they are left alone.
        """
        named = (
            (self.directory.name(resource), resource, grant)
            for resource, grant in self._rows(holder).items()
            if resource.kind in KINDS
        )
        return {Resource(resource.kind, name): grant for name, resource, grant in named if name is not None}

    def rename(self, kind: str, old: str, new: str) -> None:
        """Plan on as if a thing had its new name: users' grants on a model go with it, groups' do not."""
        self.directory.rename(kind, old, new)
        if kind == "registered_model":
            for user in self.access.users.values():
                grant = user.grants.pop(Resource(kind, old), None)
                if grant:
                    user.grants[Resource(kind, new)] = grant

    def stale_grants(self) -> list[StaleGrant]:
        return [
            StaleGrant(holder, resource, grant)
            for holder in self.holders()
            for resource, grant in self._rows(holder).items()
            if self.directory.is_gone(resource)
        ]

    def unmanaged_grants(self) -> list[tuple[Holder, Resource, Grant]]:
        """Those that the inventory has no word for, such as those on prompts."""
        return [
            (holder, resource, grant)
            for holder in self.holders()
            for resource, grant in self._rows(holder).items()
            if resource.kind not in KINDS
            or (self.directory.name(resource) is None and not self.directory.is_gone(resource))
        ]

    def creators(self) -> set[int]:
        """Rows of grants that MLflow gave to whoever created a thing.

        MLflow does not say so; it is the first row on the thing, a user's own, and MANAGE.
        """
        first: dict[Resource, tuple[int, str, str]] = {}
        for holder in self.holders():
            for resource, grant in self._rows(holder).items():
                if grant.row is not None:
                    row = (grant.row, grant.level, holder.kind)
                    first[resource] = min(first.get(resource, row), row)
        return {row for row, level, kind in first.values() if (level, kind) == ("MANAGE", "user")}

    def _rows(self, holder: Holder) -> dict[Resource, Grant]:
        known: t.Mapping[str, t.Any] = self.access.users if holder.kind == "user" else self.access.groups
        return known[holder.name].grants if holder.name in known else {}
