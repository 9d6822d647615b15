"""A host that is gone without a word, as one without power is, and what its neighbours' kernels are told about that."""

from __future__ import annotations

import subprocess

import testhosts
from e2e.stage import Stage


def lose(host: Stage) -> str:
    """Have a host gone; return the command that brings it back there."""
    route = host.sh("ip route show default").strip()
    host.sh("ip link set eth0 down")
    return f"ip link set eth0 up; ip route replace {route}"


def apply_kernel_settings(host: Stage) -> None:
    """Apply what sysctl.d says of the network; a host here may not do it itself, as others do when they start."""
    said = host.sh("cat /etc/sysctl.d/60-*.conf", check=False)
    words = [line.replace(" ", "") for line in said.splitlines() if line.startswith("net.ipv4.")]
    if not words:
        return
    process = testhosts.pidfile(host.host.container).read_text().strip()
    subprocess.run(["nsenter", f"--target={process}", "--net", "sysctl", "-q", "-w", *words], check=True)
