"""Runs on the measured host: fills a team, and looks at it as its people would. Takes and prints JSON."""

import base64
import concurrent.futures
import glob
import http.client
import json
import os
import pwd
import re
import subprocess
import sys
import time

API = "/api/2.0/mlflow"
SERVICE = "mlflow-mounts.service"
METRICS = 20
# As an experiment may be: each run has a file.
NOTE = b"a note"

# What MLflow's own client takes for the same, once it is imported; the environment says who asks.
CLIENT = """
import sys, tempfile, time
import mlflow
client = mlflow.MlflowClient()
client.search_experiments()
started = time.monotonic()
if sys.argv[1] == "list":
    found = len(client.search_runs([sys.argv[2]], max_results=50000))
else:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        mlflow.artifacts.download_artifacts(sys.argv[2], dst_path=folder)
        found = 1
print(found, time.monotonic() - started)
"""


def asker(who):
    """Return a function that asks the server as somebody, over one connection."""
    word = base64.b64encode(f"{who['user']}:{who['password']}".encode()).decode()
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", who["port"], timeout=180)

    def ask(path, body):
        connection.request("POST", API + path, json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {data[:300]!r}")
        return json.loads(data)

    return ask


def log(who, experiment, name):
    """Log a run with metrics and parameters; return its identity."""
    ask = asker(who)
    run = ask("/runs/create", {"experiment_id": experiment, "run_name": name, "start_time": 1})["run"]["info"]["run_id"]
    metrics = [{"key": f"m{number}", "value": 0.5, "timestamp": 1, "step": 1} for number in range(METRICS)]
    params = [{"key": f"p{number}", "value": f"{number}"} for number in range(METRICS)]
    ask("/runs/log-batch", {"run_id": run, "metrics": metrics, "params": params})
    return run


def put(store, experiment, run, name, pieces):
    """Put an artifact where the server has it: sending it is not what is measured."""
    folder, own = os.path.split(store)
    owner = os.stat(folder)
    for part in (own, experiment, run, "artifacts"):
        folder = os.path.join(folder, part)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.chown(folder, owner.st_uid, owner.st_gid)
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)
    os.chown(path, owner.st_uid, owner.st_gid)


def fill(who, store, runs, mib):
    """Have an experiment with many runs, and one with a large model."""
    ask = asker(who)
    mark = f"{time.time_ns()}"
    names = {word: f"{word}-{mark}" for word in ("many", "large")}
    numbers = {word: ask("/experiments/create", {"name": name})["experiment_id"] for word, name in names.items()}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: log(who, numbers["many"], f"run{number}"), range(runs)))
    for run in made:
        put(store, numbers["many"], run, "note.txt", [NOTE])
    large = log(who, numbers["large"], "large")
    put(store, numbers["large"], large, "model.bin", (os.urandom(1 << 20) for _piece in range(mib)))
    return {"names": names, "numbers": numbers, "run": large}


def settle(users, team, who):
    """Have Unix users, each of whom is the same person to MLflow."""
    lines = {"URI": f"http://127.0.0.1:{who['port']}", "USERNAME": who["user"], "PASSWORD": f"'{who['password']}'"}
    text = "".join(f"MLFLOW_TRACKING_{key}={value}\n" for key, value in lines.items())
    for user in users:
        subprocess.run(["useradd", "--create-home", user], check=True)
        one = pwd.getpwnam(user)
        folder = one.pw_dir
        for part in (".config", "mlflow"):
            folder = os.path.join(folder, part)
            os.mkdir(folder, 0o700)
            os.chown(folder, one.pw_uid, one.pw_gid)
        path = os.path.join(folder, f"{team}.env")
        with open(path, "w") as file:
            file.write(text)
        os.chown(path, one.pw_uid, one.pw_gid)
        os.chmod(path, 0o600)


def as_user(user, command, feed="", **environment):
    """Let a Unix user run a command; return the seconds it took and what it printed."""
    one = pwd.getpwnam(user)
    given = {"PATH": "/usr/bin:/bin", "HOME": one.pw_dir, "LC_ALL": "C.UTF-8", **environment}
    rights = {"user": one.pw_uid, "group": one.pw_gid, "extra_groups": []}
    started = time.monotonic()
    done = subprocess.run(
        command, input=feed, env=given, cwd="/", capture_output=True, text=True, check=False, **rights
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} as {user}: {done.stderr[-500:]}")
    return time.monotonic() - started, done.stdout


