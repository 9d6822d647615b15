"""The demo over SSH, as an ordinary user who may sudo with a password, by the oldest and the newest ansible-core."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import demo
import matrix
import project
import pytest
import testhosts
from e2e import stage
from e2e.stage import Stage

pytestmark = pytest.mark.on_request

CORES = (matrix.OLDEST, matrix.NEWEST)
SUDO = "correct-horse-'1'"
USER = "deployer"


@dataclass(frozen=True)
class Desk:
    """Where somebody sits who has one ansible-core, and a key of one user of a host."""

    core: str
    host: Stage
    inventory: Path

    def play(self, name: str, *more: str) -> demo.Play:
        """Run a playbook of the collection."""
        where = matrix.environment(self.core)
        env = demo.environment()
        env.update(VIRTUAL_ENV=str(where), PATH=f"{where / 'bin'}:{env['PATH']}")
        return demo.play(name, [demo.EXAMPLE, self.inventory], *more, env=env)


def reach(host: Stage, key: Path, known: Path) -> dict[str, str]:
    """Return how Ansible gets to the host."""
    return {
        "ansible_host": host.host.address,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
        "ansible_become_password": SUDO,
        # Ansible warns of any that it has to look for.
        "ansible_python_interpreter": "/usr/bin/python3",
    }


@pytest.fixture(scope="module", params=CORES)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return one, with a host that nothing was deployed on."""
    with project.lock("ssh"):
        yield from sat_at(request.param, tmp_path_factory.mktemp("desk"))


def sat_at(core: str, place: Path) -> Iterator[Desk]:
    """Give the host, and take it away."""
    key, known = place / "key", place / "known_hosts"
    project.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    testhosts.down(["ssh"])
    try:
        host = Stage(testhosts.up("ssh", uv=True))
        install = "apt-get update -q && apt-get install -qy --no-install-recommends openssh-server"
        host.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null")
        host.sh(f"useradd -m -s /bin/bash -G sudo {USER} && chpasswd", feed=f"{USER}:{SUDO}\n")
        home = f"/home/{USER}/.ssh"
        keep = f"install -d -o {USER} -m 700 {home} && cat > {home}/authorized_keys && chown {USER} {home}/*"
        host.sh(keep, feed=key.with_suffix(".pub").read_text())
        known.write_text("".join(f"{host.host.address} {line}" for line in keys(host)))
        inventory = place / "hosts.json"
        stage.write_private(inventory, json.dumps({"all": {"hosts": {"mlflow1": reach(host, key, known)}}}))
        yield Desk(core, host, inventory)
    finally:
        testhosts.down(["ssh"])


def keys(host: Stage) -> list[str]:
    """Return the host's own keys, a line each."""
    return host.sh("cat /etc/ssh/ssh_host_*_key.pub").splitlines(keepends=True)


def test_the_demo(desk: Desk) -> None:
    # Without the password there is no way to be root.
    refused = desk.host.sh(f"su {USER} -c 'sudo -kn true'; echo $?", check=False)
    assert refused.strip() != "0"
    first = desk.play("site")
    assert (first.code, first.warnings) == (0, []), first.output[-5000:]
    assert SUDO not in first.output
    teams = demo.declared_teams([demo.EXAMPLE])
    for team, other in zip(teams, teams[1:] + teams[:1], strict=True):
        demo.work(team, desk.host.url(team["port"]), other["users"][0])
    for more in ((), ("--check", "--diff")):
        again = desk.play("site", *more)
        assert (again.code, again.changed, again.warnings) == (0, 0, []), again.output[-5000:]
    assert desk.host.leaks(SUDO) == []
