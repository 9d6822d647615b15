"""Moves a team from files of SQLite and a directory of artifacts to PostgreSQL and a store.

Arguments: what to do, a team, and a word that is another in each run of the playbook. A file of root's says with what
settings it is to go on: {"team": what team.json will say, "environment": the text of the file of its variables}. A run
that another has begun after does nothing more. What is there stays as it is, so that the way back is not to go there.

  look   refuses what cannot go well, and says what there is to do; nothing is changed
  claim  lets it be this run's, and no other's that was before
  mine   refuses where it is another's by now
  begin  copies artifacts while people go on working, so that the rest takes less time
  copy   copies all of it, and compares; the team's units are stopped by then
  keep   keeps the settings, which others are to be written over
  try    starts the server, which has the new settings by then, and sees that it works, while nobody is let in
  back   puts the settings back, and says whether there were any to put back
  undo   empties what was copied to, which no server has worked with
  done   forgets that it was under way
  end    removes what this run has said it is to go on with
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from mlflowctl import causes, commands, databases, environment_file, former_settings, paths, redaction, transaction
from mlflowctl import team as teams
from mlflowctl.databases import uris
from mlflowctl.errors import Problem
from mlflowctl.files import write_private
from mlflowctl.processes import wait_until_nobody_runs
from mlflowctl.program import IN_MLFLOW, PROGRAM, last_answer
from mlflowctl.team import Team
from mlflowctl.transaction import TRIED, Change, workshop

# For another run that copies artifacts still.
WAIT_SECONDS = 600
# Where clients are sent whose artifacts the server passes on: to itself.
SERVED = "mlflow-artifacts:/"
URIS = "backend_store_uri, auth_database_uri"
ARTIFACTS_NOTE = "artifacts.moved"


class MoveError(Problem):
    """Why it cannot be done."""


class NotBegunError(MoveError):
    """Why nothing was made in the databases: what is there is somebody else's."""


