"""A team on two hosts is upgraded, loses a host, gets other people, is restored and is cut off, while people log."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import testhosts
from e2e import stage
from e2e.stage import Stage, soon
from lives import lost_host, replicas_lab, replicated, through_proxy
from lives.replicas_lab import FOLLOWER, LEADER, Replicas
from lives.replicated import DAVE, NEW, OLD, PORT, TEAM

pytestmark = pytest.mark.on_request

ERIN = {"name": "erin", "password": "erin-try-out-only"}
FRANK = {"name": "frank", "password": "frank-try-out-only"}
# So much of a file is more than all else that comes to a host.
LARGE_ENOUGH = 100_000_000


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    """Have the team on both hosts, whose PostgreSQL was empty before, as it is to be found again after each upgrade."""
    with replicas_lab.deployed() as found:
        run = found.play("site")
        assert run.code == 0, run.output[-5000:]
        again = found.play("site")
        assert (again.code, replicated.changes(again)) == (0, {FOLLOWER: 0, LEADER: 0}), again.output[-5000:]
        replicated.all_serve(found.servers(), OLD)
        found["store1"].sh(f"runuser -u postgres -- pg_dump {TEAM} > {replicas_lab.DUMP}")
        yield found


def further(replicas: Replicas) -> list[dict[str, Any]]:
    """Declare three more teams that both hosts serve, and let PostgreSQL take them in."""
    store = replicas["store1"]
    store.sh("cd /etc/postgresql/*/main && echo 'host all all all scram-sha-256' >> pg_hba.conf")
    store.sh("systemctl reload postgresql")
    place = f"{replicated.DATABASE_PASSWORD}@{store.host.address}"
    return [
        replicas.declared
        | {
            "name": name,
            "port": PORT + number,
            "backend_store_uri": f"postgresql+psycopg://{name}:{place}/{name}",
            "artifacts": {"destination": f"s3://{TEAM}/{name}"},
            "allowed_hosts": [f"{name}.{replicated.DOMAIN}"],
        }
        for number, name in enumerate(("second", "third", "fourth"), 1)
    ]


def test_more_teams_of_both_hosts_come_up_in_one_run_and_take_no_more_remote_executions(replicas: Replicas) -> None:
    before = replicas.executions()
    replicas.more = further(replicas)
    try:
        run = replicas.play("site")
        assert run.code == 0, run.output[-5000:]
        for host in replicas.servers():
            assert [host.login(team["port"], **DAVE) for team in replicas.more] == [200] * 3
        assert replicas.executions() == before
    finally:
        for host in replicas.servers():
            for team in replicas.more:
                stage.forget(host, team["name"])
        replicas.more = []


@pytest.fixture(scope="module")
def older(replicas: Replicas) -> str:
    """Return the snapshot of the team as it was of the older version."""
    replicas_lab.mark(replicas[LEADER], "old")
    run = replicas.play("backup_team", "-e", f"team={TEAM}")
    assert run.code == 0, run.output[-5000:]
    (snapshot,) = set(re.findall(r"snapshot\W+([0-9a-f]{8})\b", run.output))
    return str(snapshot)


# -- An upgrade --


@pytest.fixture(scope="module")
def upgraded(replicas: Replicas, older: str) -> tuple[through_proxy.Seen, str, list[replicas_lab.Told]]:
    """Upgrade the team while people log, and while both hosts are asked what they are."""
    runs, told = [], []

    def happen() -> dict[str, float]:
        found = {"upgraded": time.time()}
        with replicas.watched(replicas_lab.version) as answers:
            runs.append(replicas.play("site", version=NEW))
            found["is upgraded"] = time.time()
            time.sleep(10)
        told.extend(answers)
        return found

    seen = replicas.logged(happen)
    assert runs[0].code == 0, runs[0].output[-5000:]
    return seen, runs[0].output, told


def test_an_upgrade_is_no_error_to_those_who_repeat(upgraded: tuple[through_proxy.Seen, str, object]) -> None:
    seen = upgraded[0]
    assert seen.of(repeating=True).failed("upgraded", "end") == []
    assert (seen.lost, seen.of(repeating=False).twice) == ([], [])


def test_an_upgrade_migrates_once(upgraded: tuple[object, str, object], replicas: Replicas) -> None:
    said = re.findall(rf"{TEAM}: {OLD} -> {NEW}, ([a-z ]*)", upgraded[1])
    assert list(dict.fromkeys(said)) == ["migrated", "the same schemas"]
    assert said.count("migrated") == 1
    replicated.all_serve(replicas.servers(), NEW)
    # Nobody's code fills what all need to start.
    owners = {host.sh(f"stat --format=%U:%a /run/mlflow/{TEAM}").strip() for host in replicas.servers()}
    assert owners == {"root:750"}


def test_no_server_is_old_once_another_one_is_new(upgraded: tuple[object, str, list[replicas_lab.Told]]) -> None:
    assert replicas_lab.mixed(upgraded[2], OLD, NEW) == []
    assert [it for it in upgraded[2] if it.what.endswith(" 500")] == []


# -- The host of the leader --


@pytest.fixture(scope="module")
def lost(replicas: Replicas, upgraded: object) -> through_proxy.Seen:
    """Kill the leader's server for a while, and then lose its host; again and again, if asked for."""
    link = f"/etc/mlflow/{TEAM}/venv"

    def lose() -> dict[str, float]:
        leader = replicas[LEADER]
        found = {"killed": time.time()}
        leader.sh(f"ln -sfn /nowhere {link}; systemctl kill --signal=KILL mlflow@{TEAM}.service")
        found["is killed"] = time.time()
        time.sleep(8)
        assert leader.login(PORT, **DAVE) == 0
        found["mended"] = time.time()
        leader.sh(f"ln -sfn /opt/mlflow/{NEW} {link}")
        assert soon(lambda: leader.login(PORT, **DAVE) == 200)
        time.sleep(5)
        found["lost"] = time.time()
        back = lost_host.lose(leader)
        found["is lost"] = time.time()
        time.sleep(15)
        found["back"] = time.time()
        leader.sh(back)
        assert soon(lambda: leader.login(PORT, **DAVE) == 200)
        time.sleep(5)
        return found

    return replicas.logged(lambda: through_proxy.repeatedly(lose))


