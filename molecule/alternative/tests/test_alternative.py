"""What only this scenario declares, seen from the hosts and over MLflow's API."""

import hashlib
import json
from typing import Any

import pytest

API = "/api/2.0/mlflow"
ALPHA = ["debian12", "debian13"]
AWKWARD = r"""$HOME ${HOME} "quoted" 'single' \ \n `id` 100% #hash ; end"""
ENVIRONMENT = "/srv/mlflow environments/3.15.2"


@pytest.fixture(params=ALPHA)
def alpha(request: pytest.FixtureRequest, find_server: Any) -> Any:
    return find_server(request.param, "alpha-1")


@pytest.fixture
def beta(find_server: Any) -> Any:
    return find_server("debian12", "beta")


def login(server: Any, name: str) -> tuple[str, str]:
    return name, next(user["password"] for user in server.team["users"] if user["name"] == name)


def experiment(server: Any, name: str, who: tuple[str, str] | None = None) -> Any:
    return server.ask(f"{API}/experiments/get-by-name?experiment_name={name}", who or server.admin)


def create_run(server: Any, name: str, who: tuple[str, str]) -> int:
    wanted = experiment(server, name).json["experiment"]["experiment_id"]
    return int(server.ask(f"{API}/runs/create", who, "POST", {"experiment_id": wanted}).status)


def test_runs_the_version_from_where_it_was_told(alpha: Any) -> None:
    assert alpha.ask("/version", alpha.admin).text == "3.15.2"
    assert alpha.host.file("/etc/mlflow/alpha-1/venv").linked_to == ENVIRONMENT


def test_installed_what_was_asked_for_and_no_more(host: Any) -> None:
    code = "import importlib.metadata as m; print(*(d.name + '=' + d.version for d in m.distributions()), sep='\\n')"
    found = dict(line.split("=") for line in host.check_output("%s/bin/python -c %s", ENVIRONMENT, code).split())
    assert found["cachetools"] == "6.2.0"
    assert "psycopg" in found
    assert "boto3" in found
    assert "PyMySQL" not in found


def test_environment_arrives_as_it_was_written(alpha: Any) -> None:
    (pid,) = alpha.show("mlflow@alpha-1.service", "MainPID")
    entries = alpha.host.file(f"/proc/{pid}/environ").content_string.split("\0")
    found = dict(entry.split("=", 1) for entry in entries if entry)
    assert (found["AWKWARD"], found["EMPTY"], found["NUMBER"]) == (AWKWARD, "", "7")


def test_answers_to_the_names_it_was_given(alpha: Any) -> None:
    path = f"{API}/users/current"
    assert alpha.ask(path, alpha.admin, Host="mlflow.example.org").status == 200
    assert alpha.ask(path, alpha.admin, Host="other.example.org").status == 403


def test_takes_posts_from_pages_of_its_origins_only(alpha: Any) -> None:
    def post(origin: str, body: Any = None) -> int:
        return int(alpha.ask(f"{API}/experiments/search", alpha.admin, "POST", body, Origin=origin).status)

    assert post("https://mlflow.example.org", {"max_results": 1}) == 200
    assert post("https://other.example.org") == 403
    assert post("https://mlflow.example.org") != 403


def test_reads_by_default_and_writes_by_grant(alpha: Any) -> None:
    ada, ben = login(alpha, "ada@example.org"), login(alpha, "ben")
    assert experiment(alpha, "tagged", ben).status == 200
    assert create_run(alpha, "tagged", ben) == 403
    assert create_run(alpha, "tagged", ada) == 200
    assert create_run(alpha, "nobody's", ben) == 403


def test_only_creators_and_admins_make_things(alpha: Any) -> None:
    def makes(name: str) -> int:
        wanted = {"name": f"of {name}"}
        return int(alpha.ask(f"{API}/experiments/create", login(alpha, name), "POST", wanted).status)

    assert makes("ben") == 403
    # They are there already where the hosts were kept.
    assert {makes(name) for name in ("ada@example.org", "second admin")} <= {200, 400}
    assert experiment(alpha, "of%20ada@example.org").status == 200
    file = alpha.host.file("/etc/mlflow/alpha-1/creators.json")
    assert (file.user, file.group, file.mode) == ("root", "mlflow-alpha-1", 0o640)


def test_a_user_may_be_admin(alpha: Any) -> None:
    assert alpha.ask(f"{API}/users/list", login(alpha, "second admin")).status == 200
    assert alpha.ask(f"{API}/users/list", login(alpha, "ben")).json.keys() == {"users"}


def test_sets_tags_descriptions_and_places(alpha: Any) -> None:
    tagged = experiment(alpha, "tagged").json["experiment"]
    tags = {tag["key"]: tag["value"] for tag in tagged["tags"]}
    assert (tags["owner"], tags["mlflow.note.content"]) == ("ada", '50% "done"')
    assert experiment(alpha, "nobody's").json["experiment"]["artifact_location"] == "mlflow-artifacts:/named"
    model = alpha.ask(f"{API}/registered-models/get?name=scorer", alpha.admin).json["registered_model"]
    assert (model["description"], model["tags"]) == ("Scores", [{"key": "stage", "value": "trial"}])


def test_keeps_people_and_work_apart(alpha: Any) -> None:
    code = "import sqlite3, sys; print([r[0] for r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])])"
    sql = "select name from sqlite_master where name in ('users', 'runs')"
    people, work = "/srv/alpha 100% people/auth.db", "/var/lib/mlflow/alpha-1/mlflow.db"
    for file, tables in ((people, "['users']"), (work, "['runs']")):
        assert alpha.host.check_output("python3 -c %s %s %s", code, file, sql) == tables


