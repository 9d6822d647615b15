"""Where people say that their artifacts are is no address: nothing is removed there, and nothing sent there."""

from __future__ import annotations

import dataclasses
import http.server
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import loopback
import pytest
from garbage import Team
from lab import Lab

# By what is odd about it, the place of something that is not at its own. There, {n} is the experiment's own number, {v}
# that of another one that is alive, {dir} a directory beside the artifacts, {art} that with all artifacts, and
# {port} where somebody listens who is to hear nothing.
PLACES = {
    "a file's query": "file://{dir}?x=/{n}",
    "a file's fragment": "file://{dir}#/{n}",
    "a file's parameters": "file://{dir};/{n}",
    "a file of this host": "file://localhost{dir}?x=/{n}",
    "a path": "{dir}/{n}",
    "a file": "file://{dir}/{n}",
    "the way up": "file://{dir}/{n}/..",
    "the own directory, as a path": "{art}/{n}",
    "another's directory, as a path": "{art}/{v}",
    "all artifacts": "file://{art}?/{n}",
    "another's, by a query": "mlflow-artifacts:/{v}?x=/{n}",
    "another's, by a fragment": "mlflow-artifacts:/{v}#/{n}",
    "another's, by parameters": "mlflow-artifacts:/{v};/{n}",
    "another's, by dots": "mlflow-artifacts:/{n}/../{v}",
    "another's, by encoded dots": "mlflow-artifacts:/{n}/%2e%2e/{v}",
    "another's, by doubly encoded dots": "mlflow-artifacts:/{n}/%252e%252e/{v}",
    "another's, by slashes": "mlflow-artifacts://{v}//{n}",
    "another's, plainly": "mlflow-artifacts:/{v}",
    "another's, with an end": "mlflow-artifacts:/{v}/",
    "below another's": "mlflow-artifacts:/{v}/{n}",
    "the root": "mlflow-artifacts:/",
    "another scheme's case": "MLFLOW-ARTIFACTS:/{v}/{n}",
    "two slashes": "mlflow-artifacts:///{n}",
    "an end": "mlflow-artifacts:/{n}/",
    "a dot": "mlflow-artifacts:/./{n}",
    "zeros": "mlflow-artifacts:/0{n}",
    "a space": "mlflow-artifacts:/{n} ",
    "a terminal's codes": "mlflow-artifacts:/{n}\x1b[2K\x9b1A\n\u202ek",
    "the proxy of another host": "mlflow-artifacts://127.0.0.1:{port}/{n}",
    "an address": "http://127.0.0.1:{port}/x/{n}",
    "an address with a log-in": "http://me:mine@127.0.0.1:{port}/x/{n}",
    "an address that looks like a proxy's": "http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/{n}",
    "a former root": "s3://former/{n}",
    "nothing": "",
}
KINDS = ("experiment", "run", "logged model")


