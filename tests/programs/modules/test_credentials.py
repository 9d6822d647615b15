"""The module gives each user their files and nobody else's, and takes back what it gave."""

import os
import pwd
import stat

import pytest

ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid()).pw_name
PASSWORD, OTHER = "canary-pass-word", "canary-other-word"


@pytest.fixture
def home(tmp_path, monkeypatch, request):
    """A home of the user who runs the tests, wherever theirs is."""
    wrapper = tmp_path / "lib" / "sitecustomize.py"
    wrapper.parent.mkdir()
    place = tmp_path / "home"
    place.mkdir()
    wrapper.write_text(
        "import pwd\n_entry = pwd.getpwnam\n"
        f"pwd.getpwnam = lambda name: pwd.struct_passwd((*_entry(name)[:5], {str(place)!r}, _entry(name)[6]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(wrapper.parent))
    return place


@pytest.fixture
def give(run_module):
    def run(*teams, passwords=None, name=ME, **options):
        given = [{"name": team, "tracking_uri": f"https://{team}", "username": "alice"} for team in teams]
        known = dict.fromkeys(teams, PASSWORD) if passwords is None else passwords
        arguments = {"users": [{"name": name, "teams": given}], "passwords": {name: known}}
        answer = run_module("credentials", arguments, **options)
        assert "canary" not in answer.output
        return answer

    return run


def files(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir())


ALL = [".config/mlflow/default.env", ".config/mlflow/nlp.env", ".config/mlflow/vision.env", ".mlflow/credentials"]


def test_writes_once_and_only_for_the_user(home, give):
    assert give("vision", "nlp", check=True).changed
    assert files(home) == []
    assert give("vision", "nlp").changed
    assert files(home) == ALL
    for name in ALL[1:]:
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / ".config/mlflow").stat().st_mode) == 0o700
    assert os.readlink(home / ALL[0]) == "vision.env"
    assert not give("vision", "nlp").changed
    assert not give("vision", "nlp", check=True).changed


def test_takes_back_what_it_gave_and_nothing_else(home, give):
    give("vision", "nlp")
    (home / ".config/mlflow/own.env").write_text("MINE=1\n")
    with open(home / ".mlflow/credentials", "a") as file:
        file.write("[databricks]\nhost = x\n")
    answer = give("nlp")
    assert answer.result["steps"][-1].endswith("vision.env")
    assert files(home) == [ALL[0], ALL[1], ".config/mlflow/own.env", ALL[3]]
    assert os.readlink(home / ALL[0]) == "nlp.env"
    assert give().changed
    assert files(home) == [".config/mlflow/own.env", ALL[3]]
    assert (home / ALL[3]).read_text() == "[mlflow]\n[databricks]\nhost = x\n"
    assert not give().changed


def test_leaves_an_account_that_it_did_not_write(home, give):
    (home / ".mlflow").mkdir()
    own = "[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = mine\n"
    (home / ".mlflow/credentials").write_text(own)
    assert not give().changed
    assert (home / ".mlflow/credentials").read_text() == own


def test_a_password_that_is_not_given_stays(home, give):
    give("vision")
    before = (home / ALL[2]).read_text()
    assert not give("vision", passwords={}).changed
    assert (home / ALL[2]).read_text() == before
    assert give("vision", passwords={"vision": OTHER}).changed
    assert OTHER in (home / ALL[3]).read_text()
    assert not give("nlp", "vision", passwords={"vision": OTHER}).changed


def test_a_mode_that_others_can_read_is_mended(home, give):
    give("vision")
    for name in ALL[2:]:
        (home / name).chmod(0o644)
    assert len(give("vision").result["steps"]) == 2
    assert not give("vision").changed


def test_a_link_that_the_user_keeps_is_followed(home, give):
    (home / "dotfiles").mkdir()
    (home / "dotfiles" / "credentials").write_text("")
    (home / ".mlflow").mkdir()
    (home / ".mlflow/credentials").symlink_to(home / "dotfiles" / "credentials")
    give("vision")
    assert (home / ".mlflow/credentials").is_symlink()
    assert PASSWORD in (home / "dotfiles" / "credentials").read_text()


def test_who_is_not_there_is_named(give):
    answer = give("vision", name="no-such-user")
    assert answer.failed
    assert answer.result["msg"] == "no-such-user: there is no such user on this host"


@pytest.mark.skipif(not ROOT, reason="only root can work as somebody else")
def test_roots_rights_are_not_lent_to_a_user(home, give, tmp_path):
    """A link to where the user may not write is not followed with root's rights."""
    tmp_path.chmod(0o755)
    home.chmod(0o777)
    (tmp_path / "roots").mkdir(mode=0o700)
    (home / ".config").symlink_to(tmp_path / "roots")
    answer = give("vision", name="nobody")
    assert answer.failed
    assert list((tmp_path / "roots").iterdir()) == []
