"""Images of bare Debian with systemd, for the throwaway hosts.

Built once per release by mmdebstrap and kept as a tar in build/cache, so that
podman can forget them and get them back in seconds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import machine
import project

RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
PREFIX = f"localhost/mlops-{project.CHECKOUT_ID}"

# What Debian's own cloud images have, and nothing that a role should install.
PACKAGES = [
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
]

# Only where the machine itself trusts a local authority: pip and uv do not
# look at the system's certificates unless told.
LOCAL_TRUST = {
    "/etc/pip.conf": "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n",
    "/etc/uv/uv.toml": "system-certs = true\n",
}


def name_of(release: str) -> str:
    """Return the image's name, which changes with its contents."""
    return f"{PREFIX}/host:{release}-{project.digest(*PACKAGES, *trusted())}"


def ensure(release: str) -> str:
    """Return the name of the release's image, after making it if need be."""
    if release not in RELEASES:
        raise project.ToolError(f"unknown release {release}: one of {', '.join(RELEASES)}")
    image = name_of(release)
    with project.lock(f"image-{release}"):
        exists = project.run(["podman", "image", "exists", image], check=False, quiet=True)
        if exists.returncode == 0:
            return image
        tar = project.BUILD / "cache" / "images" / f"{image.rpartition(':')[2]}.tar"
        if not tar.exists():
            build(release, tar)
        project.say(f"importing the image of {RELEASES[release]}")
        project.run(["podman", "import", "-q", tar, image], quiet=True)
    return image


def build(release: str, tar: Path) -> None:
    """Build the root file system of one release."""
    project.say(f"building an image of {RELEASES[release]}; a minute, once")
    tar.parent.mkdir(parents=True, exist_ok=True)
    for old in tar.parent.glob(f"{release}-*"):
        old.unlink()
    part = tar.with_suffix(".part")
    with tempfile.TemporaryDirectory() as scratch:
        project.run(
            [
                *("mmdebstrap", "--quiet", "--variant=minbase", "--format=tar"),
                *("--aptopt=Acquire::Retries 3", "--aptopt=Acquire::Languages none"),
                f"--include={','.join(PACKAGES)}",
                *trust_hooks(Path(scratch)),
                *(release, part),
            ],
            quiet=True,
        )
    part.rename(tar)


def trusted() -> list[str]:
    """Return all that trust_hooks puts into an image."""
    return [*LOCAL_TRUST.values(), *machine.local_authorities()]


def trust_hooks(scratch: Path) -> list[str]:
    """Return mmdebstrap's arguments that make the image trust what this machine trusts."""
    authorities = machine.local_authorities()
    if not authorities:
        return []
    hooks = []
    for number, pem in enumerate(authorities):
        target = f"/usr/local/share/ca-certificates/machine-{number}.crt"
        hooks.append(upload(scratch / f"{number}.crt", pem, target))
    for target, text in LOCAL_TRUST.items():
        hooks.append(upload(scratch / target.replace("/", "_"), text, target))
    return [*hooks, '--customize-hook=chroot "$1" update-ca-certificates']


def upload(file: Path, text: str, target: str) -> str:
    """Return the hook that puts a text into the image."""
    file.write_text(text)
    folder = Path(target).parent
    return f'--customize-hook=mkdir -p "$1{folder}" && cp "{file}" "$1{target}"'


def remove() -> None:
    """Remove this checkout's images from podman; the tars in build/cache stay."""
    wanted = ["--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={PREFIX}/host"]
    listed = project.run(["podman", "images", *wanted], quiet=True, check=False)
    # Podman lists all names of an image. Another one may be another checkout's, with hosts that run; so no force, too.
    for image in sorted(it for it in set(listed.stdout.split()) if it.startswith(f"{PREFIX}/")):
        project.run(["podman", "rmi", image], quiet=True)
