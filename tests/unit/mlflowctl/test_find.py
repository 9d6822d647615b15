"""What is left of a team is found where everybody may make and remove what they like."""

import dataclasses
import threading

from mlflowctl.retirement import find


def test_what_others_make_and_remove_meanwhile_keeps_no_team_from_being_looked_for(tmp_path):
    names = [tmp_path / f"mlflow-look.vision.{number}" for number in range(500)]
    ended = threading.Event()

    def come_and_go():
        while not ended.is_set():
            for name in names:
                name.touch()
            for name in names:
                name.unlink()

    places = dataclasses.replace(find.Places(), looks=tmp_path, backups=tmp_path / "none")
    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _time in range(200):
            find.left_by_backups("vision", places)
    finally:
        ended.set()
        thread.join()
