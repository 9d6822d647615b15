"""An archive takes the place of no other, and of what is being written only what is its own team's goes."""

import time

from mlflowctl.retirement import archive


def written(directory):
    return archive.write_tar(directory, "vision", "", lambda _tar: None)


def test_a_clock_that_was_set_back_costs_no_archive(tmp_path, monkeypatch):
    now = time.time()
    moments = iter([now, now, now, now + 1])
    monkeypatch.setattr(archive.time, "gmtime", lambda: time.localtime(next(moments)))
    first, second = written(tmp_path), written(tmp_path)
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_what_others_write_beside_it_stays(tmp_path):
    for name in ("vision-two", "vision"):
        (tmp_path / f".{name}-20261129T120000Z.tar.gz.part").touch()
    path = written(tmp_path)
    assert {it.name for it in tmp_path.iterdir()} == {path.name, ".vision-two-20261129T120000Z.tar.gz.part"}
