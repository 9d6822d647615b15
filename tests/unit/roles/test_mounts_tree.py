"""What a person sees, and reads, of a server: told well, told badly, or not told."""

import contextlib
import errno
import json
import os
import threading
import time

import pytest
from mlflow_mounts import patience
from mlflow_mounts.artifacts import asking, reading, server, tree
from mlflow_mounts.fuse import wire
from unit.roles import mounts_lab

API = "/api/2.0/mlflow"
RUN, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
TOP = ("vision", "a", f"base@{RUN[:8]}")
STORED = f"1/{RUN}/artifacts"


@pytest.fixture
def lab():
    with mounts_lab.running() as found:
        found.answers = {
            f"{API}/experiments/search": {
                "experiments": [
                    {"name": "a", "experiment_id": "1", "artifact_location": "mlflow-artifacts:/1"},
                    {"name": "y/z", "experiment_id": "2", "artifact_location": "s3://elsewhere/2"},
                ]
            },
            server.STORE: {"files": [{"path": RUN, "is_dir": True}, {"path": "models", "is_dir": True}]},
            f"{API}/runs/search": {"runs": [run(RUN), run(OTHER)]},
            f"{API}/logged-models/search": {"models": []},
            f"{API}/artifacts/list": lambda asked: {"files": listing(asked.get("path", ""))},
        }
        found.files = {f"{STORED}/big": os.urandom(3 * reading.PIECE + 5), f"{STORED}/empty": b""}
        yield found


def run(identity, **changes):
    place = f"mlflow-artifacts:/1/{identity}/artifacts"
    return {"info": {"run_id": identity, "run_name": "base", "artifact_uri": place, "start_time": 5000, **changes}}


def listing(below):
    if below == "d":
        return [{"path": "d/x", "file_size": 3}]
    sizes = {"big": 3 * reading.PIECE + 5, "empty": 0}
    return [*({"path": name, "file_size": size} for name, size in sizes.items()), {"path": "d", "is_dir": True}]


@pytest.fixture
def mine(tmp_path, lab, monkeypatch):
    folder = tmp_path / ".config" / "mlflow"
    folder.mkdir(parents=True)
    (folder / "vision.env").write_text(
        f"MLFLOW_TRACKING_URI={lab.uri}\nMLFLOW_TRACKING_USERNAME=alice\nMLFLOW_TRACKING_PASSWORD=secret\n"
    )
    patience.begin()
    found = tree.Tree(str(tmp_path))
    yield found
    for opened in list(found._open):
        opened.close()
    monkeypatch.setattr(asking, "QUIET", -1.0)
    found.rest()


def error_of(call, *arguments):
    with pytest.raises(OSError) as raised:  # noqa: PT011 - its number is looked at
        call(*arguments)
    return errno.errorcode[raised.value.errno]


def test_teams_experiments_runs_and_files(mine, lab):
    assert lab.asked == []
    assert list(mine.children(())) == ["vision"]
    # Nobody was asked so far.
    assert lab.asked == []
    assert list(mine.children(("vision",))) == ["a", "y%2Fz"]
    # The answer names more than was asked for.
    assert list(mine.children(("vision", "a"))) == ["models", TOP[2], f"base@{OTHER[:8]}"]
    assert lab.asked[-1][1]["filter"] == f"attributes.run_id IN ('{RUN}')"
    assert {name: entry.size for name, entry in mine.children(TOP).items()} == {
        "big": 3 * reading.PIECE + 5,
        "empty": 0,
        "d": 0,
    }
    assert mine.entry((*TOP, "d", "x")).path == "d/x"
    count = len(lab.asked)
    assert mine.entry((*TOP, "d", "x")).size == 3
    assert len(lab.asked) == count


def test_a_run_has_other_names_that_are_not_listed(mine):
    for name in ("base", RUN):
        assert mine.entry(("vision", "a", name)).target == TOP[2]
    assert error_of(mine.entry, ("vision", "a", "bas")) == "ENOENT"
    assert error_of(mine.entry, ("nlp",)) == "ENOENT"
    assert error_of(mine.children, ("..", "a")) == "ENOENT"


