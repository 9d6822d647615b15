"""Files that say they have more than stands on any disk."""

import os

import pytest
from mlflowctl import holes, trees
from mlflowctl.backup import contents
from mlflowctl.retirement import archive

MB = 1 << 20
NOTHING = contents.Listed(())


@pytest.fixture
def sparse(tmp_path):
    """Artifacts, of which one has 1 TiB, in a single call."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    folder = tmp_path / "1"
    folder.mkdir()
    with open(folder / "huge\n", "wb") as file:
        file.write(b"a")
        file.truncate(1 << 40)
    return tmp_path


SAID = r"artifact 1/huge\\n says that it has 1024 GiB, most of which nobody has written: it is sparse; remove it"


def test_none_of_them_is_read_for_a_backup(sparse):
    with pytest.raises(holes.HolesError, match=SAID):
        list(contents.artifacts(str(sparse), NOTHING))


def test_none_of_clients_is_read(sparse):
    root = os.open(sparse, trees.DIRECTORY)
    try:
        with pytest.raises(holes.HolesError, match=SAID):
            list(contents.artifacts_within(trees.walk(root), NOTHING, lambda _parts: None))
    finally:
        os.close(root)


def test_none_is_archived(sparse):
    with pytest.raises(holes.HolesError, match=SAID):
        archive.tree_size(sparse)


def test_many_of_them_count_together(tmp_path, monkeypatch):
    monkeypatch.setattr(holes, "MOST", 10 * MB)
    for number in range(6):
        with open(tmp_path / str(number), "wb") as file:
            file.truncate(2 * MB)
    with pytest.raises(holes.HolesError, match="artifact 5 says"):
        list(contents.artifacts(str(tmp_path), NOTHING))
    (tmp_path / "5").unlink()
    assert len(list(contents.artifacts(str(tmp_path), NOTHING))) == 5


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [([], 4 * MB), ([0], 3 * MB), ([0, 2], 2 * MB), ([0, 1, 2, 3], 0)],
)
def test_what_stands_there_is_none_of_it(tmp_path, pieces, expected):
    with open(tmp_path / "file", "w+b") as file:
        file.truncate(4 * MB)
        for piece in pieces:
            os.pwrite(file.fileno(), b"x" * MB, piece * MB)
        os.fsync(file.fileno())
        assert holes.left_out(file.fileno()) == expected


def test_one_with_more_pieces_than_are_looked_at_is_taken_at_its_word(tmp_path, monkeypatch):
    monkeypatch.setattr(holes, "MOST_PIECES", 2)
    with open(tmp_path / "file", "w+b") as file:
        for number in range(8):
            os.pwrite(file.fileno(), b"x" * MB, 2 * number * MB)
        os.fsync(file.fileno())
        assert holes.left_out(file.fileno()) > 6 * MB
