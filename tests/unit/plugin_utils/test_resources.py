"""How long a server sleeps, what it may take of its host, and which databases tell all of it."""

import pytest
from ansible_collections.mlops.mlflow.plugins.lookup import teams as lookup
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema

SCHEMA = team_schema(lookup.DOCUMENTATION)


def read(team, **defaults):
    declared = {"name": "vision", "port": 5001, "admin_password": "correct horse", **team}
    return read_teams([("", declared)], SCHEMA, {**lookup.DEFAULTS, **defaults})


def faults(team):
    return [line.removeprefix("mlflow_teams: vision: ") for line in read(team)[1]]


@pytest.mark.parametrize("timeout", ["30min", "2h", "90", "1h 30min", "1d", "5s", "never", 90])
def test_times_that_systemd_knows(timeout):
    (team,), problems = read({"idle_timeout": timeout})
    assert problems == []
    assert team["sleeps"] == (timeout != "never")


@pytest.mark.parametrize(
    "timeout",
    [
        "0",
        "soon",
        "1 fortnight",
        "-5min",
        "5 min; rm",
        "Never",
        "1 h",
        "1.5h",
        "inf",
        "infinity",
        "-1",
        "30 min",
        "9" * 11,
    ],
)
def test_times_that_it_does_not(timeout):
    assert faults({"idle_timeout": timeout}) == [
        f"idle_timeout: '{timeout}' is not a valid time; use one like 30min, 2h or '1h 30min', seconds, or 'never'"
    ]


def test_the_inventory_says_it_for_all_who_do_not():
    assert read({}, idle_timeout="never")[0][0]["sleeps"] is False
    assert read({"idle_timeout": "1h"}, idle_timeout="never")[0][0]["sleeps"] is True


@pytest.mark.parametrize("age", ["30d", "12h", "1d12h", "90m", "5s", "never"])
def test_ages_that_mlflow_knows(age):
    (team,), problems = read({"gc_older_than": age})
    assert (team["gc_older_than"], problems) == (age, [])
    assert read({}, gc_older_than=age)[0][0]["gc_older_than"] == age


@pytest.mark.parametrize(
    "age", ["30", "1w", "12h1d", "30 d", "soon", "-1d", "1.5d", "1D", "30d ", "9" * 11 + "d", "inf"]
)
def test_ages_that_it_does_not(age):
    assert faults({"gc_older_than": age}) == [
        f"gc_older_than: '{age}' is not a valid time for mlflow gc; use one like 30d, 12h or 1d12h, or 'never'"
    ]


def test_work_in_the_background_is_not_put_to_sleep():
    jobs = {"environment": {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"}}
    assert len(faults(jobs)) == 1
    assert "idle_timeout" in faults(jobs)[0]
    assert faults({**jobs, "idle_timeout": "never"}) == []


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"memory_max": "lots"}, "memory_max: 'lots' is not a valid amount"),
        ({"memory_max": "50%"}, "memory_max: '50%' is not a valid amount"),
        ({"memory_max": "100M"}, "memory_max: 100M is too little"),
        ({"disk_max": "much"}, "disk_max: 'much' is not a valid size; use one like 500G or 2T, bytes, or 'infinity'"),
        ({"disk_max": "500GB"}, "disk_max: '500GB' is not a valid size"),
        ({"disk_max": "10%"}, "disk_max: '10%' is not a valid size"),
        ({"disk_max": "0"}, "disk_max: '0' is not a valid size"),
        ({"disk_max": "9999999999T"}, "disk_max: '9999999999T' is not a valid size"),
        ({"disk_max": "9" * 5000}, "disk_max: '9999"),
        ({"disk_max": "15M"}, "disk_max: 15M is too little for a database; 16M is the least"),
        ({"cpu_weight": 0}, "cpu_weight: 0 is outside"),
        ({"cpu_weight": 10001}, "cpu_weight: 10001 is outside"),
        ({"tasks_max": 10}, "tasks_max: 10 is too little"),
        ({"workers": 0}, "workers: 0 is not a valid number"),
        ({"auth_cache_ttl_seconds": -1}, "auth_cache_ttl_seconds: -1 is not a valid time"),
        ({"auth_cache_ttl_seconds": 10**12}, "auth_cache_ttl_seconds: 1000000000000 is not a valid time"),
        ({"memory_max": "2g"}, "memory_max: '2g' is not a valid amount"),
        ({"memory_max": "2GB"}, "memory_max: '2GB' is not a valid amount"),
        ({"memory_max": "2 G"}, "memory_max: '2 G' is not a valid amount"),
        ({"memory_max": "1.5G"}, "memory_max: '1.5G' is not a valid amount"),
        ({"memory_max": 1.5}, "memory_max: '1.5' is not a valid amount"),
        ({"memory_max": "0"}, "memory_max: '0' is not a valid amount"),
        ({"memory_max": -1}, "memory_max: '-1' is not a valid amount"),
        ({"memory_max": "2G\n"}, "memory_max: '2G\\n' is not a valid amount"),
        ({"memory_max": "9999999999T"}, "memory_max: '9999999999T' is not a valid amount"),
        ({"memory_max": "9" * 5000}, "memory_max: '9999"),
        (
            {"memory_max": "600M", "workers": 4},
            "memory_max: 600M is too little for 4 workers to start; 800M is the least",
        ),
        ({"tasks_max": 10**9}, "tasks_max: 1000000000 is more than a host can have; 4194304 is the most"),
        ({"workers": -3}, "workers: -3 is not a valid number"),
        ({"workers": 5000}, "workers: 5000 is more than a host can start; 256 is the most"),
        ({"workers": 1.5}, "argument 'workers' is of type float"),
        ({"workers": float("inf")}, "workers: is not a number that a setting can have; give whole digits"),
        ({"workers": "1e999999999"}, "workers: is not a number that a setting can have"),
        ({"workers": "Infinity"}, "workers: is not a number that a setting can have"),
        ({"workers": True}, "workers: is true or false, where a number is wanted"),
        ({"port": float("-inf")}, "port: is not a number that a setting can have"),
        ({"port": "5" * 5000}, "port: is not a number that a setting can have"),
        ({"port": "5001/tcp"}, "argument 'port' is of type str"),
        ({"cpu_weight": "nan"}, "argument 'cpu_weight' is of type str"),
    ],
)
def test_limits_that_no_server_can_live_within(limits, word):
    (fault,) = faults(limits)
    assert fault.startswith(word)


