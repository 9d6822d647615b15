"""Runs on the measured host, with what its system has: reads what to do as JSON, prints what came of it as JSON."""

import base64
import collections
import concurrent.futures
import contextlib
import glob
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time

API = "/api/2.0/mlflow"
WHO = f"{API}/users/current"
PATIENCE = 180
# MLflow's client gives up an answer after so many (MLFLOW_HTTP_REQUEST_TIMEOUT), and asks again.
CLIENT_PATIENCE, CLIENT_TRIES = 120, 8
EVERY = r"mlflow(?:-listen)?@[^/]+\.service"
# A server's own start, its turn having come; before, it waits in start-pre.
STARTING = ("start", "start-post")


class Door:
    """One person's connection to one server, kept open as MLflow's client does."""

    def __init__(self, port, user, password, patience=PATIENCE):
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)

    def ask(self, path, **body):
        """Ask once; return the seconds it took and the answer."""
        started = time.monotonic()
        text = json.dumps(body) if body else None
        try:
            self.connection.request("POST" if body else "GET", path, text, self.headers)
            answer = self.connection.getresponse()
            data = answer.read()
        except BaseException:
            self.connection.close()
            raise
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {data[:300]!r}")
        return time.monotonic() - started, json.loads(data)


def first_answer(who):
    """Seconds from nothing to an authenticated answer, over a new connection."""
    door = Door(**who)
    try:
        return door.ask(WHO)[0]
    finally:
        door.connection.close()


def answers(who, seconds, most):
    """How long an authenticated answer takes over one connection, in milliseconds."""
    door = Door(**who)
    door.ask(WHO)
    taken, end = [], time.monotonic() + seconds
    while len(taken) < most and (time.monotonic() < end or len(taken) < 2):
        taken.append(1000 * door.ask(WHO)[0])
    spread = statistics.quantiles(taken, n=20, method="inclusive")
    return {"median": statistics.median(taken), "p95": spread[-1], "requests": len(taken)}


def logging(who, clients, seconds):
    """How many metrics a second so many clients log in a run of their own; each stops after its time."""
    door = Door(**who)
    name = f"load-{clients}-{time.time_ns()}"
    experiment = door.ask(f"{API}/experiments/create", name=name)[1]["experiment_id"]
    runs = [
        door.ask(f"{API}/runs/create", experiment_id=experiment, start_time=1)[1]["run"]["info"]["run_id"]
        for _client in range(clients)
    ]
    gate = threading.Barrier(clients)

    def log(run):
        mine = Door(**who)
        gate.wait()
        started, end, sent = time.monotonic(), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            sent += 1
            mine.ask(f"{API}/runs/log-metric", run_id=run, key="loss", value=0.1, timestamp=sent, step=sent)
        return sent, started, time.monotonic()

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(log, runs))
    whole = max(end for _sent, _start, end in found) - min(start for _sent, start, _end in found)
    total = sum(sent for sent, _start, _end in found)
    return {"clients": clients, "requests": total, "seconds": whole, "rate": total / whole}


def text_of(path):
    """A process may be gone by now."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def memory(units):
    """Processes and MiB of PSS of the units whose names match the pattern, by unit."""
    found = collections.defaultdict(lambda: {"processes": 0, "pss": 0.0})
    for process in glob.glob("/proc/[0-9]*"):
        unit = re.search(rf"/({units})(?:/|$)", text_of(f"{process}/cgroup"), re.MULTILINE)
        size = re.search(r"^Pss:\s+(\d+) kB", text_of(f"{process}/smaps_rollup"), re.MULTILINE)
        if unit and size:
            found[unit[1]]["processes"] += 1
            found[unit[1]]["pss"] += int(size[1]) / 1024
    return found


def available():
    """MiB that the host could still give away."""
    return int(re.search(r"MemAvailable:\s+(\d+)", text_of("/proc/meminfo"))[1]) / 1024


def total(units):
    """The same for all units together, beside what the host has left."""
    found = memory(units).values()
    sums = {key: sum(unit[key] for unit in found) for key in ("processes", "pss")}
    return {**sums, "units": len(found), "available": available()}


def states(pattern):
    """What systemd says of the units, by unit."""
    names = "--property=Id,ActiveState,SubState,InactiveExitTimestampMonotonic"
    shown = subprocess.run(["systemctl", "show", names, pattern], capture_output=True, text=True, check=True).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n") if block.strip()]
    return {block["Id"]: block for block in blocks}


def awake():
    """How many teams' servers run."""
    return sum(unit["ActiveState"] == "active" for unit in states("mlflow@*.service").values())


