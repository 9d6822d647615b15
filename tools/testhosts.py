"""Throwaway hosts with a real systemd, for the tests, the demo and the benchmarks.

A host is a podman container that boots Debian. Hosts of one checkout share a
network, reach each other by name, and stand in build/inventory/hosts.yml.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import images
import machine
import project

PREFIX = f"mlops-{project.CHECKOUT_ID}"
NETWORK = f"{PREFIX}-net"
LABEL = "mlops.mlflow.testhost"
BOOT_SECONDS = 300
ENTER = project.ROOT / "tools" / "enter.sh"


@dataclass(frozen=True)
class Host:
    """A host that exists, running or not."""

    name: str
    container: str
    release: str
    uv: bool
    running: bool
    address: str
    # Empty where the machine has no IPv6 for them.
    address6: str = ""

    @property
    def addresses(self) -> list[str]:
        """Where it is reached, in each family."""
        return [address for address in (self.address, self.address6) if address]


def podman(*arguments: str | Path, check: bool = True) -> str:
    """Run podman and return what it prints."""
    return project.run(["podman", *arguments], quiet=True, check=check).stdout.strip()


def ready_machine() -> None:
    """Check that this machine can run hosts at all."""
    if not shutil.which("podman"):
        raise project.ToolError("podman is not installed; `make toolchain` does that")
    if os.geteuid() != 0:
        raise project.ToolError("systemd hosts need root: please run this with sudo")
    machine.write_containers_conf()


def container_of(name: str) -> str:
    """Return the name of a host's container."""
    return f"{PREFIX}-{name}"


def pidfile(container: str) -> Path:
    """Return where the number of a host's first process stands."""
    return project.BUILD / "hosts" / f"{container}.pid"


def inside(container: str) -> list[str]:
    """Return what to put before a command to run it on a host, as root."""
    return [str(ENTER), str(pidfile(container))]