@pytest.mark.parametrize("memory", ["2G", "1500M", "1T", "infinity", 1073741824])
def test_amounts_of_memory(memory):
    assert faults({"memory_max": memory}) == []


@pytest.mark.parametrize(
    ("declared", "for_all", "amount"),
    [
        ({}, "infinity", None),
        ({}, "500G", 500 * 1024**3),
        ({"disk_max": "2T"}, "500G", 2 * 1024**4),
        ({"disk_max": "infinity"}, "500G", None),
        ({"disk_max": 17000000}, "infinity", 17000000),
    ],
)
def test_how_much_of_the_disk(declared, for_all, amount):
    (team,), problems = read(declared, disk_max=for_all)
    assert (team["disk_max_bytes"], problems) == (amount, [])


@pytest.mark.parametrize(
    ("team", "seconds"),
    [
        ({}, 60),
        ({"workers": 4}, 5),
        ({"workers": 4, "auth_cache_ttl_seconds": 60}, 60),
        ({"auth_cache_ttl_seconds": 0}, 0),
    ],
)
def test_several_workers_remember_log_ins_for_less_time(team, seconds):
    assert read(team)[0][0]["auth_cache_ttl_seconds"] == seconds


@pytest.mark.parametrize(
    ("team", "files"),
    [
        ({}, ["/var/lib/mlflow/vision/mlflow.db"]),
        ({"backend_store_uri": "sqlite:////srv/db/one.db?timeout=30"}, ["/srv/db/one.db"]),
        (
            {"auth_database_uri": "sqlite:///people.db"},
            ["/var/lib/mlflow/vision/mlflow.db", "/var/lib/mlflow/vision/people.db"],
        ),
        ({"auth_database_uri": "postgresql+psycopg://db.example.org/people"}, []),
        ({"backend_store_uri": "postgresql+psycopg://db.example.org/all"}, []),
        ({"backend_store_uri": "sqlite:///:memory:"}, []),
    ],
)
def test_files_that_hold_all_a_server_knows(team, files):
    assert read(team)[0][0]["sqlite_files"] == files


@pytest.mark.parametrize(
    ("team", "kept"),
    [
        ({}, ["auth", "tracking", "artifacts"]),
        ({"auth_database_uri": "postgresql+psycopg://db.example.org/people"}, ["tracking", "artifacts"]),
        ({"backend_store_uri": "postgresql+psycopg://db.example.org/all"}, ["artifacts"]),
        ({"artifacts": {"destination": "s3://vision/artifacts"}}, ["auth", "tracking"]),
        ({"artifacts": {"destination": "/srv/vision"}}, ["auth", "tracking", "artifacts"]),
        ({"artifacts": {"serve": False, "root": "s3://vision/artifacts"}}, ["auth", "tracking", "artifacts"]),
    ],
)
def test_what_is_kept_in_files(team, kept):
    assert read(team)[0][0]["in_files"] == kept


@pytest.mark.parametrize("name", ["MLFLOW_BACKEND_STORE_URI", "MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_UVICORN_OPTS"])
def test_variables_that_would_undo_the_declaration(name):
    (fault,) = faults({"environment": {name: "another"}})
    assert fault.startswith(f"environment: {name} is set by the role; ")
