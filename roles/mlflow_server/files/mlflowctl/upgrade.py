"""Brings teams of this host to other versions of MLflow, each with a way back until its first client is let in.

Arguments: the directory of the environments, how many teams at once, and JSON of the wanted version by team. Prints
{"upgraded": {team: what was done}, "failures": {team: why not, in a line}}. After a failure no further upgrade is
begun; teams that there is nothing to do for, new ones above all, wait for nobody.
A database that is a file is migrated in a copy, since a migration that is killed cannot be repeated there; another
one is put back from a dump.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlflowctl import causes, commands, databases, redaction
from mlflowctl import settings as handed_over
from mlflowctl import team as teams
from mlflowctl.errors import ODD, Problem
from mlflowctl.files import sync
from mlflowctl.in_mlflow import old_keys
from mlflowctl.program import IN_MLFLOW, PROGRAM, last_answer, lasting
from mlflowctl.team import Team
from mlflowctl.transaction import Change, NotStartedError, workshop

TOOL = [*PROGRAM, "database"]
COPY, FORMER = ".upgrading", ".before_upgrade"
# Of what a database takes, for a copy that grows while it is migrated; and bytes beside that.
ROOM, LEAST = 2, 64 * 1024**2
# From here on a server can be told that somebody may not do something.
DENY_SINCE = (3, 17)
# A look takes a moment, and a minute on a host that is very busy. What is beyond this does not answer at all.
LOOK_SECONDS = 300
CONNECT_SECONDS = "20"
# A team cannot be without its server for longer than this.
MIGRATE_SECONDS = 12 * 3600


# Whatever a team's databases may say instead of what was asked: the others' upgrades go on.
FAILURES = (Problem, OSError, *ODD)
# Says whether an upgrade of another team has failed.
Held = Callable[[], bool]


class UpgradeError(Problem):
    """Which step failed, and why; due where there was an upgrade to do, so that it says something about others'."""

    due = False


class HeldBackError(Exception):
    """It was not begun, since that of another team failed."""