def sleep(seconds=180):
    """Put all teams to sleep: nobody needs their servers any more, so they stop."""
    subprocess.run(["systemctl", "stop", "mlflow-listen@*.service"], check=True)
    end = time.monotonic() + seconds
    while any(unit["ActiveState"] != "inactive" for unit in states("mlflow@*.service").values()):
        if time.monotonic() > end:
            raise SystemExit(f"mlflow@*.service: some still run {seconds} s after nobody needed them")
        time.sleep(0.5)


def wakes(who, python, times):
    """Seconds from sleep to the first authenticated answer, and those of a bare import, in turns."""
    found = {"wake": [], "import": []}
    for _time in range(times):
        sleep()
        found["wake"].append(first_answer(who))
        sleep()
        started = time.monotonic()
        subprocess.run([python, "-W", "ignore", "-c", "import mlflow.server.auth"], check=True, cwd="/")
        found["import"].append(time.monotonic() - started)
    return found


def wake_many(people, step):
    """Wake one team after the other, keep all awake meanwhile, and see after every few what they take."""
    sleep()
    woken, ended = [], threading.Event()

    def keep_awake():
        while not ended.wait(15):
            for who in list(woken):
                first_answer(who)

    growth, taken = [{"awake": 0, **total(EVERY)}], []
    keeper = threading.Thread(target=keep_awake, daemon=True)
    keeper.start()
    for who in people:
        taken.append(first_answer(who))
        woken.append(who)
        if len(woken) % step == 0:
            growth.append({"awake": awake(), **total(EVERY)})
    again = [first_answer(who) for who in people]
    ended.set()
    return {"growth": growth, "wakes": taken, "answers": again, "awake": awake()}


def after_boot():
    """What teams take once the host has booted and nobody has asked."""
    sockets = states("mlflow-listen@*.socket").values()
    return {
        **total(EVERY),
        "awake": awake(),
        "listening": sum(unit["ActiveState"] == "active" for unit in sockets),
        "started": sum(re.fullmatch(EVERY, unit) is not None for unit in started_since(0)),
    }


def wake_at_once(people):
    """Ask as many sleeping teams at the same moment, by one request each, and hold what all of them answer on."""
    sleep()
    before, gate, ended = available(), threading.Barrier(len(people)), threading.Event()
    doors = [Door(**who, patience=CLIENT_PATIENCE) for who in people]
    seen = []

    def ask(door):
        gate.wait()
        started = time.monotonic()
        for tries in range(1, CLIENT_TRIES + 1):
            # It begins a new connection where the former came to nothing.
            with contextlib.suppress(OSError, http.client.HTTPException):
                door.ask(WHO)
                return time.monotonic() - started, tries
        raise SystemExit(f"no answer after {time.monotonic() - started:.0f} s")

    def look():
        while not ended.wait(1):
            subs = [unit["SubState"] for unit in states("mlflow@*.service").values()]
            seen.append((sum(sub in STARTING for sub in subs), available()))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    with concurrent.futures.ThreadPoolExecutor(len(people)) as pool:
        taken = list(pool.map(ask, doors))
    ended.set()
    watcher.join()
    found = {
        "waited": sorted(seconds for seconds, _tries in taken),
        "again": sum(tries > 1 for _seconds, tries in taken),
        "at_once": max(starting for starting, _left in seen),
        "less_available": before - min(left for _starting, left in seen),
        **total(EVERY),
        "awake": awake(),
    }
    for door in doors:
        door.connection.close()
    return found


def started_since(moment):
    """The units of the collection that left their sleep since this moment."""
    since = moment * 1e6
    return sorted(
        name for name, unit in states("mlflow*").items() if int(unit["InactiveExitTimestampMonotonic"]) > since
    )


def built(path):
    """When an environment was put in its place."""
    return os.stat(path).st_ctime


WAYS = [
    *(first_answer, answers, logging, total, available, awake, sleep, wakes, wake_many, wake_at_once),
    *(after_boot, started_since, built),
]

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    way = {way.__name__: way for way in WAYS} | {"now": time.monotonic}
    print(json.dumps(way[asked.pop("do")](**asked)))
