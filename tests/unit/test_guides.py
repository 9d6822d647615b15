"""Each console block of the guides is run by a story, or says why not and which test does what it shows."""

from __future__ import annotations

import re

import guides
import project
import pytest

BLOCKS = guides.blocks()


def test_no_block_is_overlooked():
    fences = sum(file.read_text().count("```console\n") for file in guides.FILES)
    assert len(BLOCKS) == fences > 0
    assert any(block.why for block in BLOCKS)
    assert any(not block.why for block in BLOCKS)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.why], ids=lambda block: block.where)
def test_what_is_not_run_names_what_is(block):
    named = re.findall(r"`([^`]+[.]py|make \w+)`", block.why)
    assert named, f"{block.where}: name the test that does what it shows"
    for name in named:
        assert name.startswith("make ") or (project.ROOT / name).exists(), f"{block.where}: {name}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if not block.why], ids=lambda block: block.where)
def test_one_shell_is_enough_for_a_block(block):
    assert len({step.prompt for step in block.steps}) == 1