class Upgrade:
    """One team on its way to one version."""

    def __init__(self, team: Team, wanted: str, install_dir: Path, change: Change, held_back: Held) -> None:
        self.team, self.wanted, self.change, self.held_back = team, wanted, change, held_back
        self.environment = install_dir / wanted
        self.link = team.directory / "venv"
        self.former = os.path.basename(os.readlink(self.link))
        self.step = "check"
        # Whether there is something to do: until that is known, a failure says nothing about the upgrades of others.
        self.due = False

    def run(self) -> str | None:
        """Upgrade; return what was done, None where there was nothing to do."""
        found = self.look()
        older = [name for name, schema in found.items() if schema["state"] == "older"]
        self.refuse_downgrade(found)
        self.refuse_other_keys(found)
        if self.former == self.wanted and not older:
            return None
        if self.held_back():
            raise HeldBackError
        self.due = True
        self.refuse_before_leader(older)
        self.check(found, older)
        self.step = "stop"
        self.change.stop_server()
        if older:
            self.change.take_databases()
        self.step = "snapshot"
        self.prepare(older)
        self.step = "migrate"
        carried = self.migrate(older)
        self.step = "switch"
        self.switch(older)
        self.step = "start"
        self.try_out(found)
        self.change.commit()
        schemas = ", ".join(f"{name} from {found[name]['revision']} to {found[name]['head']}" for name in older)
        done = f"{self.former} -> {self.wanted}, " + (f"migrated: {schemas}" if older else "the same schemas")
        return done + carried

    def targets(self) -> dict[str, dict[str, Any]]:
        """The databases by what they are for; one may be for both."""
        return databases.by_purpose(self.team.databases)

    def ask(self, do: str, uris: dict[str, str], registry: str | None) -> dict[str, Any]:
        """Let the wanted MLflow look at databases or migrate them, where the models are in a registry."""
        python, own = str(self.environment / "bin" / "python"), settings(self.team)
        environment = {"PGCONNECT_TIMEOUT": CONNECT_SECONDS, **own, "PYTHONWARNINGS": "ignore"}
        environment["PATH"] = os.environ["PATH"]
        seconds = LOOK_SECONDS if do == "look" else MIGRATE_SECONDS
        try:
            done = self.change.run(
                [python, "-Es", str(IN_MLFLOW), "migrate"],
                seconds,
                input=json.dumps({"do": do, "databases": uris, "registry": registry}),
                env=environment,
                cwd=self.team.state_dir if os.path.isdir(self.team.state_dir) else "/",
                # Several teams are looked at side by side.
                memory=commands.ASK_MEMORY if do == "look" else commands.WORK_MEMORY,
            )
        except commands.LateError:
            raise UpgradeError(f"no answer within {seconds} s") from None
        answer = last_answer(done.stdout)
        if done.returncode != 0:
            self.note(done.stderr)
            ended = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else None
            raise UpgradeError(answer.get("cause") or ended or causes.cause(done.stderr))
        return answer

    def note(self, text: str) -> None:
        """Put into the journal what is too long to be shown."""
        causes.note(self.team.server, redaction.hidden(text, secrets(self.team)))

    def look(self) -> dict[str, Any]:
        """How the databases and the wanted version differ."""
        there = {name: it["uri"] for name, it in self.targets().items() if not it["file"] or os.path.exists(it["file"])}
        try:
            return self.ask("look", there, there.get("tracking")) if there else {}
        except UpgradeError as error:
            raise UpgradeError(f"the databases cannot be read: {error}") from None

    def refuse_downgrade(self, found: dict[str, Any]) -> None:
        """Refuse what MLflow cannot do."""
        newer = [name for name, schema in found.items() if schema["state"] == "newer"]
        if newer or release(self.wanted) < release(self.former):
            reason = f"the {' and '.join(newer)} database is of a newer MLflow" if newer else f"it runs {self.former}"
            raise UpgradeError(
                f"{self.wanted} would be a downgrade, since {reason}; MLflow has none. Put the version back, "
                "or restore a backup from before into it"
            )

    def refuse_other_keys(self, found: dict[str, Any]) -> None:
        """Refuse to serve for the first time what was encrypted with the keys of another server."""
        if (self.team.directory / "admin_password").exists():
            return
        locked = found.get("tracking", {}).get("locked", {})
        wrong = old_keys.problem(self.team.directory, settings(self.team), locked) if found else None
        if wrong:
            raise UpgradeError(wrong)

    def refuse_before_leader(self, older: list[str]) -> None:
        """Refuse to migrate what is for another replica to migrate."""
        if older and not self.team.leads:
            raise UpgradeError(
                f"the {' and '.join(older)} database is of an older MLflow, and {self.team.leader}, which leads this "
                "team, has not migrated it; upgrade that host first"
            )

    def check(self, found: dict[str, Any], older: list[str]) -> None:
        """Refuse what cannot go well, before anything is touched."""
        denied = [denial for schema in found.values() for denial in schema["denials"]]
        if denied and release(self.wanted)[:2] < DENY_SINCE and self.team.default_permission != "NO_PERMISSIONS":
            names = ", ".join(sorted({denial["username"] for denial in denied}))
            raise UpgradeError(
                f"{names}: NO_PERMISSIONS on single things would be lost, and default_permission "
                f"{self.team.default_permission} hold instead; upgrade to 3.17 or later, which can deny"
            )
        for database in self.changing(older):
            databases.refuse_unknown(database)
            databases.refuse_missing_tools(database)
            databases.refuse_hangers_on(self.team, database)
            place = Path(database["file"]).parent if database["file"] else workshop(self.team)
            needed, free = ROOM * databases.size(self.team, database) + LEAST, shutil.disk_usage(place).free
            if free < needed:
                raise UpgradeError(f"{place} has {free >> 20} MiB free, and {needed >> 20} MiB are needed")

    def changing(self, older: list[str]) -> list[dict[str, Any]]:
        """The databases that are to be migrated, each once."""
        found = self.targets()
        return [it for it in self.team.databases if it in [found[name] for name in older]]

    def prepare(self, older: list[str]) -> None:
        """Note how all of it is undone, then copy what is to be migrated."""
        # The journal may be on another file system than the link: without the sync it could be forgotten first.
        undoing: list[tuple[bool, list[str]]] = [
            (False, ["ln", "-sfnT", os.readlink(self.link), str(self.link)]),
            (False, ["sync", str(self.link.parent)]),
        ]
        copies, tool = [], [*lasting(), "database"]
        for database in self.changing(older):
            file, dump = database["file"], workshop(self.team) / f"{database['name']}{databases.suffix(database)}"
            # What is left of an upgrade long ago must not be taken for this one's.
            self.must(["remove", *([file + FORMER, file + COPY] if file else [str(dump)])])
            # Nor may it come back by a power cut, where the journal of this one is on another file system.
            self.synced(Path(file or dump).parent)
            if file:
                undoing += [(True, [*tool, "put_back", file + FORMER, file]), (True, [*tool, "remove", file + COPY])]
            else:
                undoing.append((False, [*tool, "undo", self.team.name, database["name"], str(dump)]))
            copies.append((database, Path(file + COPY) if file else dump))
        self.change.begin(undoing)
        for database, copy in copies:
            databases.copy(self.team, database, copy)
            if database["file"]:
                self.must(["check_sqlite", str(copy)], databases.seconds_to_read(copy))
            else:
                # Without its dump, a database that is half migrated would count as one that was never begun.
                self.synced(copy.parent)

    def migrate(self, older: list[str]) -> str:
        """Bring the copies, and what is no file, to the wanted version's schemas; return what else is to be said."""
        if not older:
            return ""
        targets = self.targets()
        uris = {name: moved(it["uri"], it["file"], COPY) for name, it in targets.items() if name in older}
        tracking = targets["tracking"]
        there = not tracking["file"] or os.path.exists(tracking["file"])
        after = self.ask("migrate", uris, uris.get("tracking") or (tracking["uri"] if there else None))
        behind = [name for name, schema in after.items() if schema["state"] != "same"]
        if behind:
            raise UpgradeError(f"the {' and '.join(behind)} database is not at its schema after the migration")
        return carried_over(after.get("auth", {}).get("prompts"))

    def switch(self, older: list[str]) -> None:
        """Put the migrated copies and the wanted version in their places."""
        for database in self.changing(older):
            if database["file"]:
                self.must(["swap", database["file"] + COPY, database["file"], database["file"] + FORMER])
        commands.printed(["ln", "-sfnT", str(self.environment), str(self.link)], UpgradeError)
        sync(str(self.link.parent))

    def try_out(self, found: dict[str, Any]) -> None:
        """Start the wanted version, and see that it works."""
        denied = [denial for schema in found.values() for denial in schema["denials"]]
        if release(self.wanted)[:2] < DENY_SINCE:
            denied = []
        began = int(time.time())
        try:
            self.change.try_out("verify", json.dumps(denied))
        except NotStartedError:
            raise UpgradeError(f"the server did not start: {causes.cause(self.said_since(began))}") from None

    def said_since(self, moment: int) -> str:
        """What the server itself has put into the journal."""
        try:
            return causes.last_words(f"_SYSTEMD_UNIT={self.team.server}", f"--since=@{moment}")
        except commands.LateError as error:
            return str(error)

    def must(self, words: list[str], seconds: int = databases.COPY_SECONDS) -> None:
        """Do something to files of the team's, as its account."""
        done = self.change.run([*TOOL, *words], seconds)
        if done.returncode != 0:
            raise UpgradeError(causes.cause(done.stderr))

    def synced(self, directory: Path) -> None:
        """Have on the disk what was done in a directory of the team's, as its account."""
        done = self.change.run(["sync", str(directory)], databases.COPY_SECONDS)
        if done.returncode != 0:
            raise UpgradeError(causes.cause(done.stderr))


