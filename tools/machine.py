"""What this machine can and cannot do, and what follows for containers.

An ordinary machine (unified cgroups, full root, systemd) needs none of this,
and then nothing here changes podman's own defaults.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import textwrap
from pathlib import Path

import project

CAP_SYS_RESOURCE = 24
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
PEM = re.compile(f"{BEGIN}(.*?){END}", re.DOTALL)


def unified_cgroups() -> bool:
    """Say whether cgroup v2 alone is mounted, as it is on current distributions."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def may_raise_limits() -> bool:
    """Say whether this process may exceed its own hard resource limits."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found.group(1), 16) >> CAP_SYS_RESOURCE & 1)


def has_systemd() -> bool:
    """Say whether systemd manages this machine."""
    return Path("/run/systemd/system").is_dir()


def has_ipv6() -> bool:
    """Say whether containers can be given IPv6: the kernel has it, and lets them be led outside."""
    interfaces = Path("/proc/net/if_inet6")
    if not interfaces.exists() or not interfaces.read_text():
        return False
    try:
        done = subprocess.run(["ip6tables", "--table=nat", "--list-rules"], check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def limits() -> list[str]:
    """Return container limits no higher than those of this process."""
    # podman first lowers its own process limit to the kernel's highest process id.
    most_processes = int(Path("/proc/sys/kernel/pid_max").read_text())
    kinds = (
        ("nofile", resource.RLIMIT_NOFILE, 1048576),
        ("nproc", resource.RLIMIT_NPROC, most_processes),
    )
    found = []
    for name, kind, most in kinds:
        hard = resource.getrlimit(kind)[1]
        value = most if hard == resource.RLIM_INFINITY else min(hard, most)
        found.append(f"{name}={value}:{value}")
    return found


def containers_conf() -> str:
    """Return the podman configuration this machine needs; empty when it needs none."""
    lines = []
    if not may_raise_limits():
        wanted = ", ".join(f'"{limit}"' for limit in limits())
        lines += ["[containers]", f"default_ulimits = [{wanted}]"]
    engine = []
    if not unified_cgroups():
        engine.append('runtime = "runc"')  # crun refuses hybrid cgroups
    if not has_systemd():
        engine.append('cgroup_manager = "cgroupfs"')
    if engine:
        lines += ["[engine]", *engine]
    return "".join(f"{line}\n" for line in lines)


def write_containers_conf() -> None:
    """Keep build/containers.conf in step with the machine."""
    wanted = containers_conf()
    path = project.CONTAINERS_CONF
    if not wanted:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_text() != wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted)


def cgroup_mounts() -> list[str]:
    """Return the volumes through which systemd in a container can limit memory, processors and tasks.

    Under hybrid cgroups a container sees its own part of each controller, read-only, but systemd there
    looks for it by its full path. With unified cgroups podman arranges all this itself.
    """
    if unified_cgroups():
        return []
    controllers = (Path("/sys/fs/cgroup") / name for name in ("memory", "cpu", "cpuacct", "pids"))
    return [f"{path}:{path}:rw" for path in controllers if path.is_dir()]


def init_arguments(release: str) -> list[str]:
    """Return what systemd of a release must be told to boot under these cgroups."""
    if release != "bookworm" and not unified_cgroups():
        return ["systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
    return []


def local_authorities() -> list[str]:
    """Return the certificates this machine trusts beyond those of its distribution."""
    bundle = Path(os.environ.get("SSL_CERT_FILE", project.CA_BUNDLE))
    if not bundle.is_file():
        return []
    packaged = set()
    for file in Path("/usr/share/ca-certificates").rglob("*.crt"):
        packaged.update(_certificates(file))
    if not packaged:
        return []
    return [pem for pem in _certificates(bundle) if pem not in packaged]


def _certificates(file: Path) -> list[str]:
    bodies = PEM.findall(file.read_text(encoding="ascii", errors="ignore"))
    return ["\n".join([BEGIN, *textwrap.wrap("".join(body.split()), 64), END, ""]) for body in bodies]
