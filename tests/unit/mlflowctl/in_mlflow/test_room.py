"""Uploads that there is no room for are refused before the disk is full, and told so."""

import asyncio
import json
import os
import threading

import pytest
from mlflowctl.in_mlflow import room

PLENTY, MEGABYTE = 1 << 40, b"x" * (1 << 20)
PATH = "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/model.bin"


class Lab:
    """A server that keeps what it is sent, on a disk that has as much left as is said."""

    def __init__(self, home):
        self.artifacts, self.database = home / "artifacts", home / "mlflow.db"
        self.artifacts.mkdir()
        self.left, self.now, self.heard, self.answers = PLENTY, 0.0, [], []
        self.rude = False

    def server(self, most=None, reserve=0):
        self.disk = room.Disk(str(self.artifacts), [str(self.database)], most, reserve, lambda: self.now)
        self.app = room.Room(self.keep, self.disk)
        return self

    async def keep(self, scope, receive, send):
        """As MLflow does: a file is there once all of it has come."""
        body = b""
        while True:
            message = await receive()
            self.heard.append(message["type"])
            if message["type"] == "http.disconnect":
                if self.rude:
                    await send({"type": "http.response.start", "status": 500, "headers": []})
                    await send({"type": "http.response.body", "body": b""})
                    return
                raise ConnectionError
            body += message["body"]
            self.left -= len(message["body"])
            if not message.get("more_body"):
                break
        (self.artifacts / f"{len(self.answers)}-{os.urandom(4).hex()}").write_bytes(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def upload(self, parts, method="PUT", path=PATH, told=True, gate=None):
        """Send parts of a megabyte; told is whether their length was said before."""
        waiting = [{"type": "http.request", "body": MEGABYTE, "more_body": True} for _part in range(parts)]
        waiting.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive():
            if gate:
                await gate.wait()
            return waiting.pop(0)

        sent = []

        async def send(message):
            sent.append(message)

        headers = [(b"content-length", str(parts << 20).encode())] if told else []
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        await self.app(scope, receive, send)
        (start, end) = sent
        self.answers.append(start["status"])
        return start["status"], end["body"].decode()

    def ask(self, *given, **options):
        return asyncio.run(self.upload(*given, **options))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    lab = Lab(tmp_path)
    facts = type("Facts", (), {"f_frsize": 1, "f_bavail": property(lambda _self: lab.left)})()
    monkeypatch.setattr(os, "statvfs", lambda _path: facts)
    # What is uploaded is not written elsewhere before.
    monkeypatch.setattr(room.Disk, "copies", 1)
    return lab


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("rude", [True, False])
def test_what_is_left_for_databases_is_no_uploads(lab, told, rude):
    lab.server(reserve=10 << 20).rude = rude
    lab.left = 13 << 20
    assert lab.ask(3, told=told)[0] == 200
    status, said = lab.ask(4, told=told)
    assert (status, json.loads(said)["error_code"]) == (507, "RESOURCE_LIMIT_EXCEEDED")
    assert json.loads(said)["message"].startswith(
        "The disk of this server is nearly full: what is left is kept for its"
    )
    # Of a length that is known nothing is taken; of another, what there was room for, and nothing stays.
    assert lab.heard[-1] == "http.disconnect"
    assert len(list(lab.artifacts.iterdir())) == 1
    assert lab.disk.promised == 0


def test_a_team_keeps_no_more_than_it_may(lab):
    lab.server(most=10 << 20)
    lab.database.write_bytes(MEGABYTE)
    (lab.artifacts / "before").write_bytes(4 * MEGABYTE)
    assert lab.ask(4)[0] == 200
    status, said = lab.ask(2)
    assert status == 507
    assert json.loads(said)["message"].startswith("The team may keep 10.0 MiB here (disk_max), has 9.0 MiB, and this")
    assert lab.ask(1)[0] == 200
    assert lab.ask(1, told=False)[0] == 507


def test_what_was_removed_makes_room_once_it_is_counted_again(lab):
    lab.server(most=10 << 20)
    (lab.artifacts / "before").write_bytes(9 * MEGABYTE)
    assert lab.ask(2)[0] == 507
    (lab.artifacts / "before").unlink()
    lab.now = room.LEAST - 1
    assert lab.ask(2)[0] == 507
    lab.now = room.LEAST
    assert lab.ask(2)[0] == 200


def test_counting_takes_a_small_part_of_the_time_however_long_it_takes(lab, monkeypatch):
    lab.server(most=10 << 20)
    counts = []

    def slow(_directory):
        lab.now += 100
        counts.append(lab.now)
        return 0

    monkeypatch.setattr(room, "bytes_below", slow)
    for _time in range(3):
        lab.ask(0)
    lab.now += 100 * room.TIMES - 1
    lab.ask(0)
    assert len(counts) == 1
    lab.now += 1
    lab.ask(0)
    assert len(counts) == 2


def test_what_comes_while_it_is_counted_counts(lab, monkeypatch):
    lab.server(most=3 << 20)
    monkeypatch.setattr(room, "PATIENCE", 0)

    async def story():
        ends = threading.Event()
        monkeypatch.setattr(room, "bytes_below", lambda _directory: 0 if ends.wait(60) else None)
        # Nobody waits for ever for a count, and the first of those who come meanwhile is let in.
        assert (await lab.upload(2))[0] == 200
        ends.set()
        await lab.disk.counting
        assert lab.disk.used() == 2 << 20
        assert (await lab.upload(2))[0] == 507

    asyncio.run(story())


def test_those_that_are_under_way_have_their_room(lab):
    lab.server(reserve=0)
    lab.left = 5 << 20

    async def story():
        gate = asyncio.Event()
        first = asyncio.ensure_future(lab.upload(3, gate=gate))
        await asyncio.sleep(0)
        second = (await lab.upload(3))[0]
        gate.set()
        return (await first)[0], second

    assert asyncio.run(story()) == (200, 507)
    assert lab.disk.promised == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/ajax-api/2.0/mlflow-artifacts/artifacts/a", 507),
        ("PUT", "/team/api/2.0/mlflow-artifacts/artifacts/a", 507),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/a", 507),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact", 507),
        ("POST", "/api/3.0/mlflow/skills/@acme/reviewer/versions", 507),
        ("POST", "/api/3.0/mlflow/skills", 200),
        ("POST", "/api/2.0/mlflow/runs/log-metric", 200),
        ("GET", PATH, 200),
        ("DELETE", PATH, 200),
    ],
)
def test_only_uploads_are_refused(lab, method, path, status):
    lab.server(reserve=PLENTY * 2)
    assert lab.ask(0, method=method, path=path)[0] == status


