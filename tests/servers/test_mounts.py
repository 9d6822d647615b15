"""What is mounted, against real servers: each person's tree is what `access_info` and MLflow's own client say."""

import hashlib
import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

import project
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._profiles import environment
from mlflow_mounts import patience
from mlflow_mounts.artifacts import asking, server
from mlflow_mounts.artifacts.reading import Artifact, Room
from mlflow_mounts.artifacts.tree import Tree
from mlflow_reader import V2

# The role runs none that is older.
VENVS = [*(project.BETWEEN_MLFLOWS if project.BETWEEN in os.environ else ()), project.MLFLOW.name]
pytestmark = pytest.mark.parametrize("lab", VENVS, indirect=True)

READ = Path(__file__).parent.parent / "e2e" / "read_by_client.py"
LEVELS = ("READ", "USE", "EDIT", "MANAGE")
TEAM = "lab"
# Seconds for all that is asked as one person: what a busy machine is too slow for is not what this is about.
PATIENCE = 3600.0


class File(t.NamedTuple):
    """What somebody finds: below the team, its checksum, and where the server has it."""

    path: str
    digest: str
    address: str


class People(t.NamedTuple):
    """Who there is, by what they may; what experiments are called; and what `access_info` says."""

    who: dict[str, tuple[str, str]]
    experiments: dict[str, str]
    effective: list[dict[str, t.Any]]

    def readable(self, word: str) -> set[str]:
        """The experiments that somebody may read, according to the module."""
        name = self.who[word][0]
        mine = (each for each in self.effective if each["user"] == name)
        return {each["experiment"] for each in mine if "experiment" in each and each["permission"] in LEVELS}


@pytest.fixture
def people(lab, some, secret):
    """Somebody of each level, however they have it, and what they would find."""
    words = [*LEVELS, "group", "all", "denied", "no runs", "no models", "creator", "nothing"]
    who = {word: (some(f"{word.lower()} o'neil"), secret()) for word in words}
    experiments = {word: some(f"100% {word}/one") for word in ("shared", "of the group", "of nobody", "own")}
    for word in ("shared", "of the group", "of nobody"):
        number = lab.reader.create_experiment(experiments[word])
        answer = lab.person.ask(("admin", lab.password), "fill", experiment_id=number, word=word)
        assert answer is None, answer
    number = declare(lab, who, experiments, some)
    assert lab.person.ask(who["creator"], "fill", experiment_id=number, word="own") is None
    told = lab.ok("access_info", default_permission="NO_PERMISSIONS")["access_info"]
    return People({**who, "admin": ("admin", lab.password)}, experiments, told["effective"])


def declare(lab, who, experiments, some) -> str:
    """Give everybody what they are called after; return the number of the experiment that one made."""
    shared = {"experiment": experiments["shared"], "permission": "READ"}
    everything = {"experiment": "*", "permission": "READ"}
    grants: dict[str, list[dict[str, str]]] = {word: [{**shared, "permission": word}] for word in LEVELS}
    grants["all"] = [everything]
    denied = {"denied": {**shared, "permission": "DENY"}}
    denied |= {"no runs": {"run": "*", "permission": "DENY"}, "no models": {"logged_model": "*", "permission": "DENY"}}
    if lab.can_deny:
        grants |= {word: [grant] for word, grant in denied.items()}
    users = [{"name": who[word][0], "password": who[word][1], "grants": grants.get(word, [])} for word in who]
    named = {"experiment": experiments["of the group"], "permission": "READ"}
    groups = [
        {"name": some("some"), "members": [who["group"][0]], "grants": [named]},
        {"name": some("most"), "members": [who[word][0] for word in denied], "grants": [everything]},
    ]
    lab.ok("access", users=users, groups=groups)
    made = lab.reader.ask("POST", V2 + "experiments/create", who["creator"], name=experiments["own"])
    return str(made["experiment_id"])


@pytest.fixture
def tree_of(lab, tmp_path, monkeypatch):
    """Return a function that gives somebody's tree, from what the role writes into their home."""
    trees: dict[tuple[str, str], Tree] = {}
    monkeypatch.setattr(patience, "PATIENCE", PATIENCE)

    def give(who: tuple[str, str]) -> Tree:
        if who not in trees:
            home = tmp_path / str(len(trees))
            (home / ".config" / "mlflow").mkdir(parents=True)
            (home / ".config" / "mlflow" / f"{TEAM}.env").write_text(environment(lab.uri, *who, None))
            trees[who] = Tree(str(home))
        patience.begin()
        return trees[who]

    yield give
    monkeypatch.setattr(asking, "QUIET", -1.0)
    for tree in trees.values():
        tree.rest()


def files(tree: Tree, path: tuple[str, ...]) -> Iterator[File]:
    """Find all files below a directory."""
    for name, entry in tree.children(path).items():
        below = (*path, name)
        if entry.mode == server.DIRECTORY:
            yield from files(tree, below)
            continue
        opened = tree.open(below)
        digest = hashlib.md5(opened.read(0, opened.size), usedforsecurity=False).hexdigest()
        opened.close()
        _team, top, is_run = tree._top(below)
        yield File("/".join(below[1:]), digest, server.address(top, entry.path, is_run))


def in_tree(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def test_each_tree_is_what_the_module_and_the_client_say(lab, people, tree_of):
    found = {}
    for word, who in people.who.items():
        tree = tree_of(who)
        seen = set(tree.children((TEAM,)))
        mine = [name for name in people.experiments.values() if in_tree(name) in seen]
        for readable in (people.readable(word), lab.person.ask(who, "experiments")):
            # Those of other tests may have any name: how that is written is for the tests of names.
            assert len(seen) == len(readable), word
            assert set(mine) == set(people.experiments.values()) & set(readable), word
        found[word] = {each for name in mine for each in files(tree, (TEAM, in_tree(name)))}
        said = lab.person.ask(who, "script", path=str(READ), arguments=mine) if mine else ""
        assert isinstance(said, str), (word, said)
        by_client = {tuple(line.split("  ", 1)[::-1]) for line in said.splitlines()}
        assert {(file.path, file.digest) for file in found[word]} == by_client, word
    assert len(found["admin"]) == 2 * len(people.experiments)
    told = {word: {file.path.split("/")[0] for file in found[word]} for word in found}
    named = {word: in_tree(name) for word, name in people.experiments.items()}
    assert all(told[level] == {named["shared"]} for level in LEVELS)
    assert (told["group"], told["creator"], told["nothing"]) == ({named["of the group"]}, {named["own"]}, set())
    assert told["all"] == set(named.values())
    if lab.can_deny:
        assert told["denied"] == set(named.values()) - {named["shared"]}
        assert all("/models/" in file.path for file in found["no runs"])
        assert not any("/models/" in file.path for file in found["no models"])
        assert len(found["no runs"]) == len(found["no models"]) == len(people.experiments)
    for word, who in people.who.items():
        refuses_what_is_not_in(found[word], found["admin"], tree_of(who))


def refuses_what_is_not_in(mine: set[File], all_files: set[File], tree: Tree) -> None:
    """Who knows where a file is gets it where they may read it, and is refused otherwise."""
    team = tree._team(TEAM)
    for file in all_files:
        if file in mine:
            Artifact(team, file.address, Room(1)).close()
        else:
            with pytest.raises(PermissionError):
                Artifact(team, file.address, Room(1))
