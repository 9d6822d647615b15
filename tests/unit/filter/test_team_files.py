"""Which files a team has on its host, whose they are, and which templates they come from."""

from ansible_collections.mlops.mlflow.plugins.filter.enabled_timers import FilterModule as Timers
from ansible_collections.mlops.mlflow.plugins.filter.team_admins import FilterModule as Admins
from ansible_collections.mlops.mlflow.plugins.filter.team_files import FilterModule

UNITS = "/etc/systemd/system"
PLACES = {"config": "/etc/mlflow", "units": UNITS, "runtime_units": "/run/units", "environments": "/opt"}
HOME, ACCOUNT = "/etc/mlflow/nlp", "mlflow-nlp"
COLLECTS = f"{UNITS}/mlflow-gc@nlp.service.d"
NEW = "/run/units/mlflow-listen@nlp.service.d"
REPLICA = f"{UNITS}/mlflow@nlp.service.d/replica.conf"


def team(**more):
    return {
        "name": "nlp",
        "version": "3.17.2",
        "replicas": [],
        "leads": True,
        "gc_older_than": "never",
        "sleeps": True,
        "storage_dirs": [],
        "creator_names": None,
        **more,
    }


def told(given=None, **more):
    """Return the files and the templates, by their paths; none has two, nor a directory after what is in it."""
    found = FilterModule().filters()["team_files"]([team(**(given or {}))], PLACES, **more)
    paths = [file["path"] for file in found["files"]]
    assert len(set(paths)) == len(paths)
    for number, path in enumerate(paths):
        assert not [later for later in paths[number + 1 :] if path.startswith(f"{later}/")]
    by_path = {kind: {it["path"]: it for it in found[kind]} for kind in found}
    # Each text has its file, and each file its text.
    texts = {**by_path["texts"], **by_path["secrets"]}
    written = {path for path, file in by_path["files"].items() if file.get("state", "file") == "file"}
    assert written <= {*texts, f"{HOME}/admin_password"}
    assert set(by_path["texts"]) <= written
    return by_path["files"], {path: text["template"] for path, text in texts.items()}


def test_settings_are_read_by_the_team_s_units_alone():
    files, templates = told()
    for name, mode, group in [
        ("", "0750", ACCOUNT),
        ("/basic_auth.ini", "0640", ACCOUNT),
        ("/environment", "0600", None),
        ("/team.json", "0600", None),
        ("/secrets.env", "0600", None),
    ]:
        file = files[HOME + name]
        assert (file["mode"], file.get("group"), file.get("owner")) == (mode, group, None)
    assert templates[f"{HOME}/team.json"] == "team.json.j2"


def test_what_a_team_does_not_have_is_not_there():
    files, templates = told()
    assert {files[path]["state"] for path in (REPLICA, f"{COLLECTS}/stores.conf", f"{NEW}/new.conf")} == {"absent"}
    assert f"{HOME}/creators.json" not in files
    files, templates = told({"replicas": ["b"], "gc_older_than": "30d", "creator_names": ["ann"]}, new=["nlp"])
    assert templates[REPLICA] == "replica.conf.j2"
    assert templates[f"{COLLECTS}/stores.conf"] == "gc_stores.conf.j2"
    assert templates[f"{NEW}/new.conf"] == "new.conf.j2"
    assert files[f"{HOME}/creators.json"] == {"path": f"{HOME}/creators.json", "mode": "0640", "group": ACCOUNT}


def test_one_that_never_sleeps_is_not_made_to_sleep_soon():
    files, _templates = told({"sleeps": False}, new=["nlp"])
    assert files[f"{NEW}/new.conf"]["state"] == "absent"


def test_its_own_directories_are_its_account_s():
    files, _templates = told({"storage_dirs": ["/srv/nlp"]})
    assert files["/srv/nlp"] == {
        "path": "/srv/nlp",
        "state": "directory",
        "mode": "0700",
        "owner": ACCOUNT,
        "group": ACCOUNT,
    }


def test_the_version_is_where_its_link_leads():
    files, _templates = told()
    assert files[f"{HOME}/venv"]["target"] == "/opt/3.17.2"
    found = FilterModule().filters()["team_files"]([team()], PLACES, versions={"nlp": "3.12.0", "other": "3.15.2"})
    assert {file["target"] for file in found["files"] if file.get("state") == "link"} == {"/opt/3.12.0"}
    assert {it["team"]["version"] for it in found["texts"] + found["secrets"]} == {"3.12.0"}


def test_secrets_are_replaced_by_those_of_another_host_alone():
    files, _templates = told()
    assert files[f"{HOME}/secrets.env"]["force"] is False
    found = FilterModule().filters()["team_files"]([team()], PLACES, given=["nlp"])
    assert [file["force"] for file in found["files"] if file["path"] == f"{HOME}/secrets.env"] == [True]


def test_what_the_first_admin_is_made_from_goes_once_the_password_is_known():
    files, _templates = told(new=["nlp"])
    assert "state" not in files[f"{HOME}/bootstrap.env"]
    assert f"{HOME}/admin_password" not in files
    files, _templates = told(kept=["nlp"])
    assert files[f"{HOME}/bootstrap.env"]["state"] == "absent"
    assert files[f"{HOME}/admin_password"]["force"] is False
    # The one that leads makes it; others, and whoever is not known yet, leave both as they are.
    for given, more in (({"leads": False}, {"new": ["nlp"]}), ({}, {})):
        files, _templates = told(given, **more)
        assert not {f"{HOME}/bootstrap.env", f"{HOME}/admin_password"} & set(files)


def test_admins_log_in_where_their_team_is():
    given = {"tracking_uri": "http://127.0.0.1:5001", "admin_username": "root", "admin_password": "it is long enough"}
    (admin,) = Admins().filters()["team_admins"]([team(**given)], "/etc/mlflow")
    assert (admin["name"], admin["tracking_uri"], admin["username"]) == ("nlp", given["tracking_uri"], "root")
    assert (admin["password_file"], admin["bootstrap_file"]) == (f"{HOME}/admin_password", f"{HOME}/bootstrap.env")


def test_a_timer_changed_when_its_file_or_its_template_s_did():
    files = [{"path": "/units/a.timer", "mtime": 5.5}, {"path": "/units/b@.timer", "mtime": 7.0}]
    found = Timers().filters()["enabled_timers"](["a.timer", "b@one.timer", "b@t.w-o.timer"], files)
    assert [(unit["name"], unit["changed_at"]) for unit in found] == [
        ("a.timer", 5.5),
        ("b@one.timer", 7.0),
        ("b@t.w-o.timer", 7.0),
    ]
    assert all(unit["enabled"] is True for unit in found)