@pytest.mark.parametrize(("what", "seconds"), [("killed", 3), ("lost", 16)])
def test_only_what_was_being_answered_is_an_error(lost: through_proxy.Seen, what: str, seconds: int) -> None:
    for first, last in lost.spans(what):
        failed = lost.failed(first, last)
        assert len(failed) <= through_proxy.PEOPLE, failed
        assert all(it.began < lost.moments[f"is {first}"] + seconds for it in failed), failed
        # What a server was answering is repeated by who repeats all.
        if what == "killed":
            assert lost.of(repeating=True).failed(first, last) == []


def test_it_comes_back_without_an_error(lost: through_proxy.Seen) -> None:
    for first, last in [*lost.spans("mended"), *lost.spans("back")]:
        failed = lost.failed_within(first, last)
        assert failed == [], (first, failed)


def test_nothing_acknowledged_is_lost_with_a_host(lost: through_proxy.Seen) -> None:
    assert (lost.lost, lost.of(repeating=False).twice) == ([], [])


# -- A large file --


def received(host: Stage) -> int:
    """Return how much a host was sent so far."""
    return int(host.sh("cat /sys/class/net/eth0/statistics/rx_bytes"))


def upload(replicas: Replicas, begun: Callable[[dict[str, int]], None]) -> dict[str, Any]:
    """Upload a gigabyte; once a host has some of it, say who got how much."""
    client = replicas[FOLLOWER]
    client.sh("cat > /root/large.py", Path(__file__).with_name("large_upload.py").read_text())
    given = through_proxy.with_variables(replicated.people(replicas["store1"], client))
    unit = "systemd-run --quiet --unit=large --pipe --wait --collect"
    before = {host.host.name: received(host) for host in replicas.servers()}
    with ThreadPoolExecutor(1) as pool:
        run = f"{unit} {given} /opt/mlflow/{OLD}/bin/python /root/large.py {replicated.EXPERIMENT}"
        going, got = pool.submit(client.sh, run, check=False), dict.fromkeys(before, 0)
        while not going.done() and max(got.values()) < LARGE_ENOUGH:
            time.sleep(0.2)
            got = {host.host.name: received(host) - before[host.host.name] for host in replicas.servers()}
        begun(got)
        answer = going.result()
    return json.loads(answer) if answer else {}


def test_an_upload_of_a_gigabyte_outlives_the_host_that_takes_it(replicas: Replicas, upgraded: object) -> None:
    leader = replicas[LEADER]
    undisturbed = upload(replicas, lambda _got: None)
    assert undisturbed["same"]
    lost: list[str] = []

    def lose(got: dict[str, int]) -> None:
        # The other one is where the client is.
        if got[leader.host.name] > LARGE_ENOUGH:
            lost.append(lost_host.lose(leader))
        else:
            replicas[FOLLOWER].sh("systemctl stop large")

    for _attempt in range(10):
        answer = upload(replicas, lose)
        if lost:
            break
    leader.sh(lost[0])
    print("a gigabyte:", undisturbed, "with its host lost:", answer)
    assert (answer["failed"], answer["same"]) == ("", True)
    # It is sent again from its beginning.
    assert answer["took"] < 3 * undisturbed["took"] + 30
    assert soon(lambda: leader.login(PORT, **DAVE) == 200)


