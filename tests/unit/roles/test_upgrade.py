"""What an upgrade works out before it touches anything."""

import pytest


@pytest.fixture
def upgrade(host_program):
    return host_program("upgrade")


@pytest.mark.parametrize(
    ("uri", "file", "expected"),
    [
        ("sqlite:////srv/a b/runs.db", "/srv/a b/runs.db", "sqlite:////srv/a b/runs.db.upgrading"),
        ("sqlite:///runs.db", "/var/lib/mlflow/x/runs.db", "sqlite:////var/lib/mlflow/x/runs.db.upgrading"),
        ("sqlite+pysqlite:////x.db?timeout=9", "/x.db", "sqlite+pysqlite:////x.db.upgrading?timeout=9"),
        ("postgresql+psycopg://a:b@c/d", None, "postgresql+psycopg://a:b@c/d"),
    ],
)
def test_only_a_file_is_migrated_beside_its_place(upgrade, uri, file, expected):
    assert upgrade.moved(uri, file, ".upgrading") == expected


def test_versions_compare_by_their_numbers(upgrade):
    assert upgrade.release("3.9.1") < upgrade.release("3.17.0") == upgrade.release("3.17.0rc1")


def test_settings_are_read_as_systemd_reads_them(upgrade, host_program, tmp_path):
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision" / "environment").write_text('# For it\nA="x \\"y\\" \\$HOME \\\\ 100% #"\nEMPTY=""\n')
    (tmp_path / "vision" / "secrets.env").write_text("# Managed\nKEY=plain=with=equals\n")
    team = host_program("team").Team("vision", "", "", "", "", "", "", [], None, [], tmp_path)
    assert upgrade.settings(team) == {"A": 'x "y" $HOME \\ 100% #', "EMPTY": "", "KEY": "plain=with=equals"}


def test_what_a_program_said_has_no_password_in_it(upgrade):
    said = "\n".join([*map(str, range(30)), "cannot reach postgresql+psycopg://ann:s3cret/%40@db/x now"])
    assert upgrade.last_lines(said).splitlines()[-1] == "cannot reach postgresql+psycopg://ann:***@db/x now"
    assert len(upgrade.last_lines(said).splitlines()) == 12


def test_after_a_failure_no_further_team_is_begun(upgrade, monkeypatch, tmp_path):
    begun = []

    def pretend(name, wanted, install_dir):
        begun.append(name)
        if name == "b":
            raise upgrade.UpgradeError("step by step")
        return f"to {wanted}"

    monkeypatch.setattr(upgrade, "upgrade", pretend)
    found = upgrade.upgrade_all(dict.fromkeys("abcd", "3.17.2"), tmp_path, 1)
    assert begun == ["a", "b"]
    assert found["upgraded"] == {"a": "to 3.17.2"}
    assert found["failures"]["b"] == "step by step"
    assert "was not begun" in found["failures"]["c"]
