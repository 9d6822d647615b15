"""Large artifacts go past a server by addresses that it signs, where a team is to have that, and by nothing else.

The store is a real S3, in which the role has made the bucket and the key that the server has.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import as_unit
import loopback
import mlflow_person
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for
from programs.roles.bucket_lab import PATIENCE, Store, run_role
from relay import Relay

ADMIN, ANN, BOB = "the admin's own word", ("ann", "a word of ann's"), ("bob", "a word of bob's")
STRANGER = ("cay", "a word of cay's")
# What the server's environment has where a team says artifacts: presigned.
PRESIGNED = {"MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true", "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true"}
# Before 3.16, a team that is to have it is refused.
BETWEEN = project.BETWEEN_MLFLOWS if project.BETWEEN in os.environ else ()
ON = [(name, True) for name in (project.MLFLOW.name, *project.next_mlflows())]
OFF = [(name, False) for name in (*BETWEEN, *(name for name, _on in ON))]
# As the environment of a host has it beside MLflow, which those of the tests do not; what else it needs they have.
BOTO = ("boto3", "botocore", "jmespath", "s3transfer")
MEGABYTE = 1 << 20
SIZE = 12 * MEGABYTE
PARTS = 3
# More than asyncio has threads for, on two processors.
MANY = 10
ARTIFACTS, AJAX = "/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/"
# As whoever makes the bucket hears of it: presigned is refused with a store of one machine alone, such as this.
TEAM = {
    "name": "nlp",
    "port": 5001,
    "admin_password": "canary-of-the-admin",
    "artifacts": {"destination": "s3://mlflow-nlp/nlp"},
}

pytestmark = pytest.mark.skipif(
    shutil.which("weed") is None
    or importlib.util.find_spec("boto3") is None
    or importlib.util.find_spec("ansible_collections.amazon") is None,
    reason="takes SeaweedFS, boto3 and amazon.aws, as requirements-dev.txt has them",
)


class Bucket:
    """An S3 with the bucket of a team, and what the role makes there."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder

    def play(self, **given: t.Any) -> None:
        """Let the role make what is to be, as the declaration of the team says it."""
        key, more = "lookup('mlops.mlflow.bucket_key', 'nlp')", f"{{'MLFLOW_S3_ENDPOINT_URL': '{self.store.address}'}}"
        team = {**TEAM, "environment": f"{{{{ {key} | combine({more}) }}}}"}
        done = run_role(project.ROOT, self.folder, self.store, [team], **given)
        assert done.code == 0, done.output

    def key(self) -> dict[str, str]:
        """The key that is declared for the team from then on, as its server has it."""
        (file,) = (self.folder / "mlflow_bucket_keys").iterdir()
        return json.loads(file.read_text())


class Place(t.NamedTuple):
    """A server, what everybody but the server itself goes to, and what is known of who asks."""

    reader: Reader
    server: Relay
    store: Relay
    person: mlflow_person.Person
    folder: Path
    experiment: str
    on: bool

    def do(self, what: str, *words: str, way: str = "as it is told") -> t.Any:
        """Have ann send or fetch something; see what goes by which way meanwhile."""
        for relay in (self.server, self.store):
            relay.forget()
        program = str(Path(__file__).with_name("transfers.py"))
        said = self.person.ask(ANN, "script", path=program, arguments=[what, way, *words])
        assert isinstance(said, str), said
        return json.loads(said)

    def signed(self) -> list[str]:
        """What the store was asked for by an address that somebody else had signed."""
        return [each.split()[0] for each in self.store.requests if "X-Amz-Signature=" in each]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    store = Store(tmp_path_factory.mktemp("s3"))
    store.start()
    try:
        store.wait()
        found = Bucket(store, tmp_path_factory.mktemp("role") / "run")
        found.play()
        yield found
    finally:
        store.stop()