def test_an_application_that_fails_by_itself_is_not_covered(lab):
    lab.server()

    async def fail(*_given):
        raise KeyError("its own")

    lab.app.app = fail
    with pytest.raises(KeyError):
        lab.ask(1)


def test_a_directory_that_is_not_there_yet_is_on_the_disk_above_it(tmp_path):
    assert room.free(str(tmp_path / "not" / "yet")) > 0
    assert room.bytes_below(str(tmp_path / "not")) == 0


def test_a_disk_that_cannot_be_asked_is_mlflows_to_complain_of(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert room.free(str(tmp_path / "loop")) == room.sys.maxsize


def test_links_lead_nowhere(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "large").write_bytes(MEGABYTE)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b")
    (tmp_path / "a" / "file").symlink_to(tmp_path / "b" / "large")
    (tmp_path / "a" / "own").write_bytes(b"abc")
    assert room.bytes_below(str(tmp_path / "a")) < 1024


def test_older_versions_write_what_they_are_sent_twice(lab, monkeypatch):
    monkeypatch.undo()
    disk = lab.server().disk
    module = "mlflow.store.artifact.artifact_repo"
    monkeypatch.setitem(room.sys.modules, module, type("Old", (), {}))
    assert disk.copies == 2
    monkeypatch.setitem(room.sys.modules, module, type("New", (), {"StreamUploadMixin": 1}))
    assert disk.copies == 1


def test_where_artifacts_are_on_no_disk_of_the_host_nothing_is_around_it(monkeypatch):
    monkeypatch.delenv(room.SETTING, raising=False)
    assert room.around("it") == "it"
    setting = {"artifacts": "/a", "databases": ["/d"], "most": None, "reserve": 5}
    monkeypatch.setenv(room.SETTING, json.dumps(setting))
    assert room.around("it").disk.reserve == 5
