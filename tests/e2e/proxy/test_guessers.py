"""Who tries passwords is slowed, and nobody beside them is."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

from e2e.proxied import ADMIN, ALICE, ASKS, VISION, Connection, Doors
from e2e.stage import WHO_AM_I, soon
from e2e.strangers import login, stranger


def test_it_is_reached_over_ipv6_where_64_bits_are_one_address(doors: Doors) -> None:
    numbers = " ".join(f"{number:x}" for number in range(1, 31))
    each = f"for number in {numbers}; do ip -6 address {{}} fd00:0:0:7:$number::1/64 dev lo {{}}; done"
    doors.proxy.sh(each.format("add", "nodad"))
    asks = f"{ASKS}'\n' -6 --cacert /etc/mlflow-proxy/ca.pem"
    try:
        there = f"--resolve {VISION}:443:[::1] https://{VISION}{WHO_AM_I}"
        assert doors.proxy.sh(f"{asks} --user {ALICE} {there}") == "200\n"
        assert doors.proxy.sh(f"{asks} --resolve {VISION}:80:[::1] http://{VISION}/") == "307\n"
        near = f"--resolve {VISION}:443:[fd00:0:0:7:1::1] https://{VISION}{WHO_AM_I}"
        guess = f"{asks} --interface fd00:0:0:7:$number::1 --user bob:wrong-$number {near}"
        before = time.monotonic()
        answers = doors.proxy.sh(f"for number in {numbers}; do {guess} & done; wait").split()
        seconds = time.monotonic() - before
    finally:
        doors.proxy.sh(each.format("delete", ""))
    # As for the guesser below, whose address is one.
    assert set(answers) == {"401", "429"}
    assert answers.count("401") <= most_let_through(seconds), (answers, seconds)


def most_let_through(seconds: float) -> int:
    """Return how many guesses are asked about in so many seconds: five at once, and one more in each ten."""
    return 6 + int(seconds / 10)


def test_a_guesser_is_slowed_and_who_logs_beside_them_is_not(doors: Doors, run_id: str) -> None:
    who = stranger(doors)
    mine = Connection(doors.proxy.host.address, VISION, doors.trust())
    assert mine.ask(WHO_AM_I, ALICE).status == 200

    def log(step: int) -> float:
        body = json.dumps({"run_id": run_id, "key": "beside", "value": step, "timestamp": step, "step": step}).encode()
        logged = mine.ask("/api/2.0/mlflow/runs/log-metric", ALICE, body, Content_Type="application/json")
        assert logged.status == 200
        return logged.seconds

    alone = [log(step) for step in range(50)]
    before = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        guesses = [login(f"alice:wrong guess number {number}") for number in range(40)]
        guessing = [pool.submit(who.ask, WHO_AM_I, guess) for guess in guesses]
        beside = [log(step) for step in range(50, 150)]
        # However long the guesser takes.
        while not all(guess.done() for guess in guessing):
            beside.append(log(len(beside) + 50))
    answers = [guess.result()[0] for guess in guessing]
    mine.close()
    # Other stories may have had his turns just before.
    assert {429} <= set(answers) <= {401, 429}
    assert answers.count(401) <= most_let_through(time.monotonic() - before)
    # Who is held up for one of these turns has to wait for ten seconds.
    assert sorted(beside)[len(beside) * 9 // 10] < max(9, 10 * sorted(alone)[45]), (alone, beside)


def test_a_guesser_does_not_say_where_from(doors: Doors) -> None:
    claimed = "198.51.100.66"
    more = {"X_Forwarded_For": claimed, "Forwarded": f"for={claimed}", "X_MLFLOW_WORKSPACE": "any"}
    # MLflow would answer 500 to the last one, before it looks at the log-in.
    assert doors.ask(WHO_AM_I, "mallory:from nowhere", **more).status in (401, 429)
    assert doors.ask(WHO_AM_I, ALICE, **more).status == 500
    asked = [line for line in doors.server.journal("--unit=mlflow@vision.service").splitlines() if WHO_AM_I in line]
    assert len(asked) > 1
    assert [line for line in asked if claimed in line] == []


def test_a_guesser_learns_nothing_from_what_is_let_through(doors: Doors) -> None:
    # Who works here is known here, and is asked about elsewhere as anybody is.
    assert doors.ask(WHO_AM_I, "bob:bob-try-out-only").status == 200

    def tried_from(address: str) -> list[str]:
        """Return what is answered to many guesses at once, and then to his password."""
        there = f"--cacert /etc/mlflow-proxy/ca.pem --interface {address} --resolve {VISION}:443:127.0.0.1"
        asks = f"{ASKS}'\n' {there} https://{VISION}{WHO_AM_I}"
        guesses = " ".join(f"{asks} --user bob:wrong-{number} &" for number in range(24))
        answers = doors.proxy.sh(f"{guesses} wait; {asks} --user bob:bob-try-out-only").split()
        assert set(answers[:-1]) == {"401", "429"}, answers
        return answers

    # On a slow machine, it may be his turn again just when his password is tried.
    assert any(tried_from(f"127.0.0.{number}")[-1] == "429" for number in range(9, 14))


def test_many_with_one_wrong_log_in_do_not_wait_for_each_other(doors: Doors) -> None:
    who, given = stranger(doors), login("mallory:made up")
    before = time.monotonic()
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _number: who.ask(WHO_AM_I, given)[0], range(40)))
    assert set(answers) <= {401, 429}
    # One after the other, each would wait for ten seconds.
    assert time.monotonic() - before < 10 * 30


def test_who_is_removed_is_known_for_a_minute_at_most(doors: Doors) -> None:
    config, user = "/etc/nginx/conf.d/mlflow.conf", {"username": "zoe", "password": "zoe-try-out-only"}
    manage = f"{ASKS} --user {ADMIN} --json @- http://127.0.0.1:5001/api/2.0/mlflow/users"
    zoe = ":".join(user.values())

    def asked() -> int:
        """Return how often the team's server was asked about a log-in."""
        return int(doors.server.sh(f"journalctl --unit mlflow@vision --output cat | grep -cF {WHO_AM_I}", check=False))

    doors.proxy.sh(f"cp -p {config} /root; sed -i 's/200 204 1m;/200 204 1s;/' {config}; nginx -s reload")
    try:
        assert doors.server.sh(f"{manage}/create", json.dumps(user)) == "200"
        known = "/static-files/index.html"
        assert soon(lambda: doors.ask(known, zoe).status == 200)
        before = asked()
        assert soon(lambda: doors.ask(known, zoe).status != 200 or asked() >= before + 8)
        assert doors.ask(known, zoe).status == 200
        # That takes none of her turns from who tries her password.
        assert doors.ask(known, "zoe:a wrong one").status == 401
        removed = json.dumps({"username": user["username"]})
        assert doors.server.sh(f"{manage}/delete --request DELETE", removed) == "200"
        assert soon(lambda: doors.ask(known, zoe).status == 401)
    finally:
        doors.proxy.sh(f"cp -p /root/mlflow.conf {config}; nginx -s reload")
