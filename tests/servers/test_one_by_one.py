"""Grants are on what they were given for, however quickly things are made, renamed and deleted at once."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator

import as_unit
import project
import pytest
from mlflow_reader import V2, Reader

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
# Without turns, a few in a hundred went wrong where one deletes, and one in six where one renames.
ROUNDS = 25


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    home, venv = tmp_path_factory.mktemp("turns") / "home", project.BUILD / request.param
    with as_unit.read(venv, home, ADMIN, ANN, EVE) as reader:
        yield reader


def at_once(*tasks: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    return threads


def test_who_makes_the_former_name_gets_nothing_of_what_was_renamed(reader: Reader) -> None:
    def makes(name: str, end: threading.Event) -> None:
        while not end.is_set():
            reader.status("POST", V2 + "registered-models/create", EVE, name=name)

    for _round in range(ROUNDS):
        name, new, end = secrets.token_hex(8), secrets.token_hex(8), threading.Event()
        reader.ask("POST", V2 + "registered-models/create", ANN, name=name)
        waiting = at_once(*[lambda name=name, end=end: makes(name, end)] * 4)
        time.sleep(0.1)
        assert reader.status("POST", V2 + "registered-models/rename", ANN, name=name, new_name=new) == 200
        time.sleep(0.2)
        end.set()
        for thread in waiting:
            thread.join()
        for who, called, status in ((ANN, new, 200), (EVE, new, 403), (EVE, name, 200)):
            assert reader.status("GET", V2 + "registered-models/get", who, name=called) == status


def test_nobody_keeps_a_grant_on_what_is_not_there(reader: Reader) -> None:
    for _round in range(ROUNDS):
        name = secrets.token_hex(8)
        reader.ask("POST", V2 + "registered-models/create", EVE, name=name)
        makes, deletes = (
            lambda way=way, method=method, name=name: reader.status(
                method, V2 + f"registered-models/{way}", EVE, name=name
            )
            for way, method in (("create", "POST"), ("delete", "DELETE"))
        )
        for thread in at_once(deletes, deletes, makes, deletes, makes, deletes):
            thread.join()
        user, is_there = reader.user(EVE[0]), reader.registered(name) is not None
        assert (("registered_model", name) in user["grants"]) == is_there
