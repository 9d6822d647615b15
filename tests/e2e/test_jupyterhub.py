"""A real JupyterHub: people sign in, run the example's notebook, and find what they logged in Jupyter's file pane."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import project
import pytest
from e2e import mounted
from e2e.browser import Browser, browser
from e2e.mounted import PASSWORDS, SEED, settings
from e2e.proxied import DOMAIN, Doors
from e2e.stage import Stage, soon

pytestmark = pytest.mark.on_request

CONFIG = Path(__file__).parent / "jupyterhub.conf"
# Kept, to be looked at.
PICTURES = project.BUILD / "pictures" / "hub"
HUB = "jupyterhub jupyterhub-systemdspawner configurable-http-proxy"
# Where each person works. Nothing else is changed in the notebook that all of them have.
WHERE = {"user1": "b", "user2": "y/with a slash", "alice": "resnet"}
SEES = {**mounted.SEES, "alice": ["a", "b", "c", "resnet", "segmentation", "x", "y%2Fwith a slash"]}
MLFLOW_PASSWORDS = {**PASSWORDS, "alice": "alice-try-out-only"}
UNIT = """
[Service]
ExecStart=/opt/hub/bin/jupyterhub --config /etc/jupyterhub_config.py
WorkingDirectory=/srv/jupyterhub
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
"""


@pytest.fixture(scope="module")
def hub(converged: Stage) -> Iterator[Doors]:
    """Give people a hub, and each the notebook of the examples."""
    there = mounted.prepare(converged)
    host = there.notebook
    with ThreadPoolExecutor(1) as pool:
        deployed = pool.submit(there.play, "site", **settings(**SEED))
        there.equip("jupyterhub", "jupyterlab", "ipykernel")
        host.sh("uv venv --quiet --python /usr/bin/python3 /opt/hub")
        host.sh(f"uv pip install --quiet --compile-bytecode --python /opt/hub/bin/python {HUB}")
        run = deployed.result()
    assert run.code == 0, run.output[-5000:]
    start_hub(there)
    yield there
    mounted.leave(converged)


def start_hub(there: Doors) -> None:
    """Start the hub, with a password and the notebook of the examples for each."""
    host = there.notebook
    for user, experiment in WHERE.items():
        text = mounted.NOTEBOOK.read_text().replace("resnet", experiment)
        host.sh(f"cat > /home/{user}/quickstart.ipynb; chown {user}: /home/{user}/quickstart.ipynb", text)
    host.sh("chpasswd", "".join(f"{user}:unix of {user}\n" for user in WHERE))
    host.sh("mkdir -m 700 -p /srv/jupyterhub; cat > /etc/jupyterhub_config.py", CONFIG.read_text())
    host.sh("cat > /etc/systemd/system/jupyterhub.service; systemctl daemon-reload", UNIT)
    host.sh("systemctl start jupyterhub")
    assert soon(lambda: "JupyterHub" in host.sh("curl --silent http://127.0.0.1:8000/hub/login", check=False))


@contextlib.contextmanager
def signed_in(hub: Doors, user: str, profile: Path) -> Iterator[Browser]:
    """Be somebody in front of a browser, who has signed in at the hub."""
    address = hub.notebook.host.address
    with browser(profile, {DOMAIN: address, f"*.{DOMAIN}": address}, hub.pin()) as page:
        page.open(f"http://{address}:8000/")
        for field, text in (("username_input", user), ("password_input", f"unix of {user}")):
            page.click(f"document.getElementById('{field}')")
            page.type(text)
        page.click("document.getElementById('login_submit')")
        # The page that waits for somebody's server is not always told that it is there; a person would load it again.
        for _time in range(5):
            if soon(lambda: "Quickstart" in page.text(), 60):
                break
            page.call("Page.reload")
        page.wait_for("Quickstart")
        yield page


def run_cells(page: Browser) -> None:
    """Run the notebook cell by cell, each after the one before has ended."""
    # Before there is a kernel, nothing is run.
    page.wait_for("| Idle", 180)
    page.click("document.querySelector('.jp-Notebook .jp-MarkdownCell')")
    ended = r"[...document.querySelectorAll('.jp-InputPrompt')].filter(e => /^\[\d+\]:/.test(e.textContent)).length"
    # With a text in front, and another one before the last.
    for cells in (0, 1, 2, 3, 3, 4):
        page.shift_enter()
        assert soon(lambda cells=cells: page.run(ended) >= cells, 180), page.text()


def shown(selector: str, text: str) -> str:
    """Return a script that finds an element by its text."""
    return f"[...document.querySelectorAll('{selector}')].find(e => e.innerText.startsWith({text!r}))"


def walk(page: Browser, *names: str) -> None:
    """Open one directory after the other in the file pane, and then a file."""
    page.click("document.querySelector('.jp-BreadCrumbs-home')")
    for name in names:
        page.click(shown(".jp-DirListing-itemText", name), times=2)


def pane(page: Browser) -> list[str]:
    """Return what the file pane shows."""
    return list(page.run("[...document.querySelectorAll('.jp-DirListing-itemText')].map(e => e.innerText)"))


def opened(page: Browser) -> bool:
    """Say whether the artifact is open in an editor."""
    return bool(page.run(shown(".jp-FileEditor .cm-line", "what the picture shows") + " !== undefined"))


@pytest.mark.parametrize("user", list(WHERE))
def test_each_runs_the_notebook_and_finds_what_they_logged(hub: Doors, tmp_path: Path, user: str) -> None:
    experiment = WHERE[user].replace("/", "%2F")
    with signed_in(hub, user, tmp_path) as page:
        run_cells(page)
        said = "[...document.querySelectorAll('.jp-OutputArea-output')].map(e => e.innerText).join('\\n')"
        assert soon(lambda: "what the picture shows" in page.run(said), 60), page.run(said)
        page.look(PICTURES / f"{user}-notebook.png")
        link = page.run("[...document.querySelectorAll('.jp-OutputArea a')].map(e => e.href).find(e => /runs/.test(e))")
        assert MLFLOW_PASSWORDS[user] not in hub.notebook.sh(f"cat /home/{user}/quickstart.ipynb")
        walk(page, "mlflow-artifacts", "vision", experiment, "quickstart@", "notes.txt")
        assert soon(lambda: opened(page), 60), page.text()
        page.look(PICTURES / f"{user}-file.png")
        # What they may not see is not there.
        walk(page, "mlflow-artifacts", "vision")
        assert soon(lambda: sorted(pane(page)) == SEES[user], 60), page.text()
        # The run in MLflow's own page.
        page.open(link, user, MLFLOW_PASSWORDS[user])
        page.wait_for("accuracy")
        page.look(PICTURES / f"{user}-run.png")


def test_who_is_granted_something_finds_it_and_who_is_offboarded_nothing(hub: Doors, tmp_path: Path) -> None:
    with signed_in(hub, "user2", tmp_path) as page:
        walk(page, "mlflow-artifacts", "vision")
        assert soon(lambda: "x" in pane(page), 60), page.text()
        assert "b" not in pane(page)
        # A line in the inventory, and one run for the host with the team.
        granted = settings(**{**SEED, "b": {**SEED["b"], "user2": "READ"}})
        run = hub.play("site", "--limit=mlflow1", **granted)
        assert run.code == 0, run.output[-5000:]
        assert soon(lambda: "b" in pane(page), 60), page.text()
        walk(page, "mlflow-artifacts", "vision", "b", "quickstart@", "notes.txt")
        assert soon(lambda: opened(page), 60), page.text()
        page.look(PICTURES / "granted.png")
        run = hub.play("offboard_user", "-e", "user=user2", **granted)
        assert run.code == 0, run.output[-5000:]
        page.click("document.querySelector('.jp-BreadCrumbs-home')")
        assert soon(lambda: pane(page) == ["quickstart.ipynb"], 60), page.text()
        page.look(PICTURES / "offboarded.png")
    # A name that is gone may be there for 16 seconds.
    assert soon(lambda: hub.person("user2", "ls /run/mlflow-mounts/user2") == "", 60)