@contextlib.contextmanager
def serving(venv: str, on: bool, bucket: Bucket, home: Path) -> Iterator[Place]:
    """Run a server with what the role has made, and let ann edit an experiment, and bob read it."""
    home.mkdir(mode=0o700)
    for name in BOTO:
        found = importlib.util.find_spec(name)
        assert found
        assert found.origin
        (home / name).symlink_to(Path(found.origin).parent)
    (home / "sitecustomize.py").write_text(servers.HURRIED)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(loopback.listening(Relay(bucket.store.ports["s3.port"])))
        more = {"MLFLOW_S3_ENDPOINT_URL": store.uri, **bucket.key(), **(PRESIGNED if on else {})}
        more |= {"MLFLOW_ARTIFACTS_DESTINATION": TEAM["artifacts"]["destination"], "PYTHONPATH": str(home)}
        more |= {"AWS_DEFAULT_REGION": "us-east-1"}
        uri = stack.enter_context(as_unit.serving(project.BUILD / venv, home, ADMIN, **more))
        server = stack.enter_context(loopback.listening(Relay(int(uri.rpartition(":")[2]))))
        version = tuple(int(part) for part in servers.version_of(project.BUILD / venv).split(".")[:2])
        reader = reader_for(server.uri, ADMIN, t.cast("tuple[int, int]", version))
        experiment = reader.create_experiment("shared")
        for who in (ANN, BOB, STRANGER):
            reader.create_user(*who)
        for who, level in ((ANN, "EDIT"), (BOB, "READ")):
            grant = {"username": who[0], "resource_type": "experiment", "resource_id": experiment, "permission": level}
            reader.ask("POST", V3 + "users/permissions/grant", **grant)
        person = stack.enter_context(mlflow_person.working(project.BUILD / venv, server.uri, home))
        yield Place(reader, server, store, person, home, experiment, on)


