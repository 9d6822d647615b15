"""What changes on a proxy while people work behind it."""

from __future__ import annotations

import dataclasses
import re

import demo
import project
from e2e import stage
from e2e.proxied import ALICE, DOMAIN, NLP, Doors, changed
from e2e.stage import WHO_AM_I, soon
from e2e.strangers import ARTIFACTS


def test_a_configuration_that_nginx_refuses_does_not_replace_the_one_that_runs(doors: Doors) -> None:
    before = doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf")
    # What cannot be is told before that; this is somebody else's, and good without this role's file.
    doors.proxy.sh("echo 'limit_conn_zone $remote_addr zone=mlflow_large:10m;' > /etc/nginx/conf.d/a.conf")
    run = doors.play("configure_proxies", "--limit=proxy1", mlflow_proxy_max_body_size="9g")
    doors.proxy.sh("rm /etc/nginx/conf.d/a.conf")
    assert run.code == 2
    assert re.search(r"mlflow_large.* is already bound to key .* in /etc/nginx/conf.d/mlflow.conf", run.output)
    assert doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf; nginx -t -q") == before
    assert doors.ask("/health").status == 200


def test_who_could_read_what_passes_the_proxy_is_named_before_anything(doors: Doors) -> None:
    before = doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf")
    doors.proxy.sh("systemd-run --quiet --unit=guest --uid=www-data sleep infinity")
    # An nginx that somebody has started by hand is no guest. It would keep what it says open.
    other = "user www-data; pid /run/other.pid; events {} http { server { listen 127.0.0.1:8099; } }"
    doors.proxy.sh(f"echo '{other}' > /root/other.conf && nginx -c /root/other.conf > /dev/null 2>&1")
    try:
        run = doors.play("configure_proxies", "--limit=proxy1", mlflow_proxy_timeout=598)
        assert run.code == 2, run.output[-5000:]
        assert "guest.service: runs on proxy1 as www-data, the account of nginx" in run.output
        assert run.output.count('"msg": "guest.service: runs on') == 1
        assert doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf") == before
        run = doors.play("configure_proxies", "--limit=proxy1", "--check", mlflow_proxy_trusted_units=["guest.service"])
        assert run.code == 0, run.output[-5000:]
    finally:
        doors.proxy.sh("systemctl stop guest.service; nginx -c /root/other.conf -s stop; rm /root/other.conf")
    assert doors.ask(WHO_AM_I, ALICE).status == 200


def test_a_reload_that_nginx_refuses_is_told(doors: Doors) -> None:
    zone = "echo 'limit_req_zone {} zone=others:1m rate=1r/s;' > /etc/nginx/conf.d/others.conf"
    doors.proxy.sh(f"{zone.format('$remote_addr')}; systemctl reload nginx")
    # Good for an nginx that starts, and not for one that has the zone already.
    doors.proxy.sh(f"{zone.format('$remote_user')}; nginx -t -q")
    changed_a_bit = {"mlflow_proxy_timeout": 599}
    run = doors.play("configure_proxies", "--limit=proxy1", **changed_a_bit)
    assert run.code == 2, run.output[-5000:]
    assert "nginx of proxy1 takes this file, but not while it runs, and serves what it had before" in run.output
    assert 'uses the \\"$remote_user\\" key while' in run.output
    assert doors.ask(WHO_AM_I, ALICE).status == 200
    # It is made up for as soon as nothing is in the way, and who works meanwhile notices nothing.
    doors.proxy.sh("rm /etc/nginx/conf.d/others.conf")
    # A reload closes kept connections at once, also one that is just used again: Debian's nginx cannot do otherwise.
    with doors.logging("alice", "resnet", "--repeat") as logged:
        run = doors.play("configure_proxies", "--limit=proxy1", **changed_a_bit)
        for _time in range(10):
            doors.proxy.sh("systemctl reload nginx")
    assert logged["kept"] == logged["sent"] > 20
    assert run.code == 0, run.output[-5000:]
    assert changed(run)["proxy1"] == 1