def test_where_artifacts_lie_elsewhere_all_runs_are_listed(mine, lab):
    assert list(mine.children(("vision", "y%2Fz")))[1:] == [TOP[2], f"base@{OTHER[:8]}"]
    assert "filter" not in lab.asked[-1][1]


def test_all_pages_are_read_and_none_twice(mine, lab):
    pages = {"": ([RUN], "2"), "2": ([OTHER], "3"), "3": ([], "3")}

    def search(asked):
        found, following = pages[asked.get("page_token", "")]
        return {"runs": [run(each) for each in found], "next_page_token": following}

    lab.answers[f"{API}/runs/search"] = search
    assert len(mine.children(("vision", "y%2Fz"))) == 3
    # A server that begins anew keeps nobody.
    lab.answers[f"{API}/artifacts/list"] = {"files": [{"path": "one", "file_size": 1}], "next_page_token": "again"}
    assert list(mine.children(TOP))[:1] == ["one"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no json",
        b"[" * 100_000,
        [],
        {"experiments": "a"},
        {"experiments": ["a"]},
        {"experiments": {"a": 1}},
        302,
        500,
    ],
)
def test_what_mlflow_would_not_say_is_an_error(mine, lab, answer):
    lab.answers[f"{API}/experiments/search"] = answer
    assert error_of(mine.children, ("vision",)) in ("EPROTO", "EIO")
    assert [path for path, _asked, _range in lab.asked] == [f"{API}/experiments/search"]


@pytest.mark.parametrize("value", [None, 5, ["x"], {}, True])
def test_things_of_the_wrong_kind_break_nothing(mine, lab, value):
    keys = ("run_id", "run_name", "artifact_uri", "start_time")
    odd = [run(RUN, **{key: value}) for key in keys]
    lab.answers[f"{API}/runs/search"] = {"runs": [*odd, {"info": value}, {}]}
    lab.answers[f"{API}/artifacts/list"] = {"files": [{"path": value, "file_size": value, "is_dir": value}]}
    for name in mine.children(("vision", "y%2Fz")):
        mine.children(("vision", "y%2Fz", name))


def test_half_of_a_character_is_asked_about_as_it_is(mine, lab):
    """JSON can carry one, and a server that is not MLflow may have it anywhere."""
    half, place = "\ud800", "mlflow-artifacts:/1/\ud800/artifacts"
    lab.answers[f"{API}/runs/search"] = {"runs": [run(RUN, artifact_uri=place)]}
    lab.answers[f"{API}/artifacts/list"] = {"files": [{"path": half, "file_size": 1}]}
    model = {"model_id": half, "name": half, "artifact_uri": half}
    lab.answers[f"{API}/logged-models/search"] = {"models": [{"info": model}]}
    quoted = "%ED%A0%80"
    lab.answers[f"{API}/logged-models/{quoted}/artifacts/directories"] = {"files": [{"path": half, "file_size": 1}]}
    for path in (TOP, (*TOP[:2], "models", f"{quoted}@{quoted[:8]}")):
        assert list(mine.children(path)) == [quoted]
        assert error_of(mine.open, (*path, quoted)) == "ENOENT"
    asked = [path for path, _asked, _range in lab.asked if quoted in path]
    assert f"/api/2.0/mlflow-artifacts/artifacts/1/{quoted}/artifacts/{quoted}" in asked
    assert f"/ajax-api/2.0/mlflow/logged-models/{quoted}/artifacts/files" in asked


def test_files_that_are_no_names_are_not_shown(mine, lab):
    hostile = ["..", ".", "", "a/..", "b\0", ".artifact.uploading.x1", "d/../../e", "f\n", "f%0A"]
    lab.answers[f"{API}/artifacts/list"] = {"files": [{"path": path, "file_size": 1} for path in hostile]}
    found = mine.children(TOP)
    # Who is called so has the name; a path is the last part of it, below what was asked for.
    assert {name: entry.path for name, entry in found.items()} == {"e": "e", "f%0A": "f%0A", "f%0A~f%0A": "f\n"}


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(401, "EACCES"), (403, "EACCES"), (404, "ENOENT"), (504, "ETIMEDOUT"), (418, "EIO"), (302, "EIO")],
)
def test_a_refusal_is_what_it_means(mine, lab, status, meaning):
    lab.answers[f"{API}/experiments/search"] = status
    assert error_of(mine.children, ("vision",)) == meaning