@pytest.fixture(scope="module", params=[*OFF, *ON])
def place(request: pytest.FixtureRequest, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serving(*request.param, bucket, tmp_path_factory.mktemp("presigned") / "home") as found:
        yield found


def file_of(folder: Path, size: int) -> tuple[str, str]:
    """Make a file that is like no other; return its path and its SHA-256."""
    content = secrets.token_bytes(size)
    path = folder / f"{secrets.token_hex(4)}.bin"
    path.write_bytes(content)
    return str(path), hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("way", ["as it is told", "insists"])
def test_what_is_large_goes_past_the_server_or_nothing_does(place: Place, tmp_path: Path, way: str) -> None:
    path, wanted = file_of(tmp_path, SIZE)
    found = place.do("send", place.experiment, path, way=way)
    # To a run, and to a model.
    went = {"server": place.server.bytes > 2 * SIZE, "signed": place.signed()}
    assert went == {"server": not place.on, "signed": ["PUT"] * 2 * PARTS if place.on else []}
    for uri in found.values():
        folder = tmp_path / uri.partition(":")[0]
        folder.mkdir()
        assert place.do("fetch", uri, str(folder), way=way) == wanted
        went = {"server": place.server.bytes > SIZE, "signed": place.signed()}
        assert went == {"server": not place.on, "signed": ["GET"] * PARTS if place.on else []}
        assert place.on is (place.server.bytes < MEGABYTE)


def test_a_store_that_is_slow_for_some_is_not_for_others(place: Place) -> None:
    def put(name: str) -> int:
        """Upload something small, past MLflow's client, which would wait and ask again."""
        return place.reader.status("PUT", f"{ARTIFACTS}artifacts/{place.experiment}/{name}", ANN)

    with futures.ThreadPoolExecutor(MANY + 1) as pool:
        with place.store.held(b"/slow-"):
            slow = [pool.submit(put, f"slow-{number}") for number in range(MANY)]
            # Each of them is there, and none is through.
            end = time.monotonic() + PATIENCE
            while sum("/slow-" in it for it in place.store.requests) < MANY and time.monotonic() < end:
                time.sleep(0.2)
            assert pool.submit(put, "quick").result(PATIENCE) == 200
            assert [it.result() for it in slow if it.done()] == []
        assert {it.result() for it in slow} == {200}


class Asked(t.NamedTuple):
    """What a server is asked."""

    method: str
    path: str
    values: dict[str, t.Any]


def reading(own: str, direct: str) -> list[Asked]:
    """All ways to ask for an address to read from: of what is in the server's place, and of what is in the store."""
    return [
        Asked("GET", f"{ARTIFACTS}presigned/{own}", {}),
        Asked("GET", f"{AJAX}mlflow-artifacts/presigned/{own}", {}),
        Asked("POST", f"{V2}artifacts/presigned-download-url", {"run_id": direct, "path": "notes.txt"}),
    ]


def writing(own: str, direct: str) -> list[Asked]:
    """All ways to ask for one to write to, and what belongs to it."""
    folder, upload = own.rpartition("/")[0], {"path": "x.bin", "upload_id": "none"}
    part = {"part_number": 1, "etag": "x"}
    return [
        Asked("POST", f"{ARTIFACTS}mpu/create/{folder}", {"path": "x.bin", "num_parts": 1}),
        Asked("POST", f"{AJAX}mlflow-artifacts/mpu/create/{folder}", {"path": "x.bin", "num_parts": 1}),
        Asked("POST", f"{V2}artifacts/presigned-upload-url", {"run_id": direct, "path": "notes.txt"}),
        Asked("POST", f"{ARTIFACTS}mpu/complete/{folder}", {**upload, "parts": [part]}),
        Asked("POST", f"{ARTIFACTS}mpu/abort/{folder}", upload),
    ]


def answers(place: Place, asked: list[Asked], who: tuple[str, str] | None = None) -> list[int]:
    return [place.reader.status(each.method, each.path, who, **each.values) for each in asked]


@pytest.fixture
def own(place: Place, tmp_path: Path) -> str:
    """Where an artifact of ann's is, below the server's place."""
    path, _sum = file_of(tmp_path, 10)
    _runs, run, folder, name = place.do("send", place.experiment, path)["run"].split("/")
    return f"{place.experiment}/{run}/artifacts/{folder}/{name}"


@pytest.fixture
def direct(place: Place) -> str:
    """A run in an experiment that is in the store by its own word, as anybody can make one."""
    name = f"direct {secrets.token_hex(4)}"
    values = {"name": name, "artifact_location": f"{TEAM['artifacts']['destination']}/{secrets.token_hex(4)}"}
    experiment = place.reader.ask("POST", V2 + "experiments/create", **values)["experiment_id"]
    made = place.reader.ask("POST", V2 + "runs/create", experiment_id=experiment, start_time=1)
    return made["run"]["info"]["run_id"]


@pytest.mark.parametrize("place", OFF, indirect=True)
def test_nobody_gets_an_address(place: Place, own: str, direct: str) -> None:
    asked = [*reading(own, direct), *writing(own, direct)]
    # Not even the admin. It is upon this answer that MLflow's client goes on without.
    assert answers(place, asked) == [501] * len(asked)


@pytest.mark.parametrize("place", ON, indirect=True)
def test_who_may_not_have_an_artifact_gets_no_address(place: Place, own: str, direct: str) -> None:
    to_read, to_write = reading(own, direct), writing(own, direct)
    made = place.reader.ask("POST", V2 + "experiments/create", STRANGER, name=f"own {secrets.token_hex(4)}")
    # An experiment of her own is no way to others', nor is a path that is decoded twice.
    mine = {"path": f"{made['experiment_id']}/x"}
    to_read.append(Asked("GET", f"{ARTIFACTS}presigned/{own}", mine))
    assert answers(place, [*to_read, *to_write], STRANGER) == [403] * len([*to_read, *to_write])
    twice = Asked("GET", f"{ARTIFACTS}presigned/%25{ord(own[0]):x}{own[1:]}", mine)
    assert answers(place, [twice], STRANGER) == [400]
    assert answers(place, to_read[:2], BOB) == [200, 200]
    assert answers(place, to_write, BOB) == [403] * len(to_write)
    assert answers(place, to_write[:2], ANN) == [200, 200]


def got(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    """What whoever has an address is answered, without any log-in."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=300) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


# The last one, since afterwards the server's key is a former one.
@pytest.mark.parametrize("place", ON, indirect=True)
def test_an_address_is_for_one_artifact_and_whoever_has_it(place: Place, bucket: Bucket, own: str) -> None:
    url = place.reader.ask("GET", f"{ARTIFACTS}presigned/{own}", BOB)["url"]
    assert "X-Amz-Expires=300&" in url
    found, content = got(url)
    assert (found, len(content)) == (200, 10)
    name = own.rpartition("/")[2]
    others = [got(url.replace(name, f"other-{name}"))[0], got(url, "PUT", b"x")[0], got(url, "DELETE")[0]]
    assert others == [403] * 3
    # A part is no artifact before somebody who may write it says so.
    folder = own.rpartition("/")[0]
    made = place.reader.ask("POST", f"{ARTIFACTS}mpu/create/{folder}", ANN, path="part.bin", num_parts=1)
    part = made["credentials"][0]["url"]
    assert "X-Amz-Expires=3600&" in part
    assert got(part, "PUT", b"of ann's")[0] == 200
    listed = place.reader.ask("GET", f"{ARTIFACTS}artifacts", ANN, path=folder)["files"]
    assert [each["path"] for each in listed] == [name]
    # Who may read no more keeps what there is of it, until then, or until the store knows the key no more.
    grant = {"username": BOB[0], "resource_type": "experiment", "resource_id": place.experiment}
    place.reader.ask("POST", V3 + "users/permissions/revoke", **grant, permission="READ")
    assert place.reader.status("GET", f"{ARTIFACTS}presigned/{own}", BOB) == 403
    assert got(url) == (200, content)
    bucket.play(mlflow_bucket_rotate=["nlp"])
    end = time.monotonic() + PATIENCE
    while (said := got(url)[0]) == 200 and time.monotonic() < end:
        time.sleep(0.2)
    assert said == 403
