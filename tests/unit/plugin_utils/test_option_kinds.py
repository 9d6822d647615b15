"""What options of roles can hold, and what is said of everything else."""

import subprocess

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.option_kinds import KINDS, option_problems

TAKEN = {
    "port or 0": [0, 80, "65535"],
    "address with prefix": ["192.0.2.10/24", "fd00::10/64"],
    "virtual router": [1, "255"],
    "count": [1, "600", 2**31 - 1],
    "count or 0": [0, 31536000],
    "size": ["0", 0, "16m", "10G", "512k"],
    "network": ["10.0.0.7", "10.1.0.0/16", "fd00::/8", "::1"],
    "path": ["/etc/ssl/site.pem", "/srv/a b"[:6], "/var/www/acme_1", "/srv/..hidden", "/a@b:c+d=e~f-g"],
    "path with blanks": ["/srv/mlflow environments", "/usr/local/bin/python for mlflow", "/é;{}"],
    "host name": ["mlflow.example.org", "a.b"],
    "URL": ["https://acme-v02.api.letsencrypt.org/directory", "https://10.0.0.5:14000/dir", "https://[fd00::1]/dir"],
    "e-mail address": ["ops@example.org", "o.p+s@mail.example.org"],
    "line": ["MLflow", "Équipe <b>ML</b> & more", "{{ a }}"],
    "calendar event": [
        *("daily", "hourly", "minutely", "weekly UTC", "*-*-* 02:00:00", "Sun *-*-* 05:00:00", "*-*-* 08,20:00:00"),
        *("Mon..Fri 02:00", "Mon,Wed 2:0", "02:00", "*:0/15", "*:*:0/5", "*-*-1 03:00", "*-*~1", "Mon", "2026-11-27"),
        *("*-*-* 02:00 Europe/Berlin", "Mon *-*-1..7 18:00:00", "mon 2:00", "semiannually", "1..3:00"),
    ],
    "time span": ["2h", "1d", "30min", "90", "1h 30m", "1h30m", "1.5h", "2 hours", "0"],
    "time limit": ["1d", "infinity"],
    "memory limit": ["1G", "512M", "100%", "1%", "infinity", 1073741824, "8388607T"],
    "unit or command": ["mail-root@%n.service", "on-fire.target", "/usr/bin/touch /run/told-of", "/opt/tell 'a b' %n"],
}
REFUSED = {
    "port or 0": [-1, 65536, "80s", "", True],
    "address with prefix": ["192.0.2.10", "192.0.2.10/33", "192.0.2.10/24 dev eth1", "127.0.0.1/8", "a/24"],
    "virtual router": [0, 256, "ten"],
    "count": [0, -5, "1e3", "ten", 2**31, "1" * 30],
    "count or 0": [-1, "٣"],
    "size": ["16 m", "16mb", "-1", "1.5g", "16m; deny all", "large"],
    "network": ["10.0.0.0/33", "example.org", "fe80::1%eth0", "10.0.0.7;", "10.0.0.0-10.0.0.9", "all"],
    "path": ["etc/site.pem", "~/x", "/a b", "/a;b", '/a"b', "/a/../b", "/", "/a\n", "/a{b}", "/a$b", "/a%b", "/a\\b"],
    "path with blanks": ["python3", "/a/../b", '/a"b', "/a\nb", "/$HOME", "/%h", "/a`b", "/"],
    "host name": ["mlflow", "10.0.0.1", "MLflow.example.org", "a.b\n", "a.b; deny all", ["a.b"], None, {"a": 1}],
    "URL": ["acme.example.org", "ftp://a/b", "https://", "https://a b/", "https://a/b\n", "https://u:p@a/"],
    "e-mail address": ["ops", "a@b, c@d", "a@b\n", "Ops <a@b>", "-x @y", "a\x1b@b", "a@b\u202e"],
    "line": ["a\nb", "a\x00b", "a\u2028b", "a\u202eb", ["MLflow"], {"a": "b"}, None],
    "calendar event": [
        *("25:00", "2:60", "every day", "daily %n", "02:00:00:00", "*-13-01", "Funday 2:00", "daily;", "*-*-* 2"),
        *("tomorrow", "2:00 2:00", "  daily", "daily\nOnCalendar=x", "12-32", " ", "1,", "daily UTC\n"),
        *("*-0-1", "*-1-0", "*-5..3-1", "0:0/0", "*-*~0", "1960-1-1", "3000-1-1", "*:00/60", "23..22:00", "*-*-31..1"),
        # What would stand in the unit as Python writes it.
        *(["daily"], {"daily": 1}, None, ["02:00", "14:00"]),
    ],
    "time span": ["soon", "-1", "1d;", "2H", "infinity", "1h\n", "1h\nX=y", "1" * 5000, " "],
    "time limit": ["never", "infinity 1"],
    "memory limit": ["0", "0%", "101%", "4g", "1.5%", "lots", "8388608T", "1" * 19, "1G\n", True, ["1G"], None, {}],
    "unit or command": ["mail-root", "tell.sh", "/x\nExecStart=/y", "a.service b.service", "$x", "/;", "~/x"],
}


def pairs(table):
    return [(kind, value) for kind, values in table.items() for value in values]


def test_each_kind_is_tried():
    assert set(TAKEN) == set(REFUSED) == set(KINDS)


@pytest.mark.parametrize(("kind", "value"), pairs(TAKEN))
def test_what_is_meant_is_taken(kind, value):
    assert not list(option_problems("x", value, kind))


@pytest.mark.parametrize(("kind", "value"), [pair for pair in pairs(REFUSED) if pair[1] != ""])
def test_all_else_is_named(kind, value):
    (problem,) = option_problems("mlflow_x", value, kind)
    assert problem.startswith("mlflow_x: '")
    assert f"is not a valid {KINDS[kind].called}; {KINDS[kind].hint}" in problem
    assert problem.isprintable()
    assert len(problem) < 300


def test_each_item_of_a_list_is_looked_at():
    found = list(option_problems("mlflow_x", ["10.0.0.7", "", "here"], "network"))
    assert [line.split(" ")[1] for line in found] == ["''", "'here'"]
    assert not list(option_problems("mlflow_x", [], "network"))


def test_empty_is_for_what_is_not_used():
    assert not list(option_problems("mlflow_x", "", "path"))


SYSTEMD = {"calendar event": "calendar", "time limit": "timespan"}


@pytest.mark.parametrize("kind", SYSTEMD)
def test_systemd_takes_what_is_taken(kind):
    """Also the other way round, but for what only this form refuses: lines that are not one."""
    refused = [value for value in REFUSED[kind] if isinstance(value, str) and value.isprintable()]
    for value in [*TAKEN[kind], *(value for value in refused if value.strip() == value)]:
        try:
            done = subprocess.run(["systemd-analyze", SYSTEMD[kind], "--", value], capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("this host has no systemd")
        assert (value, done.returncode == 0) == (value, value in TAKEN[kind]), done.stderr