# -- Other people --


def test_who_is_removed_is_refused_by_both_when_the_run_ends(replicas: Replicas, upgraded: object) -> None:
    run = replicas.play("site", users=[DAVE, ERIN, FRANK])
    assert run.code == 0, run.output[-5000:]
    later = {**ERIN, "password": "erin has another one"}
    refused: dict[tuple[str, str], int] = {}

    def happen() -> dict[str, float]:
        found = {"other people": time.time()}
        # They are asked until the end, so that what is remembered of them is fresh.
        with replicas.watched(lambda host: str([host.login(PORT, **who) for who in (ERIN, FRANK)])) as told:
            run = replicas.play("site", users=[DAVE, later])
            for host in replicas.servers():
                refused.update({(host.host.name, who["name"]): host.login(PORT, **who) for who in (ERIN, FRANK)})
        assert run.code == 0, run.output[-5000:]
        assert told[0].what == "[200, 200]"
        found["is refused"] = time.time()
        time.sleep(5)
        return found

    seen = replicas.logged(happen)
    assert set(refused.values()) == {401}, refused
    assert [host.login(PORT, **later) for host in replicas.servers()] == [200, 200]
    assert seen.failed("other people", "end") == []
    assert (seen.lost, seen.twice) == ([], [])


# -- A restore --


@pytest.fixture(scope="module")
def restored(replicas: Replicas, upgraded: object) -> tuple[through_proxy.Seen, list[replicas_lab.Told]]:
    """Restore the team to what it was a moment ago, while people log and both hosts are asked what they have."""
    told = []

    def happen() -> dict[str, float]:
        replicas_lab.mark(replicas[LEADER], "kept")
        found = {"saved": time.time()}
        run = replicas.play("backup_team", "-e", f"team={TEAM}")
        assert run.code == 0, run.output[-5000:]
        replicas_lab.mark(replicas[LEADER], "later")
        with replicas.watched(replicas_lab.state) as answers:
            time.sleep(3)
            found["restored"] = time.time()
            run = replicas.play("restore_team", "-e", f"team={TEAM}")
            assert run.code == 0, run.output[-5000:]
            found["is restored"] = time.time()
            time.sleep(10)
        told.extend(answers)
        return found

    return replicas.logged(happen), told


def test_both_have_what_was_restored_and_neither_the_rest(
    restored: tuple[through_proxy.Seen, list[replicas_lab.Told]], replicas: Replicas
) -> None:
    seen, told = restored
    assert [replicas_lab.state(host) for host in replicas.servers()] == [f"kept {NEW}"] * 2
    assert {it.what for it in told if not it.what.startswith("none")} == {f"later {NEW}", f"kept {NEW}"}
    assert {it.what for it in told} & {"none 500", "none 404", "none 401"} == set()
    assert replicas_lab.mixed(told, "later", "kept") == []
    # What was acknowledged before the snapshot, or once the team was back, is there.
    gone = [it for it in seen.calls if it.name in seen.lost]
    since, until = seen.moments["saved"], seen.moments["is restored"]
    assert [it for it in gone if it.end < since or it.began > until] == []
    assert seen.of(repeating=True).failed("saved", "end") == []


def test_a_snapshot_of_an_older_version_is_served_by_no_old_server_beside_a_new_one(
    replicas: Replicas, upgraded: object, older: str
) -> None:
    replicas_lab.mark(replicas[LEADER], "later")
    with replicas.watched(replicas_lab.state) as told:
        run = replicas.play("restore_team", "-e", f"team={TEAM}", "-e", f"snapshot={older}")
    assert run.code == 0, run.output[-5000:]
    assert [replicas_lab.state(host) for host in replicas.servers()] == [f"old {NEW}"] * 2
    assert replicas_lab.mixed(told, "later", "old") == []
    assert replicas_lab.mixed(told, OLD, f"old {NEW}") == []
    assert [it for it in told if it.what == "none 500"] == []


