"""Names of files and tables are people's: what is said of them is one line, and does nothing to a terminal."""

from mlflowctl.backup import contents, snapshot

ODD = "a\nartifact b is fine\x1b[2K\u202e\udcff"
SHOWN = "a\\nartifact b is fine\\x1b[2K\\u202e\\udcff"


def test_what_is_wrong_with_an_artifact_is_a_line():
    wanted, gone = [{"path": ODD, "size": 1, "sha256": "x"}], []
    assert list(contents.differences(wanted, [], 2, gone.append)) == []
    assert [contents.missing(path) for path in gone] == [f"artifact {SHOWN} is missing"]
    other = [{"path": ODD, "size": 2, "sha256": "y", "mtime": 1}]
    assert list(contents.differences(wanted, other, 2, gone.append)) == [f"artifact {SHOWN} is another one"]
    # Another time is no damage, and the same one from the future is no excuse for it.
    there = [{**other[0], "mtime": 9}]
    told = [list(contents.differences([{**wanted[0], "mtime": at}], there, 2, gone.append)) for at in (8, 9)]
    assert [len(it) for it in told] == [0, 1]
    assert contents.missing("1/run/model.bin") == "artifact 1/run/model.bin is missing"


def test_what_could_not_be_read_is_a_line(tmp_path):
    listed = tmp_path / "artifacts.jsonl"
    listed.touch()
    assert snapshot.serious([(f"/else/{ODD}", '"denied"')], tmp_path, listed) == [f'/else/{SHOWN}: "denied"']