def carried_over(prompts: dict[str, Any] | None) -> str:
    """What was done to grants on prompts that MLflow's migration left behind, in words."""
    if not prompts or not (prompts["moved"] or prompts["left"]):
        return ""
    said = f"; grants on prompts carried over: {prompts['moved']}"
    left = [causes.shown(grant) for grant in prompts["left"]]
    return said + (f"; left, since there are such on prompts already: {', '.join(left)}" if left else "")


def moved(uri: str, file: str | None, ending: str) -> str:
    """The URI of the file beside a SQLite file; the same one for another database."""
    if not file:
        return uri
    driver, query = uri.partition(":///")[0], uri.partition("?")[2]
    return f"{driver}:///{file}{ending}" + (f"?{query}" if query else "")


def settings(team: Team) -> dict[str, str]:
    """The server's own settings, as systemd would give them to it."""
    return handed_over.read(team)


def secrets(team: Team) -> set[str]:
    """What must not be shown of a team, whoever prints it."""
    own = settings(team)
    found = {value for name, value in own.items() if redaction.SECRET_NAME.search(name)}
    return found.union(*(redaction.secrets_in(uri) for uri in [*(it["uri"] for it in team.databases), *own.values()]))


def release(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare."""
    return tuple(int(part) for part in version.partition("rc")[0].split("."))


def upgrade(name: str, wanted: str, install_dir: Path, held_back: Held = lambda: False) -> str | None:
    """Upgrade one team; raise UpgradeError with the step that failed, in a line."""
    try:
        team = teams.load(name)
    except (Problem, OSError, TypeError, ValueError) as error:
        raise UpgradeError(f"what the role wrote down of the team cannot be read: {causes.shown(str(error))}") from None
    going = None
    try:
        with Change(team, f"upgrade to {wanted}") as change:
            going = Upgrade(team, wanted, install_dir, change, held_back)
            return going.run()
    except FAILURES as error:
        step = going.step if going else "begin"
        outcome = "so nothing was changed" if step in ("begin", "check") else "and was undone"
        known = secrets_of(team)
        said = str(error) if isinstance(error, UpgradeError) else traceback.format_exc()
        causes.note(team.server, redaction.hidden(said, known))
        why = causes.shown(redaction.hidden(str(error), known))
        problem = UpgradeError(
            f"upgrade to {wanted} failed at step '{step}', {outcome}: {why} ({causes.where(team.server, 'more:')})"
        )
        problem.due = bool(going and going.due)
        raise problem from None


def secrets_of(team: Team) -> set[str]:
    """The same, where its settings cannot be read either."""
    try:
        return secrets(team)
    except (OSError, ValueError):
        return set()


def upgrade_all(wanted: dict[str, str], install_dir: Path, batch: int) -> dict[str, dict[str, str]]:
    """Upgrade a few at once; begin no further upgrade after one that failed."""
    upgraded: dict[str, str] = {}
    failures: dict[str, str] = {}
    failed = threading.Event()

    def work(item: tuple[str, str]) -> None:
        name, version = item
        try:
            done = upgrade(name, version, install_dir, failed.is_set)
        except HeldBackError:
            failures[name] = f"its upgrade to {version} was not begun, since that of another team failed"
        except UpgradeError as error:
            if error.due:
                failed.set()
            failures[name] = str(error)
        else:
            if done:
                upgraded[name] = done

    with ThreadPoolExecutor(batch) as pool:
        list(pool.map(work, wanted.items()))
    return {"upgraded": upgraded, "failures": failures}


def main(install_dir: str, batch: str, wanted: str) -> None:
    """Upgrade, and say of each what it came to."""
    result = upgrade_all(json.loads(wanted), Path(install_dir), int(batch))
    # Who asked may be gone by now.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(result), flush=True)