def test_nothing_is_restored_while_a_host_that_nobody_gets_to_serves(replicas: Replicas, upgraded: object) -> None:
    replicas_lab.mark(replicas[LEADER], "now")
    replicas.other[FOLLOWER] = replicas_lab.CUT_OFF
    try:
        with replicas.watched(replicas_lab.state) as told:
            run = replicas.play("restore_team", "-e", f"team={TEAM}")
    finally:
        del replicas.other[FOLLOWER]
    assert run.code != 0
    assert f"{FOLLOWER}: still has the databases of team {TEAM} open" in run.output, run.output[-5000:]
    # The leader was away for it, and the other one was not.
    assert {it.what for it in told} <= {f"now {NEW}", "none 0"}
    assert {it.what for it in told if it.host == FOLLOWER} == {f"now {NEW}"}
    assert [replicas_lab.state(host) for host in replicas.servers()] == [f"now {NEW}"] * 2
    assert replicated.said(replicas["store1"]) == ""


# -- Cut off --


@pytest.fixture
def old(replicas: Replicas) -> Replicas:
    """Have it of the older version again."""
    replicas.back_to_old()
    return replicas


def see_one_side(told: list[replicas_lab.Told], seen: through_proxy.Seen) -> None:
    """See that nobody was old beside a new one, and that nothing is lost or there twice."""
    assert replicas_lab.mixed(told, OLD, NEW) == []
    assert [it for it in told if it.what.endswith(" 500")] == []
    assert (seen.lost, seen.of(repeating=False).twice) == ([], [])


def test_a_leader_that_dies_while_it_migrates_leaves_all_old_until_the_next_run(old: Replicas) -> None:
    store, told, runs = old["store1"], [], []
    tables = "SELECT string_agg(tablename, ', ') FROM pg_tables WHERE schemaname = 'public'"
    lock = f"BEGIN; LOCK TABLE {replicated.sql(store, tables, TEAM)} IN ROW EXCLUSIVE MODE; SELECT pg_sleep(600)"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    old.declared["version"] = NEW

    def happen() -> dict[str, float]:
        # The migration waits for these.
        run = f"systemd-run --quiet --unit=holds runuser -u postgres -- psql -Xq {TEAM}"
        store.sh(f"{run} -c {shlex.quote(lock)}")
        found = {"dies": time.time()}
        with old.watched(replicas_lab.version) as answers, ThreadPoolExecutor(1) as pool:
            going = pool.submit(old.play, "site")
            assert soon(lambda: going.done() or replicated.sql(store, waits, TEAM) != "0", 300)
            assert not going.done(), going.result().output[-5000:]
            testhosts.podman("kill", old[LEADER].host.container)
            found["is dead"] = time.time()
            replicated.sql(store, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            runs.append(going.result())
            time.sleep(20)
            assert old[FOLLOWER].login(PORT, **DAVE) == 0
            found["boots"] = time.time()
            testhosts.podman("start", testhosts.container_of(replicas_lab.HOSTS[LEADER]))
            testhosts.wait_until_booted(replicas_lab.HOSTS[LEADER])
            assert soon(lambda: replicas_lab.version(old[LEADER]) == f"{OLD} 200"), replicas_lab.version(old[LEADER])
            found["run again"] = time.time()
            run = old.play("site")
            assert run.code == 0, run.output[-5000:]
            replicated.all_serve(old.servers(), NEW)
        told.extend(answers)
        return found

    seen = old.logged(happen)
    assert runs[0].code == 2, runs[0].output[-5000:]
    see_one_side(told, seen)


# When whoever runs the playbook is killed.
MOMENTS = {
    "the other host has stopped": lambda it: (
        it[FOLLOWER].sh(f"systemctl is-active mlflow@{TEAM}.service", check=False).strip() != "active"
    ),
    "the leader migrates": lambda it: replicated.said(it["store1"]) != "",
    "the other host follows": lambda it: replicas_lab.version(it[LEADER]).startswith(NEW),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_whoever_is_killed_in_an_upgrade_leaves_no_old_server_beside_a_new_one(old: Replicas, moment: str) -> None:
    told = []
    old.declared["version"] = NEW

    def happen() -> dict[str, float]:
        found = {"cut off": time.time()}
        with old.watched(replicas_lab.version) as answers:
            with stage.cut_off(old.command("site")) as log:
                assert soon(lambda: MOMENTS[moment](old), 300), log.read_text()[-5000:]
            # What goes on by itself does.
            time.sleep(20)
            found["run again"] = time.time()
            run = old.play("site")
            assert run.code == 0, run.output[-5000:]
            replicated.all_serve(old.servers(), NEW)
        told.extend(answers)
        return found

    seen = old.logged(happen)
    see_one_side(told, seen)
    assert seen.of(repeating=True).failed("cut off", "end") == []
