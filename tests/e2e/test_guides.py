"""What the guides tell people to type works as it stands, but for the names of hosts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import demo
import guides
import project
import pytest
import testhosts
import yaml
from e2e.stage import ALICE, TEAMS, WORK, Stage, soon, write_private

ON_THE_HOST = guides.PROMPTS[1][0]
API = "/api/2.0/mlflow/experiments"
# One of each: several guides begin with the same.
BLOCKS = {tuple(step.command for step in it.steps): it for it in guides.blocks() if not it.why}
ADDRESS = re.compile(r"https?://mlflow1?[.]example[.]org(:5001)?")


@pytest.fixture(scope="module")
def desk(converged: Stage) -> Iterator[Path]:
    """Return a directory like that of somebody who has followed the README, and what the guides speak of."""
    desk = WORK / "guides"
    shutil.copytree(demo.EXAMPLE, desk)
    hosts = {"mlflow_servers": {"hosts": {"mlflow1": testhosts.connection(converged.host)}}}
    write_private(desk / "hosts.yml", yaml.safe_dump(hosts))
    # As the guide to monitoring begins.
    (desk / TEAMS / "monitoring.yml").write_text("mlflow_monitoring_state: present\n")
    made = converged.answer(5001, ALICE["name"], ALICE["password"], f"{API}/create", {"name": "baseline"})
    assert converged.ask(5001, ALICE["name"], ALICE["password"], f"{API}/delete", json.loads(made[1])) == 200, made
    yield desk
    assert converged.play("site", mlflow_monitoring_state="absent").code == 0


@pytest.fixture
def passwords(desk: Path) -> dict[str, str]:
    """Return those of the people of the team that the guides speak of."""
    text = (desk / "group_vars" / "mlflow_servers" / "passwords.yml").read_text()
    return dict(yaml.safe_load(text)["vault_mlflow_passwords"]["vision"])


@pytest.mark.parametrize("block", BLOCKS.values(), ids=lambda block: block.where)
def test_a_block_does_what_it_says(
    converged: Stage, desk: Path, passwords: dict[str, str], block: guides.Block
) -> None:
    if {step.prompt for step in block.steps} == {ON_THE_HOST}:
        for step in block.steps:
            # journald writes when it comes to it.
            assert soon(lambda step=step: looks_like(converged.sh(step.command, check=False), step), 60), step.command
        return
    script = "\n".join(["set -e", *(step.command for step in block.steps)])
    script = ADDRESS.sub(converged.url(5001), script)
    who = re.search(r"MLFLOW_TRACKING_USERNAME=(\w+)", script)
    env = demo.environment_of_people()
    env["PATH"] = f"{project.MLFLOW / 'bin'}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        input=f"{passwords[who[1]]}\n" if who else "",
        cwd=desk,
        env=env,
        text=True,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert not [line for line in done.stderr.splitlines() if line.startswith(project.WARNINGS)]


def looks_like(text: str, step: guides.Step) -> bool:
    """Say whether a command prints a table with the same heads as in the guide, or a line of the same shape."""
    lines, example = text.splitlines(), step.shown[0]
    if example.startswith("{"):
        # Only behind a proxy is it known where somebody comes from.
        keys = json.loads(example).keys() - {"address"}
        return any(keys <= json.loads(line).keys() for line in lines)
    return bool(lines) and (lines[0].split() == example.split() or lines == ["all is well"])