def connection(host: Host) -> dict[str, str]:
    """Return how Ansible gets to a host."""
    return {
        "ansible_connection": "testhost",
        "ansible_host": host.container,
        "ansible_testhost_pidfile": str(pidfile(host.container)),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def hosts() -> list[Host]:
    """Return all hosts of this checkout."""
    labelled = f"label={LABEL}={project.CHECKOUT_ID}"
    identities = podman("ps", "-aq", "--filter", labelled).split()
    if not identities:
        return []
    # One may vanish meanwhile, taken down by somebody else.
    described = podman("inspect", "--type", "container", *identities, check=False)
    found = []
    for item in json.loads(described or "[]"):
        labels = item["Config"]["Labels"]
        network = (item["NetworkSettings"]["Networks"] or {}).get(NETWORK, {})
        found.append(
            Host(
                name=labels[f"{LABEL}.name"],
                container=item["Name"],
                release=labels[f"{LABEL}.release"],
                uv=labels[f"{LABEL}.uv"] == "yes",
                running=item["State"]["Running"],
                address=network.get("IPAddress", ""),
                address6=network.get("GlobalIPv6Address", ""),
            )
        )
    return sorted(found, key=lambda host: host.name)


def running() -> dict[str, Host]:
    """Return the running hosts by name."""
    return {host.name: host for host in hosts() if host.running}


def up(name: str, release: str = "bookworm", *, uv: bool = False) -> Host:
    """Return a running host, after starting it if need be."""
    ready_machine()
    host = running().get(name)
    if host and (host.release, host.uv) == (release, uv) and booted(host.container):
        return host
    image = images.ensure(release)
    project.say(f"starting {name}: {images.RELEASES[release]}{' with uv' if uv else ''}")
    with project.lock(f"host-{name}"):
        remove_container(name)
        with project.lock("network"):
            make_network()
        start(name, release, image, uv=uv)
        keep_address()
        wait_until_booted(name)
    write_inventory()
    return running()[name]


def network_exists() -> bool:
    """Say whether this checkout's network is there."""
    return NETWORK in podman("network", "ls", "--format", "{{.Name}}").split()


def make_network() -> None:
    """Make this checkout's network, with both families of addresses where the machine has them."""
    if not machine.has_ipv6():
        if not network_exists():
            project.say("this machine has no IPv6 for hosts, so what is reached over it is not tried")
            podman("network", "create", NETWORK)
        return
    if network_exists() and not json.loads(podman("network", "inspect", NETWORK))[0]["ipv6_enabled"]:
        # From before; it stays for as long as there are hosts on it.
        podman("network", "rm", NETWORK, check=False)
    if not network_exists():
        identity = project.CHECKOUT_ID
        podman("network", "create", "--ipv6", f"--subnet=fd6d:6c66:{identity[:4]}:{identity[4:]}::/64", NETWORK)


def keep_address() -> None:
    """Let the network's bridge have its hardware address for good.

    Until somebody sets it, it is the lowest of those of its ports. With each host that comes or goes it may be another
    one, and what the other hosts send to this machine goes astray until they have learned that.
    """
    bridge = json.loads(podman("network", "inspect", NETWORK))[0]["network_interface"]
    address = Path("/sys/class/net", bridge, "address").read_text().strip()
    project.run(["ip", "link", "set", "dev", bridge, "address", address])


def start(name: str, release: str, image: str, *, uv: bool) -> None:
    """Start the container of a host."""
    cache = project.BUILD / "cache"
    mounts = [f"{cache / 'pip'}:/root/.cache/pip", *machine.cgroup_mounts()]
    if uv:
        mounts.append(f"{cache / 'uv'}:/root/.cache/uv")
        mounts.append(f"{project.VENV / 'bin' / 'uv'}:/usr/local/bin/uv:ro")
        (cache / "uv").mkdir(parents=True, exist_ok=True)
    for directory in (cache / "pip", pidfile("").parent):
        directory.mkdir(parents=True, exist_ok=True)
    labels = {"": project.CHECKOUT_ID, ".name": name, ".release": release}
    labels[".uv"] = "yes" if uv else "no"
    podman(
        *("run", "-d", "--name", container_of(name), "--hostname", name, f"--pidfile={pidfile(container_of(name))}"),
        *("--network", NETWORK, "--network-alias", name),
        # What systemd's sandboxing needs to be real here: mounts and namespaces,
        # sight of processes under ProtectProc, a loopback under PrivateNetwork.
        *("--systemd=always", "--cap-add", "SYS_ADMIN,SYS_PTRACE,NET_ADMIN"),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
        # For what mounts file systems of programs; some machines have none.
        *(("--device", "/dev/fuse") if Path("/dev/fuse").exists() else ()),
        *(f"--label={LABEL}{key}={value}" for key, value in labels.items()),
        *(f"--volume={mount}" for mount in mounts),
        *(image, "/sbin/init", *machine.init_arguments(release)),
    )


def booted(container: str) -> bool:
    """Say whether systemd has finished starting."""
    state = podman("exec", container, "systemctl", "is-system-running", check=False)
    return state in ("running", "degraded")


def wait_until_booted(name: str) -> None:
    """Wait for systemd; warn about units that failed."""
    container = container_of(name)
    deadline = time.monotonic() + BOOT_SECONDS
    while not booted(container):
        if time.monotonic() > deadline or not running().get(name):
            log = podman("logs", "--tail", "30", container, check=False)
            raise project.ToolError(f"{name} did not boot:\n{log}")
        # Returns at once as long as there is no bus to wait on.
        podman("exec", container, "systemctl", "is-system-running", "--wait", check=False)
        time.sleep(0.2)
    units = podman("exec", container, "systemctl", "--failed", "--plain", "--no-legend")
    if units:
        failed = ", ".join(line.split()[0] for line in units.splitlines())
        project.say(f"warning: {name} is degraded, failed units: {failed}")


def remove_container(name: str) -> None:
    """Remove a host's container in whatever state it is."""
    podman("rm", "-f", "-t", "0", "--ignore", container_of(name))


def down(names: Sequence[str]) -> None:
    """Remove hosts; unknown names are no error."""
    ready_machine()
    known = {host.name for host in hosts()}
    for name in names:
        if name in known:
            project.say(f"removing {name}")
        remove_container(name)
    write_inventory()


def purge() -> None:
    """Remove all that this checkout has in podman."""
    down([host.name for host in hosts()])
    if network_exists():
        podman("network", "rm", "-f", NETWORK)
    images.remove()


def write_inventory() -> None:
    """Write the Ansible inventory of the running hosts."""
    lines = ["# Written by tools/testhosts.py: the hosts that run now.", "all:"]
    lines.append("  hosts:" if running() else "  hosts: {}")
    for host in running().values():
        lines += [
            f"    {host.name}:",
            *(f"      {name}: {value}" for name, value in connection(host).items()),
            f"      test_host_address: {host.address}",
            f"      test_host_release: {host.release}",
        ]
    project.INVENTORY.parent.mkdir(parents=True, exist_ok=True)
    part = project.INVENTORY.with_suffix(f".{os.getpid()}")
    part.write_text("\n".join(lines) + "\n")
    part.rename(project.INVENTORY)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("up", help="start a host, unless it runs")
    one.add_argument("name")
    one.add_argument("--release", choices=list(images.RELEASES), default="bookworm")
    one.add_argument("--uv", action="store_true", help="give it uv and a cache of wheels")
    gone = commands.add_parser("down", help="remove hosts")
    gone.add_argument("names", nargs="*")
    gone.add_argument("--all", action="store_true")
    commands.add_parser("address", help="print a host's address").add_argument("name")
    commands.add_parser("list", help="print the hosts and renew the inventory")
    commands.add_parser("purge", help="remove the hosts, their network and their images")
    return parser.parse_args()


def main() -> None:
    """Do what the command line says."""
    options = parse()
    ready_machine()
    if options.command == "up":
        print(up(options.name, options.release, uv=options.uv).address)
    elif options.command == "down":
        down([host.name for host in hosts()] if options.all else options.names)
    elif options.command == "address":
        host = running().get(options.name)
        if not host:
            raise project.ToolError(f"no host {options.name} is running")
        print(host.address)
    elif options.command == "list":
        write_inventory()
        for host in hosts():
            state = host.address if host.running else "stopped"
            print(f"{host.name:20} {host.release:10} {host.container:30} {state}")
    else:
        purge()


if __name__ == "__main__":
    project.main(main)
