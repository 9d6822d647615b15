"""The stages that run side by side: each is known to who orders them, and make check stays what somebody waits for."""

import re
import subprocess
import sys

import check
import project
import pytest
import testhosts


def stages(target):
    """Return the stages that a target of the Makefile runs."""
    text = (project.ROOT / "Makefile").read_text()
    (words,) = re.findall(rf"^{target}: .*\n\t@.*\$\(RUN\) python tools/check\.py (.*)$", text, re.MULTILINE)
    (all_of_them,) = re.findall(r"^STAGES := (.*)$", text, re.MULTILINE)
    return words.replace("$(STAGES)", all_of_them).split()


def test_each_stage_has_its_place():
    assert sorted(check.planned(stages("test"))) == sorted(check.LONGEST_FIRST)
    assert set(stages("check")) <= check.WITHOUT_HOSTS < check.GIVING_WAY < set(check.LONGEST_FIRST)


@pytest.mark.parametrize(("names", "down"), [(["lint", "unit"], []), (["lint", "e2e"], [["theirs"]])])
def test_only_what_begins_hosts_removes_what_came_since_and_has_others_give_way(monkeypatch, names, down):
    host = testhosts.Host("theirs", "id", "bookworm", uv=False, running=True, address="10.0.0.2")
    looks, removed, gave_way = iter([[], [host]]), [], set()
    monkeypatch.setattr(testhosts, "hosts", lambda: next(looks))
    monkeypatch.setattr(testhosts, "down", removed.append)
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_more: None)

    def stage(runner, name):
        gave_way.update(runner.gives_way)
        return check.Result(name, True, 0)

    monkeypatch.setattr(check.Runner, "stage", stage)
    monkeypatch.setattr(sys, "argv", ["check.py", *names])
    assert check.main() == 0
    assert removed == down
    assert gave_way == (check.GIVING_WAY if down else set())


def test_why_a_stage_failed_is_told_at_the_end(monkeypatch, capsys):
    """Whoever sees only the end of a log learns what failed: by pytest's words, and else by the last lines."""
    red = "\x1b[31mFAILED x.py::test_x - assert\x1b[0m"
    said = {
        "unit": ["tests/unit/x.py F", "E   what it did", *("E   assert 1 == 2" for _line in range(30)), red],
        "lint": ["begun", *(f"line {number}" for number in range(100)), ""],
        "docs": ["ERROR: told, and no reason to fail"],
    }

    def make(command, **_more):
        lines = said[command[-1]]
        script = "import sys; print(*sys.argv[2:], sep=chr(10)); sys.exit(sys.argv[1] != 'docs')"
        return popen([sys.executable, "-c", script, command[-1], *lines], text=True, stdout=subprocess.PIPE)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_more: None)
    monkeypatch.setattr(subprocess, "Popen", make)
    monkeypatch.setattr(sys, "argv", ["check.py", "unit", "lint", "docs"])
    assert check.main() == 1
    end = capsys.readouterr().out.partition("why lint failed:\n")[2]
    lint, _between, unit = end.partition("why unit failed:\n")
    assert lint.splitlines() == [f"  line {number}" for number in range(100 - check.TOLD, 100)]
    told = unit.splitlines()
    assert told[: check.TOLD + 1] == ["  E   assert 1 == 2"] * check.TOLD + ["  FAILED x.py::test_x - assert"]
    table = [line.split()[:2] for line in told[check.TOLD + 1 : -1]]
    assert table == [["FAILED", "lint"], ["passed", "docs"], ["FAILED", "unit"]]


def test_how_busy_it_was_is_told():
    before = check.ticks("cpu  100 0 20 500 30 0 1 2 50 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    assert before == (123, 653)
    after = check.ticks("cpu  250 10 30 550 30 0 1 2 90 0\n")
    assert check.busy(before, after) == "the processors were busy for 77% of the time"


# What is not there where only make toolchain was: tests of programs, and what they run.
ELSEWHERE = re.compile(r"^(from|import) programs\b|\bproject\.(OLDER_|BETWEEN_)?MLFLOWS?\b", re.MULTILINE)


def test_unit_tests_take_nothing_from_those_with_programs_and_need_no_mlflow():
    files = sorted((project.ROOT / "tests" / "unit").rglob("*.py"))
    assert {str(file): found[0] for file in files if (found := ELSEWHERE.search(file.read_text()))} == {}


def test_what_goes_on_side_by_side_has_places_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of pytest's, whoever ends removes the old ones, and fails where somebody else does it at this moment."""
    assert not tmp_path_factory.getbasetemp().parent.name.startswith("pytest-of-")