def test_artifacts_go_to_their_destination(alpha: Any) -> None:
    path = "/api/2.0/mlflow-artifacts/artifacts/named/note.txt"
    assert alpha.ask(path, alpha.admin, "PUT", "a note").status == 200
    place = "/srv/big disk/alpha/artifacts"
    assert alpha.host.file(f"{place}/named/note.txt").content_string == '"a note"'
    for directory, owner in ((place, ("mlflow-alpha-1", 0o700)), ("/srv/big disk/alpha", ("root", 0o755))):
        found = alpha.host.file(directory)
        assert (found.user, found.mode) == owner


def test_both_stores_are_in_postgresql(beta: Any) -> None:
    assert create_run(beta, "direct", login(beta, "beate")) == 200
    as_postgres = "setpriv --reuid=postgres --regid=postgres --init-groups psql -At beta -c "
    sql = "select (select count(*) from users), (select count(*) from runs) > 0"
    assert beta.host.check_output(as_postgres + "%s", sql) == "2|t"
    assert not beta.host.file("/var/lib/mlflow/beta/mlflow.db").exists


def test_its_account_has_the_last_password_and_nobody_else_gets_in(beta: Any) -> None:
    """What side_effect.yml has declared since the first run; the server has answered with it in the test before."""
    as_postgres = "setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq --set=ON_ERROR_STOP=1 -c %s"
    asked = "env PGPASSWORD=%s psql -XAtq --no-password --host=127.0.0.1 --username=%s --command='select 1' beta"
    assert beta.host.check_output(asked, 'another "password"', "beta") == "1"
    assert "password authentication failed" in beta.host.run(asked, 'p@ss/w%rd: "5"', "beta").stderr
    beta.host.check_output(as_postgres, "create role somebody login password 'plain'")
    try:
        assert "permission denied for database" in beta.host.run(asked, "plain", "somebody").stderr
    finally:
        beta.host.check_output(as_postgres, "drop role somebody")
    kept = "select rolsuper, rolcreatedb, rolcreaterole, left(rolpassword, 13) from pg_authid where rolname = 'beta'"
    assert beta.host.check_output(as_postgres, kept) == "f|f|f|SCRAM-SHA-256"


def test_a_server_with_its_database_on_the_host_reaches_nothing_else(beta: Any) -> None:
    firewall = [
        f"-p {name}={' '.join(beta.show('mlflow@beta', name))!r}" for name in ("IPAddressAllow", "IPAddressDeny")
    ]
    beside = f"systemd-run --quiet --collect --pipe {' '.join(firewall)} "
    code = "import socket, sys; socket.create_connection((sys.argv[1], 5432), timeout=3)"
    others = beta.host.check_output("hostname -I").split()[0]
    for address, reached in (("127.0.0.1", True), (others, False)):
        tried = beta.host.run(beside + "python3 -c %s %s", code, address)
        assert (tried.rc == 0) is reached, tried.stderr
        assert reached or "timed out" in tried.stderr


def test_artifacts_go_through_the_server_into_an_object_store(find_server: Any) -> None:
    gamma = find_server("debian13", "gamma")
    path = "/api/2.0/mlflow-artifacts/artifacts/0/note.txt"
    assert gamma.ask(path, gamma.admin, "PUT", "a note").status == 200
    assert gamma.host.file("/srv/s3/gamma/artifacts/0/note.txt").content_string == '"a note"'
    assert gamma.ask(path, gamma.admin).text == '"a note"'


def test_artifacts_in_an_object_store_are_files_where_they_are_mounted(find_server: Any) -> None:
    gamma = find_server("debian13", "gamma")
    run = gamma.ask(f"{API}/runs/create", gamma.admin, "POST", {"experiment_id": "0", "run_name": "kept"}).json
    identity = run["run"]["info"]["run_id"]
    # More than is asked for at once, of a store that gives no parts.
    text = "a note, " * (3 << 17)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{identity}/artifacts/deep/note.txt"
    assert gamma.ask(path, gamma.admin, "PUT", text).status == 200
    digest = hashlib.md5(json.dumps(text).encode(), usedforsecurity=False).hexdigest()
    mounted = f"mlflow-artifacts/gamma/Default/kept@{identity[:8]}/deep/note.txt"
    assert gamma.host.check_output("su - greta -c %s", f"md5sum {mounted}") == f"{digest}  {mounted}"


def test_artifacts_that_are_not_served_have_their_root(beta: Any) -> None:
    place = experiment(beta, "direct").json["experiment"]["artifact_location"]
    assert place.removeprefix("file://").startswith("/srv/beta-artifacts/")
    assert beta.ask("/api/2.0/mlflow-artifacts/artifacts/x.txt", beta.admin, "PUT", "x").status >= 400


def test_a_team_runs_only_where_it_is_declared(find_server: Any, host: Any) -> None:
    here = host.check_output("hostname") == "debian12"
    assert host.file("/etc/mlflow/beta").exists is here
    assert host.service("mlflow@beta").is_running is here


def test_a_stopped_team_keeps_everything_but_running(host: Any) -> None:
    for unit in ("mlflow@main.service", "mlflow-listen@main.socket", "mlflow-listen@main.service"):
        assert not host.service(unit).is_running
    for unit in ("mlflow@main.service", "mlflow-listen@main.socket"):
        assert host.check_output("systemctl show --property=UnitFileState --value %s", unit) == "disabled"
    assert not host.socket("tcp://127.0.0.1:5001").is_listening
    assert host.file("/etc/mlflow/main/secrets.env").exists
    if host.file("/etc/mlflow/main/admin_password").exists:
        assert host.file("/var/lib/mlflow/main/mlflow.db").size > 0