def test_a_log_in_that_was_refused_is_not_tried_again_at_once(mine, lab, tmp_path):
    file = tmp_path / ".config" / "mlflow" / "vision.env"
    right = file.read_text()
    file.write_text(right.replace("secret", "wrong one"))
    team = mine._teams["vision"] = asking.Team(str(file))
    for _time in range(3):
        assert error_of(team.get, f"{API}/x") == "EACCES"
    assert len(lab.asked) == 1
    # Another file is another log-in, at once.
    file.write_text(right)
    lab.answers[f"{API}/x"] = {}
    assert team.get(f"{API}/x") == {}


@pytest.mark.parametrize("status", [429, 502, 503])
def test_what_passes_is_waited_for(mine, lab, status):
    lab.statuses = [status, status]
    assert list(mine.children(("vision",))) == ["a", "y%2Fz"]


def test_all_who_wait_get_one_answer(mine, lab, monkeypatch):
    # However late some of them come on a busy machine.
    monkeypatch.setattr(tree, "FAILED", 600)
    lab.hold.clear()
    lab.answers[f"{API}/experiments/search"] = 500
    failures = []
    threads = [
        threading.Thread(target=lambda: failures.append(error_of(mine.children, ("vision",)))) for _n in range(9)
    ]
    for thread in threads:
        thread.start()
    lab.hold.set()
    for thread in threads:
        thread.join()
    assert failures == ["EIO"] * 9
    assert len(lab.asked) == 1


