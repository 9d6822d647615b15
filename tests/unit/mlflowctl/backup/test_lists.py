"""Lists of artifacts: looked up in the order of a walk, whatever order a snapshot has them in."""

import io
import json
import os
import random
import tracemalloc
from unittest import mock

import pytest
from mlflowctl import trees
from mlflowctl.backup import contents, lists, manifest, restic

PATHS = ["b", "a/z", "a/b/c", "a/b.txt", "a b/1", "a-b/1", "a.b/1", "a/b/c d/e"]
PATHS += ["c/\udcff/x", "c/\ue000/x", "c/a\u2028b"]
MANY = 10_000


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "artifacts"
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path, errors="surrogateescape")
    return root


@pytest.fixture
def listed(tree):
    return list(contents.artifacts(str(tree), contents.Listed(())))


def test_both_walks_have_the_order_that_is_compared(tree, listed):
    root = trees.open_directory(tree, [tree])
    within = contents.artifacts_within(trees.walk(root), contents.Listed(()), lambda _parts: None)
    names = [it["path"] for it in listed]
    assert names == [it["path"] for it in within] == sorted(names, key=contents.order)
    assert sorted(names) == sorted(PATHS)


def test_one_in_any_order_is_put_in_order(tmp_path, listed):
    place = tmp_path / "artifacts.jsonl"
    for _time in range(5):
        mixed = random.sample(listed, len(listed))
        place.write_text("\n\n".join(map(json.dumps, mixed)))
        lists.put_in_order(place)
        assert list(lists.files_of(place)) == listed
        assert lists.sum_up(place) == {"files": len(PATHS), "bytes": sum(it["size"] for it in listed)}
    assert sorted(it.name for it in tmp_path.iterdir()) == ["artifacts", "artifacts.jsonl"]


def test_one_that_is_in_order_is_left_as_it_is(tmp_path, listed):
    place = tmp_path / "artifacts.jsonl"
    place.write_text("".join(json.dumps(it) + "\n" for it in listed))
    before = place.stat()
    lists.put_in_order(place)
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_each_is_found_and_nothing_else(listed):
    there = contents.Listed(it for it in listed if it["path"] != "a/b/c")
    assert [it["path"] for it in listed if not there.get(it["path"])] == ["a/b/c"]


def test_there_has_to_be_room_for_sorting_one(tmp_path, monkeypatch, listed):
    place = tmp_path / "artifacts.jsonl"
    place.write_text("".join(json.dumps(it) + "\n" for it in reversed(listed)))
    monkeypatch.setattr(lists.shutil, "disk_usage", lambda _place: mock.Mock(free=place.stat().st_size))
    with pytest.raises(lists.BackupError, match=r"MiB are needed to sort artifacts\.jsonl"):
        lists.put_in_order(place)


@pytest.fixture(params=[1, -1], ids=["in order", "in another"])
def many(tmp_path, request):
    """A list of more than anybody holds at once."""
    place = tmp_path / "many.jsonl"
    with open(place, "w") as file:
        for number in range(MANY)[:: request.param]:
            it = {"path": f"1/run{number:06}/model.bin", "size": 1, "mtime": 1, "inode": number, "sha256": "x" * 64}
            print(json.dumps(it), file=file)
    return place


def test_what_is_compared_of_one_takes_no_room(many):
    tracemalloc.start()
    try:
        lists.put_in_order(many)
        assert lists.sum_up(many) == {"files": MANY, "bytes": MANY}
        assert list(contents.differences(lists.files_of(many), lists.files_of(many), 2, [].append)) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 512 << 10


class Repository:
    """One that has some paths, and is asked for a few at a time."""

    def __init__(self, *paths):
        self.paths, self.asked = set(paths), []

    def having(self, _snapshot, paths, _shop):
        self.asked.append(len(paths))
        return iter(sorted(paths & self.paths))


def test_any_number_may_be_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "AT_ONCE", 20)
    repository = Repository("/srv/7", "/srv/\udcff", "/srv/49")
    with manifest.Gone(tmp_path) as gone:
        for name in [*range(50), "\udcff"]:
            gone.add(f"{name}")
        assert list(gone.lost(repository, {}, "/srv")) == [contents.missing(name) for name in ("7", "49", "\udcff")]
    assert repository.asked == [20, 20, 11]
    assert gone.removed == ["0", "1", "2", "3", "4", "5", "6", "8", "9", "10"]
    assert os.listdir(tmp_path) == []


def test_what_no_snapshot_has_is_not_held_for_backed_up(tmp_path):
    name = f"{contents.UNFINISHED}x"
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / name).write_text("half")
    assert list(contents.artifacts(str(tmp_path), contents.Listed(()))) == []
    (tmp_path / name).mkdir()
    (tmp_path / name / "model.bin").write_text("whole")
    with pytest.raises(OSError, match="which is in no snapshot"):
        list(contents.artifacts(str(tmp_path), contents.Listed(())))
    missed, root = [], trees.open_directory(tmp_path, [tmp_path])
    assert list(contents.artifacts_within(trees.walk(root), contents.Listed(()), missed.append)) == []
    assert [parts[-1] for parts in missed] == ["model.bin"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1e400", "NaN", "9" * 5000, "null", ""])
def test_a_manifest_that_is_none_is_refused(text):
    repository = mock.Mock(team="vision", read=lambda *_words: text)
    with pytest.raises(restic.BackupError, match="snapshot abc has a manifest that no backup of this team has written"):
        manifest.read_manifest(repository, {"paths": ["/var/lib/mlflow-backup/vision"], "short_id": "abc"})


def test_of_a_line_without_an_end_little_is_in_memory():
    script = b"COPY public.runs (name) FROM stdin;\n" + b"x" * (3 * contents.PIECE) + b"\ny\n\\.\n"
    assert max(map(len, contents.beginnings(io.BytesIO(script)))) == contents.PIECE
    assert contents.rows_of_script(contents.beginnings(io.BytesIO(script))) == {"runs": 2}