def test_a_team_that_is_stopped_is_not_gone(doors: Doors) -> None:
    dave, look = "dave:dave-try-out-only", "cat ~/.mlflow/credentials; grep -r . ~/.config/mlflow"
    before = doors.person("dave", look)
    run = doors.play("configure_proxies", mlflow_team_nlp=stage.example("nlp", state="stopped"))
    assert run.code == 0, run.output[-5000:]
    assert doors.person("dave", look) == before
    upload = f"{ARTIFACTS}/1/x"
    for name, path in ((NLP, "/"), (NLP, WHO_AM_I), (NLP, upload), (DOMAIN, "/nlp"), (DOMAIN, f"/nlp{upload}")):
        for method in ("GET", "PUT"):
            found = doors.ask(path, dave, name=name, method=method)
            assert (name, path, found.status, "MLflow is stopped" in found.text) == (name, path, 503, True)
    assert "It is stopped for now" in doors.ask("/", name=DOMAIN).text
    assert doors.ask(WHO_AM_I, ALICE).status == 200
    run = doors.play("configure_proxies")
    assert run.code == 0, run.output[-5000:]
    assert soon(lambda: doors.ask(WHO_AM_I, dave, name=NLP).status == 200)


def test_who_is_offboarded_has_nothing_left(doors: Doors) -> None:
    doors.person("bob", "printf '[databricks]\\nhost = x\\n' >> ~/.mlflow/credentials")
    run = doors.play("offboard_user", "-e", "user=bob")
    assert run.code == 0, run.output[-5000:]
    assert doors.ask("/api/2.0/mlflow/users/current", "bob:bob-try-out-only").status == 401
    assert doors.person("bob", "ls ~/.config/mlflow; cat ~/.mlflow/credentials").splitlines()[-2:] == [
        "[databricks]",
        "host = x",
    ]
    assert doors.person("bob", "grep -r bob-try-out-only . ", check=False) == ""
    assert "alice" in doors.person("alice", "cat ~/.mlflow/credentials")


def test_a_team_is_onboarded_to_its_first_run(doors: Doors) -> None:
    made = "lookup('ansible.builtin.password', inventory_dir ~ '/.passwords/audio_alice', length=24)"
    team = {
        "name": "audio",
        "port": 5003,
        "description": "Listens",
        "admin_password": "audio-admin-try-out",
        "users": [{"name": "alice", "password": f"{{{{ {made} }}}}"}],
        "experiments": [{"name": "speech", "grants": {"alice": "EDIT"}}],
    }
    inventory = stage.with_team(team, "doors")
    run = dataclasses.replace(doors, inventory=inventory).play("onboard_team", "-e", "team=audio")
    assert run.code == 0, run.output[-5000:]
    assert f"Team audio is at https://audio.{DOMAIN}" in run.output
    write = "import mlflow; mlflow.set_experiment('speech'); mlflow.log_metric('loss', 0.1); print('done')"
    assert "done" in doors.person("alice", f'mlflow-team audio python -c "{write}"').splitlines()
    assert "Listens" in doors.ask("/", name=DOMAIN).text
    file = inventory / ".passwords" / "audio_alice"
    password = file.read_text().split()[0]
    assert (len(password), file.stat().st_mode & 0o777) == (24, 0o600)
    assert password not in run.output
    # Nor does the next run take the file for one of hosts.
    listed = project.run(["ansible-inventory", *demo.sources([inventory]), "--list"], quiet=True).stdout
    assert "mlflow1" in listed
    assert password not in listed
    files = [each for each in stage.WORK.rglob("*") if each.is_file()]
    assert [each for each in files if password.encode() in each.read_bytes()] == [file]
    # Nor in what uv has unpacked of packages, a directory of this machine that is not the hosts' own.
    look = f"grep -rlFs --devices=skip --exclude-dir=site-packages --exclude-dir=archive-v0 -f - {stage.TREES}"
    hosts = (doors.server, doors.proxy, doors.notebook)
    found = [sorted(host.sh(look, feed=password, check=False).split()) for host in hosts]
    # It is the first of her teams.
    assert found == [[], [], ["/home/alice/.config/mlflow/audio.env", "/home/alice/.mlflow/credentials"]]
    stage.forget(doors.server, "audio")
