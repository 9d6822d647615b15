# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: team_files
short_description: The files that each team has on its host
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Tells M(mlops.mlflow.files) of the units and settings of each team, and which template each text comes from.
  - A team's own settings are read by nobody but its units.
options:
  _input:
    description: The teams, as R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns them.
    type: list
    elements: dict
    required: true
  places:
    description:
      - The directories V(config), for settings, each team's in one of its name; V(units) and V(runtime_units), of
        systemd; and V(environments), with an environment for each version of MLflow.
    type: dict
    required: true
  versions:
    description: Versions of MLflow that teams keep for now, by the names of those that are to have another one later.
    type: dict
    default: {}
  new:
    description: Names of the teams whose first server is about to be started.
    type: list
    elements: str
    default: []
  kept:
    description: Names of the teams whose admin's password is known to be the one that the host keeps.
    type: list
    elements: str
    default: []
  given:
    description: Names of the teams whose secrets come from another of their hosts, to replace what is there.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what the teams have here
  ansible.builtin.debug:
    msg: "{{ (query('mlops.mlflow.teams') | mlops.mlflow.team_files(places)).files | map(attribute='path') }}"
  vars:
    places:
      config: /etc/mlflow
      units: /etc/systemd/system
      runtime_units: /run/systemd/system
      environments: /opt/mlflow
"""

RETURN = r"""
_value:
  description:
    - V(files), as O(mlops.mlflow.files#module:files) takes them; V(texts) and V(secrets), a dictionary for each text
      with its V(path), its V(template) and the V(team) that it is about.
  type: dict
"""

import typing as t

File = t.Dict[str, t.Any]
# Parts of the configuration of each unit, as their templates are called.
PARTS = {
    "mlflow-listen@{}.socket": ["listen"],
    "mlflow-listen@{}.service": ["idle"],
    "mlflow@{}.service": ["network", "resources", "storage"],
}
SECRETS = ("basic_auth.ini", "environment", "secrets.env", "bootstrap.env", "team.json")


def directory(path: str, mode: str = "0755", **more: t.Any) -> File:
    return {"path": path, "state": "directory", "mode": mode, **more}


def absent(path: str) -> File:
    return {"path": path, "state": "absent"}


class Files:
    """Gathers the files, and where their texts come from."""

    def __init__(self, places: dict[str, str], new: t.Container[str], kept: t.Container[str], given: t.Container[str]):
        self.places, self.new, self.kept, self.given = places, new, kept, given
        self.files: list[File] = []
        self.texts: list[dict[str, t.Any]] = []
        self.secrets: list[dict[str, t.Any]] = []

    def text(self, team: dict[str, t.Any], path: str, template: str, wanted: t.Any = True, **more: t.Any) -> None:
        """Add a text that a template makes, or that is not to be there."""
        self.files.append({"path": path, **more} if wanted else absent(path))
        if wanted:
            self.texts.append({"path": path, "template": template, "team": team})

    def of_units(self, team: dict[str, t.Any]) -> None:
        """Add what is the team's own in the configuration of its units."""
        name, units = team["name"], self.places["units"]
        for unit, parts in PARTS.items():
            home = f"{units}/{unit.format(name)}.d"
            self.files.append(directory(home))
            for part in parts:
                self.text(team, f"{home}/{part}.conf", f"{part}.conf.j2")
        self.text(team, f"{units}/mlflow@{name}.service.d/replica.conf", "replica.conf.j2", team["replicas"])
        collects = team["gc_older_than"] != "never"
        home = f"{units}/mlflow-gc@{name}.service.d"
        if collects:
            self.files.append(directory(home))
        self.text(team, f"{home}/stores.conf", "gc_stores.conf.j2", collects)
        # Many new teams are not to be awake all at once until the run is over: see the handlers.
        home = f"{self.places['runtime_units']}/mlflow-listen@{name}.service.d"
        sleeps_soon = team["sleeps"] and name in self.new
        if sleeps_soon:
            self.files.append(directory(home))
        self.text(team, f"{home}/new.conf", "new.conf.j2", sleeps_soon)

    def of_settings(self, team: dict[str, t.Any]) -> None:
        """Add its settings, its secrets and the link to its version."""
        name = team["name"]
        home, account = f"{self.places['config']}/{name}", f"mlflow-{name}"
        for path in team["storage_dirs"]:
            self.files.append(directory(path, "0700", owner=account, group=account))
        self.files.append(directory(home, "0750", group=account))
        self.files.append(
            {"path": f"{home}/venv", "state": "link", "target": f"{self.places['environments']}/{team['version']}"}
        )
        # Before what the server reads: where a run is cut off in between, it says where the team's data are to be,
        # and move_stores goes on by that.
        self.files.append({"path": f"{home}/team.json", "mode": "0600"})
        self.files.append({"path": f"{home}/basic_auth.ini", "mode": "0640", "group": account})
        # It stays where it is no longer wanted, since a server that has not been started again yet reads it.
        if team["creator_names"] is not None:
            self.text(team, f"{home}/creators.json", "creators.json.j2", mode="0640", group=account)
        self.files.append({"path": f"{home}/environment", "mode": "0600"})
        self.files.append({"path": f"{home}/secrets.env", "mode": "0600", "force": name in self.given})
        if name in self.new and team["leads"]:
            self.files.append({"path": f"{home}/bootstrap.env", "mode": "0600"})
        elif name in self.kept:
            self.files.append(absent(f"{home}/bootstrap.env"))
            self.files.append({"path": f"{home}/admin_password", "mode": "0600", "force": False})
        self.secrets += [{"path": f"{home}/{each}", "template": f"{each}.j2", "team": team} for each in SECRETS]


def team_files(
    teams: list[dict[str, t.Any]],
    places: dict[str, str],
    versions: dict[str, str] | None = None,
    new: t.Sequence[str] = (),
    kept: t.Sequence[str] = (),
    given: t.Sequence[str] = (),
) -> dict[str, list[dict[str, t.Any]]]:
    found = Files(places, new, kept, given)
    for declared in teams:
        team = {**declared, "version": (versions or {}).get(declared["name"], declared["version"])}
        found.of_units(team)
        found.of_settings(team)
    return {"files": found.files, "texts": found.texts, "secrets": found.secrets}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"team_files": team_files}
