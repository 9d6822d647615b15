"""Making a release, in a copy of this checkout."""

import datetime
import os
import shutil
import subprocess
import sys
import tarfile

import project
import pytest
import yaml

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


@pytest.fixture
def checkout(tmp_path):
    """A repository with this checkout's files, in one commit."""
    target = tmp_path / "checkout"
    project.copy_sources(target)
    call(target, "git", "init", "-q", "-b", "main")
    call(target, "git", "add", "-A")
    call(target, "git", "commit", "-qm", "All")
    return target


def call(where, *words):
    """Run a command there."""
    environment = {name: value for name, value in os.environ.items() if name != project.HELD_LOCKS}
    return subprocess.run(words, cwd=where, env={**environment, **GIT}, capture_output=True, text=True, check=False)


def release(where, *words):
    done = call(where, sys.executable, "tools/release.py", *words)
    return done.returncode, done.stdout + done.stderr


def test_dates_builds_commits_and_prints_what_publishes(checkout):
    code, output = release(checkout, "1.0.0")
    assert code == 0, output
    assert call(checkout, "git", "status", "--porcelain").stdout == ""
    repository = yaml.safe_load((checkout / "galaxy.yml").read_text())["repository"]
    assert [line.strip() for line in output.splitlines() if line.startswith("  ")] == [
        f"git push --atomic {repository} HEAD v1.0.0",
        "ansible-galaxy collection publish build/mlops-mlflow-1.0.0.tar.gz",
    ]
    made = yaml.safe_load((checkout / "changelogs" / "changelog.yaml").read_text())["releases"]
    today = datetime.datetime.now(datetime.UTC).date()
    assert list(made) == ["1.0.0"]
    assert datetime.date.fromisoformat(made["1.0.0"]["release_date"]) in {today, today - datetime.timedelta(1)}
    assert not list((checkout / "changelogs" / "fragments").glob("*.yml"))
    with tarfile.open(checkout / "build" / "mlops-mlflow-1.0.0.tar.gz") as archive:
        text = archive.extractfile("CHANGELOG.md").read().decode()
    assert r"v1\.0\.0" in text
    assert "one hardened MLflow server for each team" in " ".join(text.split())
    # The same once more, and an older one.
    for version in ("1.0.0", "0.9.0"):
        code, output = release(checkout, version)
        assert (code, f"{version} does not come after 1.0.0" in output) == (1, True), output


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "01.0.0", "1.0.0rc1", "1.0.0\n"])
def test_refuses_what_is_no_version(version):
    code, output = release(project.ROOT, "--check", version)
    assert (code, "is not a version" in output) == (1, True), output


def test_refuses_a_checkout_with_changes_or_nothing_to_say(checkout):
    (checkout / "new.txt").touch()
    code, output = release(checkout, "1.0.0")
    assert (code, "?? new.txt" in output) == (1, True), output
    # With nothing to say either.
    (checkout / "new.txt").unlink()
    shutil.rmtree(checkout / "changelogs" / "fragments")
    call(checkout, "git", "commit", "-qam", "None")
    code, output = release(checkout, "1.0.0")
    assert (code, "changelogs/fragments is empty" in output) == (1, True), output
    assert not (checkout / "CHANGELOG.md").exists()


def test_leaves_the_checkout_as_it_was_when_it_cannot_be_built(checkout):
    galaxy = checkout / "galaxy.yml"
    galaxy.write_text(galaxy.read_text().replace("authors:", "unknown: []\nauthor:"))
    call(checkout, "git", "commit", "-qam", "Broken")
    code, output = release(checkout, "1.0.0")
    assert (code, "failed" in output) == (1, True), output
    assert call(checkout, "git", "status", "--porcelain").stdout == ""
    assert not (checkout / "CHANGELOG.md").exists()
    assert call(checkout, "git", "tag").stdout == ""