def test_nobody_waits_beyond_their_patience(mine, lab, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    lab.hold.clear()
    patience.begin()
    before = time.monotonic()
    assert error_of(mine.children, ("vision",)) == "ETIMEDOUT"
    # What is asked for does not come for five minutes.
    assert time.monotonic() - before < 240


def test_a_byte_now_and_then_is_no_answer_either(mine, lab, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 1)
    lab.manner = "drip"
    lab.answers[f"{API}/experiments/search"] = b" " * 2000
    patience.begin()
    resting = threading.Event()

    def rest():
        while not resting.wait(0.1):
            mine.rest()

    thread = threading.Thread(target=rest)
    thread.start()
    before = time.monotonic()
    try:
        assert error_of(mine.children, ("vision",)) == "ETIMEDOUT"
    finally:
        resting.set()
        thread.join()
    # All of it takes 400 seconds.
    assert time.monotonic() - before < 240


def whole(file):
    parts, at = [], 0
    while part := file.read(at, 200_000):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


@pytest.mark.parametrize("manner", ["", "none", "chunked"])
def test_files_are_read_as_they_are(mine, lab, manner):
    lab.manner = manner
    wanted = lab.files[f"{STORED}/big"]
    opened = mine.open((*TOP, "big"))
    assert opened.size == len(wanted)
    assert opened.version
    assert whole(opened) == wanted
    # Anywhere, also backwards, over the edges of pieces, and beyond the end.
    for offset in (3 * reading.PIECE, reading.PIECE - 7, 0, 2 * reading.PIECE - 1, len(wanted) - 3, len(wanted) + 9):
        assert opened.read(offset, 100) == wanted[offset : offset + 100]
    opened.close()
    empty = mine.open((*TOP, "empty"))
    assert (empty.size, empty.read(0, 10)) == (0, b"")
    empty.close()


@pytest.mark.parametrize("manner", ["", "none"])
def test_what_is_at_hand_is_what_was_read(mine, lab, manner):
    lab.manner = manner
    wanted = lab.files[f"{STORED}/big"]
    opened = mine.open((*TOP, "big"))
    opened.read(len(wanted) - 5, 5)
    piece, end = reading.PIECE, len(wanted)
    asked = [(0, 9), (piece - 9, 9), (end - 5, 100), (piece - 1, 2), (piece, 1), (end, 1), (end + 9, 1)]
    found = [opened.at_hand(*each) for each in asked]
    # Of a file that comes whole nothing is in memory; else neither what was not read, nor what is in two pieces.
    kept = 0 if manner else 3
    assert found == [wanted[at : at + size] for at, size in asked[:kept]] + [None] * (len(asked) - kept)
    opened.close()


# Where it is cut off, who reads it asks once more.
@pytest.mark.parametrize("manner", ["", "cut-once"])
def test_the_next_piece_is_fetched_before_anybody_reads_it(mine, lab, manner):
    following = 2 * reading.PIECE
    wanted = lab.files[f"{STORED}/big"][following:][:9]
    opened = mine.open((*TOP, "big"))
    # Nothing comes yet.
    assert opened.ahead(0) is None
    lab.manner = manner
    opened.read(reading.PIECE, 9)
    fetch, asked = opened.ahead(reading.PIECE + 9), len(lab.asked)
    # Once is enough.
    assert opened.ahead(reading.PIECE + 99) is None
    fetch()
    assert opened.at_hand(following, 9) == (None if manner else wanted)
    assert opened.read(following, 9) == wanted
    assert len(lab.asked) == asked + bool(manner)
    opened.close()


def test_nothing_is_closed_while_it_is_fetched(mine, monkeypatch):
    opened = mine.open((*TOP, "big"))
    opened.read(reading.PIECE, 9)
    fetch, answer = opened.ahead(reading.PIECE), opened._stream[0]
    begun, go_on, said, close = threading.Event(), threading.Event(), [], answer.close

    def read(size):
        begun.set()
        assert go_on.wait(300)
        said.append("read")
        return bytes(size)

    monkeypatch.setattr(answer, "read", read)
    monkeypatch.setattr(answer, "close", lambda: (said.append("closed"), close()))
    fetching, closing = threading.Thread(target=fetch), threading.Thread(target=opened.close)
    fetching.start()
    assert begun.wait(300)
    closing.start()
    # Long enough for what would not wait.
    closing.join(0.5)
    go_on.set()
    for thread in (fetching, closing):
        thread.join(300)
    assert said == ["read", "closed"]


@pytest.mark.parametrize("manner", ["cut", "cut-whole", "other"])
def test_what_does_not_come_whole_is_an_error_and_never_less(mine, lab, manner):
    mine.children(TOP)
    lab.manner = manner

    def read():
        with contextlib.closing(mine.open((*TOP, "big"))) as opened:
            whole(opened)

    assert error_of(read) == "EIO"


# As one stream from there on, or as a piece by itself.
@pytest.mark.parametrize("start", [0, 2 * reading.PIECE])
def test_who_reads_goes_on_after_an_answer_was_cut(mine, lab, start):
    wanted = lab.files[f"{STORED}/big"][start:]
    opened = mine.open((*TOP, "big"))
    lab.manner = "cut-once"
    assert opened.read(start, len(wanted)) == wanted
    assert lab.manner == ""


def test_a_file_that_grows_is_read_as_far_as_it_went(mine, lab):
    name = f"{STORED}/big"
    opened = mine.open((*TOP, "big"))
    before = lab.files[name]
    lab.files[name] += b"more"
    assert whole(opened) == before
    again = mine.open((*TOP, "big"))
    assert whole(again) == lab.files[name]
    # And is shown with its size from then on.
    assert mine.entry((*TOP, "big")).size == len(before) + 4
    lab.files[name] = b"less"
    fresh = reading.Artifact(mine._teams["vision"], f"{server.STORE}/{name}", reading.Room(4))
    assert whole(fresh) == b"less"


def test_each_open_is_asked_for(mine, lab):
    mine.open((*TOP, "big"))
    del lab.files[f"{STORED}/big"]
    assert error_of(mine.open, (*TOP, "big")) == "ENOENT"
    assert error_of(mine.open, (*TOP, "d")) == "EISDIR"
    assert error_of(mine.open, ("vision", "a")) == "EISDIR"


def test_what_is_revoked_has_no_name_for_longer_than_that(mine, lab, monkeypatch):
    # What the kernel may keep of an answer, and what of the server's: promised are 16 seconds.
    assert wire.KERNEL_SECONDS + tree.FRESH <= 16
    assert "a" in mine.children(("vision",))
    lab.answers[f"{API}/experiments/search"] = {"experiments": []}
    assert "a" in mine.children(("vision",))
    now = time.monotonic()
    monkeypatch.setattr(tree.time, "monotonic", lambda: now + tree.FRESH)
    assert mine.children(("vision",)) == {}


def test_what_nobody_uses_is_closed(mine, lab, monkeypatch):
    opened = mine.open((*TOP, "big"))
    opened.read(reading.PIECE, 10)
    team = mine._teams["vision"]
    assert opened._stream
    for module in (asking, reading):
        monkeypatch.setattr(module, "QUIET", -1.0)
    mine.rest()
    assert (opened._stream, team._kept) == (None, [])
    assert opened.read(2 * reading.PIECE, 10) == lab.files[f"{STORED}/big"][2 * reading.PIECE :][:10]
    opened.close()


def test_models_are_read_by_their_own_routes(mine, lab):
    info = {"model_id": "m-0123456789", "name": "doubler", "artifact_uri": "s3://elsewhere/m"}
    lab.answers[f"{API}/logged-models/search"] = {"models": [{"info": info}]}
    lab.answers[f"{API}/logged-models/m-0123456789/artifacts/directories"] = {"files": [{"path": "MLmodel"}]}
    files = "/ajax-api/2.0/mlflow/logged-models/m-0123456789/artifacts/files"
    lab.answers[files] = lambda asked: json.dumps(asked).encode()
    top = ("vision", "a", "models", "doubler@01234567")
    assert list(mine.children(top[:3])) == [top[3]]
    opened = mine.open((*top, "MLmodel"))
    assert opened.read(0, 100) == b'{"artifact_file_path": "MLmodel"}'
    opened.close()


def test_who_reads_what_is_closed_meanwhile_opens_nothing(mine, lab):
    opened = mine.open((*TOP, "big"))
    opened.close()
    asked = len(lab.asked)
    for offset in (0, reading.PIECE):
        assert opened.at_hand(offset, 9) is None
        assert error_of(opened.read, offset, 9) == "EBADF"
    assert len(lab.asked) == asked


def test_who_opens_many_files_has_not_all_of_them_in_memory(mine, lab):
    mine._room = reading.Room(4)
    wanted = lab.files[f"{STORED}/big"]
    opened = [mine.open((*TOP, "big")) for _number in range(9)]
    for file in opened:
        assert whole(file) == wanted
    assert sum(len(file._pieces) for file in opened) <= 4
    assert opened[0].read(5, 9) == wanted[5:14]
    for file in opened:
        file.close()


def test_how_deep_artifacts_lie_is_not_for_who_logs_them(mine, lab):
    lab.answers[f"{API}/artifacts/list"] = lambda asked: {
        "files": [{"path": f"{asked.get('path', '')}/d".lstrip("/"), "is_dir": True}]
    }
    # Nothing is known yet: each level is asked about for the one below.
    assert list(mine.children((*TOP, *["d"] * (tree.DEEPEST - len(TOP))))) == ["d"]
    assert error_of(mine.children, (*TOP, *["d"] * 2000)) == "ENAMETOOLONG"


def test_pages_that_lead_in_a_circle_end(mine, lab):
    following = {"": "a", "a": "b", "b": "c", "c": "a"}
    for path, key in ((f"{API}/experiments/search", "experiments"), (f"{API}/artifacts/list", "files")):
        former = lab.answers[path]

        def answer(asked, former=former, key=key):
            told = former(asked) if callable(former) else former
            return {key: told[key], "next_page_token": following[asked.get("page_token", "")]}

        lab.answers[path] = answer
    lab.asked.clear()
    assert mine.children(TOP)
    for path in (f"{API}/experiments/search", f"{API}/artifacts/list"):
        assert len([asked for asked in lab.asked if asked[0] == path]) == 4
