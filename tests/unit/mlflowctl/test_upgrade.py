"""What an upgrade works out before it touches anything."""

import contextlib

import pytest
from mlflowctl import team, upgrade


@pytest.mark.parametrize(
    ("uri", "file", "expected"),
    [
        ("sqlite:////srv/a b/runs.db", "/srv/a b/runs.db", "sqlite:////srv/a b/runs.db.upgrading"),
        ("sqlite:///runs.db", "/var/lib/mlflow/x/runs.db", "sqlite:////var/lib/mlflow/x/runs.db.upgrading"),
        ("sqlite+pysqlite:////x.db?timeout=9", "/x.db", "sqlite+pysqlite:////x.db.upgrading?timeout=9"),
        ("postgresql+psycopg://a:b@c/d", None, "postgresql+psycopg://a:b@c/d"),
    ],
)
def test_only_a_file_is_migrated_beside_its_place(uri, file, expected):
    assert upgrade.moved(uri, file, ".upgrading") == expected


def test_versions_compare_by_their_numbers():
    assert upgrade.release("3.9.1") < upgrade.release("3.17.0") == upgrade.release("3.17.0rc1")


def test_settings_are_read_as_systemd_reads_them(tmp_path):
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision" / "environment").write_text(
        '# For it\nA="x \\"y\\" \\$HOME \\\\ 100% #"\nKEY="{\n  \'a\': 1\n}"\n'
    )
    (tmp_path / "vision" / "secrets.env").write_text("# Managed\nB=plain=with=equals\n")
    it = team.Team("vision", "", "", "", "", "", [], None, [], tmp_path)
    assert upgrade.settings(it) == {
        "A": 'x "y" $HOME \\ 100% #',
        "KEY": "{\n  'a': 1\n}",
        "B": "plain=with=equals",
    }


def test_what_must_not_be_shown_of_a_team_is_known(tmp_path):
    (tmp_path / "vision").mkdir()
    settings = 'STORE="postgresql://x:of%20settings@y/z"\nAWS_SECRET_ACCESS_KEY=of-s3\nPORT=5001\n'
    (tmp_path / "vision" / "environment").write_text(settings)
    (tmp_path / "vision" / "secrets.env").write_text("MLFLOW_FLASK_SERVER_SECRET_KEY=of-flask\n")
    databases = [{"name": "mlflow", "uri": "postgresql+psycopg://ann:of%40database@db/x", "file": None}]
    it = team.Team("vision", "", "", "", "", "", databases, None, [], tmp_path)
    assert {"of%40database", "of%20settings", "of-s3", "of-flask"} <= upgrade.secrets(it)
    assert "5001" not in upgrade.secrets(it)


def test_after_a_failure_no_further_upgrade_is_begun(monkeypatch, tmp_path):
    begun = []

    def pretend(name, wanted, install_dir, held_back):
        if name != "new" and held_back():
            raise upgrade.HeldBackError
        begun.append(name)
        if name in ("a", "bad"):
            problem = upgrade.UpgradeError(f"of {name}")
            problem.due = name == "a"
            raise problem
        return None if name == "new" else f"to {wanted}"

    monkeypatch.setattr(upgrade, "upgrade", pretend)
    found = upgrade.upgrade_all(dict.fromkeys(["bad", "first", "a", "late", "new"], "3.17.2"), tmp_path, 1)
    assert begun == ["bad", "first", "a", "new"]
    assert found["upgraded"] == {"first": "to 3.17.2"}
    assert found["failures"] == {
        "bad": "of bad",
        "a": "of a",
        "late": "its upgrade to 3.17.2 was not begun, since that of another team failed",
    }


@pytest.mark.parametrize("error", [TypeError("'<' not supported"), KeyError("state"), RecursionError(), MemoryError()])
def test_whatever_a_team_has_in_its_databases_the_others_go_on(monkeypatch, tmp_path, error):
    class Going:
        step, due = "check", False

        def __init__(self, team, *_more):
            self.team = team

        def run(self):
            if self.team.name == "bad":
                raise error
            return "done"

    monkeypatch.setattr(upgrade, "Upgrade", Going)
    monkeypatch.setattr(upgrade, "Change", lambda *_words: contextlib.nullcontext())
    monkeypatch.setattr(upgrade.teams, "load", lambda name: team.Team(name, "", "", "", "", "", [], None, [], tmp_path))
    monkeypatch.setattr(upgrade.causes, "note", lambda *_words: None)
    found = upgrade.upgrade_all({"bad": "3.17.2", "good": "3.17.2"}, tmp_path, 2)
    assert found["upgraded"] == {"good": "done"}
    assert "failed at step 'check', so nothing was changed" in found["failures"]["bad"]