class Move:
    """One team, what it has, and what it is to have."""

    def __init__(self, team: Team, declared: dict[str, Any]) -> None:
        self.team = team
        self.declared = declared["team"]
        self.environment = environment_file.parse(declared["environment"])
        self.old = places_of(team.databases)
        self.new = places_of(self.declared["databases"])
        self.run: Callable[..., Any] = team.run
        # Not what a Change undoes: from the last row until the server has the new settings, it is over.
        self.note = paths.HERE.changes / f"{team.name}.moving"

    @property
    def moves_rows(self) -> bool:
        """Whether databases go."""
        return any(it["file"] for it in self.old.values()) and self.old != self.new

    @property
    def moves_artifacts(self) -> bool:
        """Whether artifacts go."""
        return bool(self.team.artifacts) and self.team.artifacts != self.declared["artifacts"]

    def refuse(self) -> None:
        """Raise for what this does not do."""
        if self.declared["version"] != self.team.version:
            runs = f"the team runs {self.team.version}, and {self.declared['version']} is declared"
            raise MoveError(f"version: {runs}; upgrade it before")
        if any(it["file"] for it in self.new.values()):
            raise MoveError(f"{URIS}: a database is still in SQLite; declare PostgreSQL for both")
        if self.moves_rows and not all(it["file"] for it in self.old.values()):
            raise MoveError("one of the team's databases is not in SQLite; only both go together")
        if self.moves_rows and any(databases.kind(it) != "postgresql" for it in self.new.values()):
            raise MoveError(f"{URIS}: only PostgreSQL is moved to")
        if self.moves_artifacts and (self.declared["artifacts"] or not self.destination):
            raise MoveError("artifacts: destination: name a store; to another directory, this does not go")
        if self.team.client_root or self.declared["client_root"]:
            raise MoveError("artifacts: serve: what clients keep past the server is not moved; let it pass them on")

    @property
    def destination(self) -> str:
        """Where the server is to keep artifacts."""
        return self.environment.get("MLFLOW_ARTIFACTS_DESTINATION", "")

    def places(self) -> list[list[str]]:
        """What places begin with that are in the team's own directory, and with what they are to begin."""
        if not self.moves_artifacts:
            return []
        root = str(self.team.artifacts)
        own = [root, f"file://{quote(root)}", f"file:{root}"]
        return [[it, SERVED] for it in own]

    def rows(self, do: str, copied: dict[str, int] | None = None) -> dict[str, Any]:
        """Have databases looked at, filled or emptied."""
        asked = {
            "do": do,
            "from": {purpose: it["uri"] for purpose, it in self.old.items()},
            "to": {purpose: it["uri"] for purpose, it in self.new.items()},
            "rows": copied or {},
            "places": self.places(),
            "root": self.environment.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or SERVED,
        }
        return self.ask("move_rows", asked)

    def artifacts(self, do: str, whole: bool = False) -> dict[str, Any]:
        """Have artifacts looked at or copied."""
        asked = {"do": do, "from": self.team.artifacts, "to": self.destination, "whole": whole, "wait": WAIT_SECONDS}
        return self.ask("move_artifacts", {**asked, "note": str(workshop(self.team) / ARTIFACTS_NOTE)})

    def ask(self, program: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Have it done as the team's account, by its MLflow, with the settings that are to be."""
        # Not what its server could write to: ~/.aws/config names a program for whoever has no key.
        defaults = {"PGCONNECT_TIMEOUT": "20", "HOME": str(workshop(self.team))}
        done = self.run(
            [self.team.python, "-Es", str(IN_MLFLOW), program],
            # A look takes long, too, where there are many files or rows.
            databases.COPY_SECONDS * 4,
            input=json.dumps(asked),
            env={**defaults, **self.environment, "PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"},
            cwd=self.team.state_dir,
        )
        answer = last_answer(done.stdout)
        if done.returncode != 0:
            causes.note(self.team.server, redaction.hidden(done.stderr, self.secrets()))
            why = redaction.hidden(answer.get("cause") or causes.cause(done.stderr), self.secrets())
            # Names and places in it are of people's choice.
            raise (MoveError if answer.get("begun", True) else NotBegunError)(causes.shown(why))
        return answer

    def secrets(self) -> set[str]:
        """What is not to be shown."""
        own = {value for name, value in self.environment.items() if redaction.SECRET_NAME.search(name)}
        uris = [*(it["uri"] for it in self.new.values()), *self.environment.values()]
        return own.union(*map(redaction.secrets_in, uris))

    def mark(self) -> str:
        """Return what tells these databases from any others, however somebody gets there, and nothing about them."""
        places = {}
        for purpose, it in self.new.items():
            _before, _mark, options = it["uri"].partition("?")
            hosts = sorted(option for option in parse_qsl(options) if option[0] in ("host", "port"))
            places[purpose] = [uris.address(it["uri"]), hosts]
        return hashlib.sha256(json.dumps(places, sort_keys=True).encode()).hexdigest()

    def begun(self) -> dict[str, Any] | None:
        """Return what was noted of a move to these databases that was cut off."""
        try:
            found = dict(json.loads(self.note.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return None
        return found if found["to"] == self.mark() else None

    def write_note(self, rows: dict[str, int]) -> None:
        """Note that what these databases hold is a copy, and of what."""
        transaction.make_home()
        write_private(self.note, json.dumps({"to": self.mark(), "rows": rows}).encode())

    def undo(self) -> None:
        """Empty the databases, where an earlier move has filled them and no server has had them."""
        noted = self.begun()
        if noted and self.moves_rows:
            self.rows("empty", noted["rows"])
        self.note.unlink(missing_ok=True)

    def look(self) -> dict[str, Any]:
        """Refuse what cannot go well."""
        if self.moves_rows and not self.begun():
            self.rows("look")
        if self.moves_artifacts:
            self.refuse_left()
            self.artifacts("look")
        return {}

    def refuse_left(self) -> None:
        """Raise where rows that do not go would still have their artifacts here."""
        if not self.moves_rows:
            self.rows("stay")

    def begin(self) -> dict[str, Any]:
        """Copy artifacts, which others may add to meanwhile."""
        return {"artifacts": self.artifacts("copy")} if self.moves_artifacts else {}

    def copy(self) -> dict[str, Any]:
        """Copy all of it, all or nothing."""
        done: dict[str, Any] = {}
        with Change(self.team, "move to other stores") as change:
            self.run = change.run
            change.stop_server()
            # Such as mlflow-gc@, which would go on with what is left behind.
            wait_until_nobody_runs(self.team.account, self.team.name)
            self.undo()
            if self.moves_artifacts:
                # Somebody may have given one since.
                self.refuse_left()
                done["artifacts"] = self.artifacts("copy", whole=True)
            if self.moves_rows:
                for database in self.team.databases:
                    databases.settle(self.team, database)
                # Nobody writes any more: what is in the files now is what can have been copied.
                self.write_note(self.rows("look")["rows"])
                try:
                    done.update(self.rows("copy"))
                except NotBegunError:
                    self.note.unlink()
                    raise
                except BaseException:
                    self.undo()
                    raise
        return done


def places_of(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return where databases are, by what they are for."""
    return {purpose: {"uri": it["uri"], "file": it["file"]} for purpose, it in databases.by_purpose(found).items()}


def file_of(name: str, run: str) -> Path:
    """Where it stands what a run has declared."""
    return paths.HERE.changes / f"{name}.{run}.declared"


def turn_of(name: str) -> Path:
    """Where it stands which run goes on."""
    return paths.HERE.changes / f"{name}.run"


def claim(name: str, run: str) -> None:
    """Let it be this run's; what runs that were before have declared, secrets among it, goes."""
    write_private(turn_of(name), run.encode())
    for path in paths.HERE.changes.glob(f"{name}.*.declared"):
        if path != file_of(name, run):
            path.unlink(missing_ok=True)


def has_turn(name: str, run: str) -> bool:
    """Say whether no other run has begun since."""
    try:
        return turn_of(name).read_text(encoding="utf-8") == run
    except FileNotFoundError:
        return False


def end(name: str, run: str) -> None:
    """Remove what a run has declared."""
    file_of(name, run).unlink(missing_ok=True)
    if has_turn(name, run):
        turn_of(name).unlink()


def done(move: Move) -> None:
    """Forget that it was under way."""
    move.note.unlink(missing_ok=True)
    (workshop(move.team) / ARTIFACTS_NOTE).unlink(missing_ok=True)
    former_settings.forget(move.team.name)


def try_out(move: Move) -> None:
    """Start the server, see that it works, and stop it."""
    command = transaction.beside(move.team.server, [*PROGRAM, "verify", move.team.name])
    if not commands.printed(command, MoveError, transaction.TRY_SECONDS, input="[]").endswith(f"{TRIED}\n"):
        raise MoveError(f"{move.team.server} did not start; {causes.where(move.team.server)}")


def to_do(move: Move, do: str) -> None:
    """Do what depends on what there is to move, and print what was done as JSON."""
    moves = [name for name, it in (("databases", move.moves_rows), ("artifacts", move.moves_artifacts)) if it]
    move.refuse()
    told = {"look": move.look, "begin": move.begin, "copy": move.copy, "undo": move.undo}[do]() if moves else {}
    # Settings that were kept, and data that are where they are declared: it was cut off before people were let in.
    begun = not moves and former_settings.kept(move.team.name).exists()
    print(json.dumps({"moves": moves, "begun": begun, **(told or {})}))


def main(do: str, name: str, run: str) -> None:
    """Do it, and print what was done as JSON."""
    if do == "end":
        end(name, run)
        return
    try:
        wanted = dict(json.loads(file_of(name, run).read_text(encoding="utf-8")))
    except FileNotFoundError:
        wanted = {}
    if not wanted or (do not in ("look", "claim") and not has_turn(name, run)):
        # Each would undo what the other does.
        raise MoveError(f"another run has begun to move team {name} since; this one does nothing more")
    move = Move(teams.load(name), wanted)
    if do == "claim":
        claim(name, run)
    elif do == "keep":
        former_settings.keep(name)
    elif do == "back":
        print(json.dumps({"back": former_settings.put_back(name)}))
    elif do == "try":
        try_out(move)
    elif do == "done":
        done(move)
    elif do != "mine":
        to_do(move, do)