def forget():
    """Let nothing be known of what was looked at before."""
    subprocess.run(["systemctl", "restart", SERVICE], check=True)


def client(user, who, python, *words):
    """Return what MLflow's client takes."""
    login = {"USERNAME": who["user"], "PASSWORD": who["password"], "URI": f"http://127.0.0.1:{who['port']}"}
    given = {f"MLFLOW_TRACKING_{key}": value for key, value in login.items()}
    code = [python, "-W", "ignore", "-c", CLIENT, *words]
    found, seconds = as_user(user, code, MLFLOW_DISABLE_TELEMETRY="true", **given)[1].split()
    return int(found), float(seconds)


def reading(user, who, python, team, filled, times):
    """Read the model in each way, in turns."""
    numbers, run = filled["numbers"], filled["run"]
    url = f"http://127.0.0.1:{who['port']}{API}-artifacts/artifacts/{numbers['large']}/{run}/artifacts/model.bin"
    curl = ["curl", "--silent", "--fail", "--config", "-", "--output", "/dev/null", url]
    login = f'user = "{who["user"]}:{who["password"]}"\n'
    path = f"/run/mlflow-mounts/{user}/{team}/{filled['names']['large']}/{run}/model.bin"
    # Neither of them is to be the first to bring it from the disk.
    as_user(user, curl, login)
    rounds = []
    for _time in range(times):
        one = {"curl": as_user(user, curl, login)[0]}
        forget()
        read = ["sh", "-c", f"exec cat '{path}' > /dev/null"]
        one["mount"] = as_user(user, read)[0]
        one["kept"] = int(as_user(user, ["fincore", "-nb", "-o", "RES", path])[1])
        one["again"] = as_user(user, read)[0]
        rounds.append(one)
    one = client(user, who, python, "read", f"runs:/{run}/model.bin")[1]
    return {"rounds": rounds, "client": one, "bytes": os.stat(filled["file"]).st_size}


def listing(user, who, python, team, filled, times):
    """List the runs in each way, in turns."""
    rounds = []
    for _time in range(times):
        found, seconds = client(user, who, python, "list", filled["numbers"]["many"])
        forget()
        one = {"client": seconds}
        for key in ("mount", "again"):
            one[key], said = as_user(user, ["ls", f"/run/mlflow-mounts/{user}/{team}/{filled['names']['many']}"])
            # Beside the directory of models.
            if len(said.splitlines()) != found + 1:
                raise SystemExit(f"the client finds {found} runs, the mount {len(said.splitlines()) - 1}")
        rounds.append(one)
    return {"rounds": rounds, "runs": found}


def text_of(path):
    """A process may be gone by now."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def processes():
    """Return MiB of PSS of the service, and of each process that answers somebody."""
    main = subprocess.run(
        ["systemctl", "show", "--value", "--property=MainPID", SERVICE], capture_output=True, text=True, check=True
    ).stdout.strip()
    found = {"main": 0.0, "users": []}
    for folder in glob.glob("/proc/[0-9]*"):
        size = re.search(r"^Pss:\s+(\d+) kB", text_of(f"{folder}/smaps_rollup"), re.MULTILINE)
        parent = re.search(r"^PPid:\s+(\d+)", text_of(f"{folder}/status"), re.MULTILINE)
        if size and os.path.basename(folder) == main:
            found["main"] = int(size[1]) / 1024
        elif size and parent and parent[1] == main:
            found["users"].append(int(size[1]) / 1024)
    return found


def looking(users, team, filled, seconds):
    """Have nobody, one and all look, and nobody again."""
    forget()
    found = {"nobody": processes()}

    def look(user):
        as_user(user, ["ls", f"/run/mlflow-mounts/{user}/{team}/{filled['names']['large']}/{filled['run']}/"])

    for key, some in (("one", users[:1]), ("all", users)):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(look, some))
        found[key] = processes()
    end = time.monotonic() + seconds
    while processes()["users"]:
        if time.monotonic() > end:
            raise SystemExit(f"somebody is still answered {seconds} s after the last look")
        time.sleep(1)
    return {**found, "after": processes()}


WAYS = {way.__name__: way for way in (fill, settle, reading, listing, looking)}

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(WAYS[asked.pop("do")](**asked)))
