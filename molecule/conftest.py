"""Run the scenarios' tests on every host, in molecule or by plain pytest.

The podman backend is ten times faster than Ansible's own.
"""

from collections.abc import Iterator

import pytest
import testhosts
import testinfra

MOLECULE_HOSTS = ("debian12", "debian13")


@pytest.fixture(scope="session", params=MOLECULE_HOSTS)
def host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """Return one of the hosts."""
    found = testhosts.running().get(request.param)
    if found is None:
        pytest.fail(f"{request.param} is not running: molecule create")
    return testinfra.get_host(f"podman://{found.container}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the end of the journal beside a failed test: the reason is seldom in the assertion."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.when == "call" and report.failed and host is not None:
        journal = host.run("journalctl --no-pager --lines 40 --priority info")
        report.sections.append(("journal", journal.stdout))
    return report
