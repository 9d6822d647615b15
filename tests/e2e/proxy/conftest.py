"""A proxy in front of the demo's host, for all of these stories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import demo
import pytest
import testhosts
from e2e.proxied import ALICE, DOMAIN, NLP, PEOPLE, VISION, Doors
from e2e.stage import Stage

HOSTS = ["proxy", "notebook"]


@pytest.fixture(scope="package")
def doors(first_demo: object) -> Iterator[Doors]:
    """Put a proxy in front of the demo's host, and people on a host of their own."""
    converged = Stage(testhosts.running()[demo.HOST])
    testhosts.down(HOSTS)
    all_three = Doors(converged, Stage(testhosts.up("proxy", "trixie")), Stage(testhosts.up("notebook", uv=True)))
    addresses = all_three.proxy.host.addresses
    names = "".join(f"{address} {DOMAIN} {VISION} {NLP} audio.{DOMAIN}\n" for address in addresses)
    all_three.notebook.sh(f"cat >> /etc/hosts; for user in {' '.join(PEOPLE)}; do useradd -m $user; done", names)
    with ThreadPoolExecutor(1) as pool:
        equipped = pool.submit(all_three.equip)
        run = all_three.play("site")
        equipped.result()
    assert run.code == 0, run.output[-5000:]
    yield all_three
    testhosts.down(HOSTS)
    # Its servers answer to their address again.
    assert converged.play("site").code == 0


@pytest.fixture(scope="package")
def run_id(doors: Doors) -> str:
    """Log a run as Alice, with what the role has written for her and nothing else."""
    script = (Path(__file__).parents[1] / "quickstart.py").read_text()
    doors.notebook.sh("cat > /tmp/quickstart.py", script)
    answer = doors.person("alice", "mlflow-team vision python /tmp/quickstart.py").splitlines()[-1]
    word, run, uri = answer.split()
    assert (word, uri) == ("run", f"https://{VISION}")
    return run


@pytest.fixture(scope="package")
def large(doors: Doors, run_id: str) -> str:
    """Return how Alice's curl begins, to send an artifact of her run or to get it."""
    info = json.loads(doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).text)["run"]["info"]
    where = info["artifact_uri"].replace("mlflow-artifacts:", "api/2.0/mlflow-artifacts/artifacts")
    return f"curl --silent --show-error --fail --user {ALICE} https://{VISION}/{where}/large"