class Listener(http.server.ThreadingHTTPServer):
    """Somebody on the same host, who writes down what is sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []

        class Ear(http.server.BaseHTTPRequestHandler):
            server: Listener

            def handle(self) -> None:
                line = self.rfile.readline().decode(errors="replace")
                self.server.heard.append(line)
                while (header := self.rfile.readline().decode(errors="replace")).strip():
                    self.server.heard.append(header)
                self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        super().__init__(("127.0.0.1", 0), Ear)


@dataclasses.dataclass
class Case:
    """One thing at one place, and what must still be there."""

    kind: str
    ident: str
    place: str
    kept: list[Path]
    # Whether the server took the place from a member.
    by_a_member: bool = False


@dataclasses.dataclass
class Scene:
    """All of them, and what one collection did."""

    team: Team
    listener: Listener
    cases: dict[tuple[str, str], Case]
    # An experiment that is alive, with all the runs and models.
    common: str
    last: str
    said: str = ""
    again: str = ""


def arrange(scene: Scene, home: Path, member: tuple[str, str], kind: str, odd: str, number: int) -> Case:
    """Have something at a place, deleted long ago."""
    team, reader, name = scene.team, scene.team.lab.reader, f"{kind} {number}"
    # Another's files, by a number that no experiment gets here.
    beside, victim = home / name.replace(" ", "-"), f"{KINDS.index(kind) + 7}{number:04}"
    kept = [team.artifacts / victim / "run" / "artifacts" / "note.txt"]

    def place(own: str) -> str:
        kept.extend((beside / "note.txt", beside / own / "note.txt"))
        for path in kept:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("hello")
        port = scene.listener.server_address[1]
        return PLACES[odd].format(n=own, v=victim, dir=beside, art=team.artifacts, port=port)

    if kind == "experiment":
        # Numbers are known before.
        ident = str(int(scene.last) + 1)
        said, by_a_member = place(ident), True
        try:
            values = {"name": name, "artifact_location": said}
            scene.last = reader.ask("POST", "/api/2.0/mlflow/experiments/create", member, **values)["experiment_id"]
        except urllib.error.HTTPError:
            scene.last, by_a_member = reader.create_experiment(name), False
        assert scene.last == ident
        team.sql("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", said, int(ident))
        team.post("experiments/delete", experiment_id=ident)
        team.age(experiment=ident)
        return Case(kind, ident, said, kept, by_a_member)
    said = place(scene.common)
    if kind == "run":
        ident = team.run(scene.common)
        kept.append(team.artifacts / scene.common / ident / "artifacts" / "note.txt")
        team.sql("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", said, ident)
        team.post("runs/delete", run_id=ident)
        team.age(run=ident)
    else:
        ident = team.model(scene.common)
        team.put(f"{scene.common}/models/{ident}/artifacts/note.txt")
        kept.append(team.artifacts / scene.common / "models" / ident / "artifacts" / "note.txt")
        team.sql("UPDATE logged_models SET artifact_location = ? WHERE model_id = ?", said, ident)
        reader.ask("DELETE", f"/api/2.0/mlflow/logged-models/{ident}")
        team.age(model=ident)
    return Case(kind, ident, said, kept)


@pytest.fixture(scope="module")
def scene(newest: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everything that is elsewhere, in front of one collection and another."""
    home, state = tmp_path_factory.mktemp("beside"), tmp_path_factory.mktemp("vision")
    team, member = Team(newest, state), ("carol-elsewhere", "carol-try-out-only")
    newest.reader.create_user(*member)
    with loopback.listening(Listener()) as listener:
        common = newest.reader.create_experiment("in which all is elsewhere")
        found = Scene(team, listener, {}, common, common)
        for kind in KINDS:
            for number, odd in enumerate(PLACES):
                found.cases[kind, odd] = arrange(found, home, member, kind, odd, number)
        done = team.start()
        found.said = done.stdout + done.stderr
        found.again = team.start().stdout
        yield found
    # For the tests that come after.
    ids = {kind: [case.ident for case in found.cases.values() if case.kind == kind] for kind in KINDS}
    for ident in ids["experiment"]:
        team.post("experiments/restore", experiment_id=ident)
    for ident in ids["run"]:
        team.post("runs/restore", run_id=ident)
    for ident in ids["logged model"]:
        team.sql("UPDATE logged_models SET lifecycle_stage = 'active' WHERE model_id = ?", ident)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", PLACES)
def test_what_is_not_at_its_own_place_is_left_and_named(scene: Scene, odd: str, kind: str) -> None:
    case = scene.cases[kind, odd]
    assert [str(path) for path in case.kept if not path.exists()] == []
    (line,) = [line for line in scene.said.splitlines() if line.startswith(f"left {kind} {case.ident}:")]
    assert ascii(case.place) in line
    table = {"experiment": "experiments", "run": "runs", "logged model": "logged_models"}[kind]
    key = {"experiment": "experiment_id", "run": "run_uuid", "logged model": "model_id"}[kind]
    stage = f"SELECT lifecycle_stage FROM {table} WHERE {key} = ?"  # noqa: S608 - of the table above
    assert scene.team.sql(stage, case.ident) == [("deleted",)]


def test_a_member_may_name_such_places(scene: Scene) -> None:
    # Else these would be no attacks.
    taken = {odd for (kind, odd), case in scene.cases.items() if case.by_a_member}
    assert {"a file's query", "another's, by a query", "a path"} <= taken


def test_nobody_else_hears_of_it(scene: Scene) -> None:
    assert scene.listener.heard == []


def test_they_are_counted_and_nothing_of_them_reaches_a_terminal(scene: Scene) -> None:
    number = len(PLACES)
    assert f"left {3 * number} in all whose artifacts are not at their own place" in scene.said
    assert scene.said.isascii()
    assert [mark for mark in scene.said if mark < " " and mark != "\n"] == []


def test_they_wake_nobody_the_next_time(scene: Scene) -> None:
    assert scene.again.endswith("nothing to remove\n")
    assert scene.team.lab.proxy.requests == []
