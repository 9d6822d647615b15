"""Nobody takes away what a group is denied by giving a model or a prompt another name."""

from __future__ import annotations

from collections.abc import Iterator

import as_unit
import project
import pytest
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
RENAME = "registered-models/rename"


@pytest.fixture(scope="module", params=[project.MLFLOW.name, *project.next_mlflows()])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A server where ann reads all models and prompts, as each of a group does."""
    home = tmp_path_factory.mktemp("renames") / "home"
    home.mkdir(mode=0o700)
    with as_unit.serving(project.BUILD / request.param, home, ADMIN) as uri:
        reader = reader_for(uri, ADMIN, (3, 17))
        for who in (ANN, EVE):
            reader.create_user(*who)
        role = reader.ask("POST", V3 + "roles/create", name="readers", workspace="default")["role"]["id"]
        reader.ask("POST", V3 + "roles/assign", role_id=role, username=ANN[0])
        for kind in ("registered_model", "prompt"):
            grant(reader, kind, "*", "READ")
        yield reader


def grant(reader: Reader, kind: str, name: str, level: str) -> None:
    role = next(it for it in reader.ask("GET", V3 + "roles/list", workspace="default")["roles"])
    row = {"resource_type": kind, "resource_pattern": name, "permission": level}
    reader.ask("POST", V3 + "roles/permissions/add", role_id=role["id"], **row)


@pytest.mark.parametrize("api", ["/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"])
@pytest.mark.parametrize("kind", ["registered_model", "prompt"])
def test_what_a_group_is_denied_has_the_name_that_it_had(reader: Reader, kind: str, api: str) -> None:
    name = f"eve's {kind} {len(api)}"
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if kind == "prompt" else []
    reader.ask("POST", V2 + "registered-models/create", EVE, name=name, tags=tags)

    def sees(called: str) -> int:
        return reader.status("GET", V2 + "registered-models/get", ANN, name=called)

    def renamed(who: tuple[str, str] | None, old: str, new: str) -> int:
        return reader.status("POST", api + RENAME, who, name=old, new_name=new)

    assert sees(name) == 200
    assert renamed(EVE, name, f"{name} once more") == 200
    grant(reader, kind, f"{name} once more", "DENY")
    assert sees(f"{name} once more") == 403
    assert renamed(EVE, f"{name} once more", f"{name} for all") == 400
    assert renamed(ANN, f"{name} once more", f"{name} for all") == 403
    assert (sees(f"{name} once more"), sees(f"{name} for all")) == (403, 404)


def test_the_admin_may_where_mlflow_lets_them(reader: Reader) -> None:
    reader.ask("POST", V2 + "registered-models/create", EVE, name="theirs")
    grant(reader, "registered_model", "theirs", "DENY")
    # From 3.18 on it lets nobody, until the denial is taken away.
    assert reader.status("POST", V2 + RENAME, name="theirs", new_name="ours") in (200, 400)


@pytest.mark.parametrize("kind", ["registered_model", "prompt"])
def test_what_a_user_is_denied_has_the_name_that_it_had(reader: Reader, kind: str) -> None:
    name, taken = f"a {kind} of eve's", f"a {kind} that is yet to come"
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if kind == "prompt" else []
    reader.ask("POST", V2 + "registered-models/create", EVE, name=name, tags=tags)
    reader.grant(ANN[0], kind, name, "DENY")
    reader.grant(EVE[0], kind, taken, "READ")
    assert reader.status("POST", V2 + RENAME, EVE, name=name, new_name=taken) == 400
    for called, status in ((name, 403), (taken, 404)):
        assert reader.status("GET", V2 + "registered-models/get", ANN, name=called) == status
    assert reader.status("POST", V2 + RENAME, EVE, name=name, new_name=f"{taken} on") == 200
    assert reader.status("GET", V2 + "registered-models/get", ANN, name=f"{taken} on") == 403
