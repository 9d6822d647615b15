"""All is there again after the host was switched off and on."""

from __future__ import annotations

import testhosts
from e2e.stage import Stage


def test_teams_answer_after_a_reboot(converged: Stage) -> None:
    testhosts.podman("restart", converged.host.container)
    testhosts.wait_until_booted(converged.host.name)
    # It may have another address now.
    again = Stage(testhosts.running()[converged.host.name])
    # The ports are open before the servers are up: this log-in waits.
    assert again.login(5001, "alice", "alice-try-out-only") == 200
    assert again.login(5002, "dave", "dave-try-out-only") == 200
