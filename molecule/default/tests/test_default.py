"""What the scenario promises, seen from the hosts themselves."""

import testinfra


def test_systemd_is_up(host: testinfra.host.Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
