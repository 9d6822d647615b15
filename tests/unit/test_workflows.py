"""The workflows call targets of the Makefile, all that they should, and nothing else that could be other there."""

import re

import project
import pytest
import yaml

FILES = sorted((project.ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"(?m)^([a-z0-9-]+):", (project.ROOT / "Makefile").read_text()))


def called(file):
    """Return the words after `make` of each step, one for each entry of the job's matrix."""
    found = []
    for job in yaml.safe_load(file.read_text())["jobs"].values():
        targets = job.get("strategy", {}).get("matrix", {}).get("target", [""])
        lines = [step["run"] for step in job["steps"] if step.get("run", "").startswith("make ")]
        found += [line.replace("${{ matrix.target }}", target).split()[1:] for line in lines for target in targets]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_called_is_there(file):
    assert {words[0] for words in called(file)} <= TARGETS
    assert called(file)


def test_each_push_has_all_that_boots_nothing_and_each_night_has_the_rest():
    push, night = ({words[0] for words in called(file)} for file in FILES)
    assert {"lint", "unit", "programs", "sanity", "docs"} == push
    assert {"test", "matrix", "e2e", "lives"} <= night
