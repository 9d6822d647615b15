"""What the lookup refuses beyond one team: misspelt variables, and teams that two hosts would run."""

import textwrap
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlops.mlflow.plugins.lookup.teams import LookupModule
from ansible_collections.mlops.mlflow.plugins.plugin_utils.variables import known_variables
from unit.lookup.trust import trust_as_template

ROOT = Path(__file__).resolve().parents[3]
CANARY = "canary-pass-word"


def team(name="vision", port=5001, **settings):
    return {"name": name, "port": port, "admin_password": CANARY, **settings}


def problems(host="one", **variables):
    variables = {"inventory_hostname": host, **variables}
    lookup = LookupModule(loader=None, templar=Templar(loader=DataLoader(), variables=variables))
    found = lookup.run([], variables, problems=True)
    assert CANARY not in "\n".join(found)
    return found


OWN = "is read by nothing; a team's own variable begins with mlflow_team_, so call it mlflow_team_vision"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mlflow_teams_vision", team(), OWN),
        ("mlflow_teams_vision", "{{ somewhere }}", OWN),
        ("mlflow_taem_vision", team(), OWN),
        ("mlflow_tem_vision", team(), OWN),
        ("mflow_team_vision", team(), OWN),
        ("mlfow_team_vision", team(), OWN),
        ("mlflow-team-vision", team(), OWN),
        ("mlflowteam_vision", team(), OWN),
        ("mlflow_team", [team()], "is read by nothing; mlflow_teams is what it is called"),
        ("mlflow_tems", [team()], "is read by nothing; mlflow_teams is what it is called"),
        ("MLFLOW_TEAMS", [team()], ""),
        ("mlflow_versoin", "3.17.2", "is read by nothing; mlflow_version is what it is called"),
        ("mlfow_version", "3.17.2", "is read by nothing; mlflow_version is what it is called"),
        ("mlflow_listen_adress", "0.0.0.0", "is read by nothing; mlflow_listen_address is what it is called"),
        ("mlflow_server_wheel_dirs", "/srv", "is read by nothing; mlflow_server_wheel_dir is what it is called"),
        ("mlflow_servers_wheel_dir", "/srv", "is read by nothing; mlflow_server_wheel_dir is what it is called"),
        ("mlflow_server_wheeldir", "/srv", "is read by nothing; mlflow_server_wheel_dir is what it is called"),
        ("mlflow_server_idle_timout", "1h", "is read by nothing; mlflow_server_idle_timeout is what it is called"),
        ("mlflow_server_extra_package", [], "is read by nothing; mlflow_server_extra_packages is what it is called"),
        ("mlflow_backup_repositry", "/srv", "is read by nothing; mlflow_backup_repository is what it is called"),
        ("mlflow_backup_pasword", CANARY, "is read by nothing; mlflow_backup_password is what it is called"),
        ("mlflow_backup_passwords", CANARY, "is read by nothing; mlflow_backup_password is what it is called"),
        ("mlflow_proxies_domain", "x.example.org", "is read by nothing; mlflow_proxy_domain is what it is called"),
        ("mlflow_proxy_domian", "x.example.org", "is read by nothing; mlflow_proxy_domain is what it is called"),
        ("mlflow_client_uesrs", [], "is read by nothing; mlflow_client_users is what it is called"),
        ("mlflow_team-vision", team(), OWN),
        ("mlflow_teamvision", team(), OWN),
        ("mlflow_Team_vision", team(), OWN),
        ("mlflow_team_s", team("s"), ""),
        ("mlflow_server_version", "3.17.2", "is read by nothing; mlflow_version is what it is called"),
        ("mlflow_idle_timeout", "1h", "is read by nothing; mlflow_server_idle_timeout is what it is called"),
        ("mlflow_wheel_dir", "/srv", "is read by nothing; mlflow_server_wheel_dir is what it is called"),
        ("mlflow_proxy_certificate", "/x", "is read by nothing; mlflow_proxy_tls_certificate is what it is called"),
        ("mlflow_proxy_server_domain", "x", "is read by nothing; mlflow_proxy_domain is what it is called"),
        ("mlflow_port", 5001, ""),
        ("mlflow_client_version", "3.17.2", ""),
        ("mlflow_access_report_dirs", "/srv", "is read by nothing; mlflow_access_report_dir is what it is called"),
    ],
)
def test_variables_that_nothing_reads(name, value, said):
    assert problems(**{name: value}) == ([f"{name}: {said}"] if said else [])


def test_packages_that_pip_takes():
    some = [
        "psycopg[binary]==3.2",
        "PyMySQL",
        "boto3 >= 1.3 ",
        "x @ https://example.org/x.whl",
        "mlflow-export-import",
        "/srv/x.whl",
    ]
    assert problems(mlflow_team_vision=team(), mlflow_server_extra_packages=some) == []


def test_what_fills_in_a_variable_of_ours_is_somebody_s_own():
    assert problems(mlflow_idle_timeout="1h", mlflow_server_idle_timeout="{{ mlflow_idle_timeout }}") == []


NAME = "is neither a name nor an IP address; leave out scheme, port, path, brackets and blanks"
TEXT = "where text is wanted"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mlflow_teams", None, "is not a list of teams"),
        ("mlflow_teams", "vision", "is not a list of teams"),
        ("mlflow_teams", team(), "is not a list of teams"),
        ("mlflow_teams", [None], "number 1: is not a mapping of a team's settings"),
        (
            "mlflow_team_nlp",
            [team("nlp", 5002), team("audio", 5003)],
            "is not a mapping of a team's settings; it can have one team, and mlflow_teams takes several",
        ),
        ("mlflow_team_nlp", None, "is not a mapping of a team's settings"),
        ("mlflow_proxy_routing", {"name": True}, "[{'name': True}] is not a list of 'name', 'path' or both"),
        ("mlflow_proxy_routing", [{}], "[{}] is not a list of 'name', 'path' or both"),
        ("mlflow_proxy_routing", "name,path", "['name,path'] is not a list of 'name', 'path' or both"),
        ("mlflow_proxy_routing", ["name", "name"], "['name', 'name'] has one of them twice; say each once"),
        ("mlflow_proxy_https_port", "https", "https is not a valid port; give a number from 1 to 65535"),
        ("mlflow_proxy_https_port", 0, "0 is not a valid port; give a number from 1 to 65535"),
        ("mlflow_proxy_https_port", 65536, "65536 is not a valid port"),
        ("mlflow_proxy_https_port", True, "True is not a valid port"),
        ("mlflow_proxy_https_port", "443\n", "443\\n is not a valid port"),
        ("mlflow_proxy_https_port", "\uff14\uff14\uff13", "\uff14\uff14\uff13 is not a valid port"),
        ("mlflow_proxy_domain", "mlflow.example.org\n", "'mlflow.example.org\\n' is not a valid host name"),
        ("mlflow_proxy_domain", "https://mlflow.example.org", "'https://mlflow.example.org' is not a valid host name"),
        ("mlflow_proxy_domain", "mlflow.example.org.", "'mlflow.example.org.' is not a valid host name"),
        ("mlflow_proxy_domain", "MLflow.example.org", "'MLflow.example.org' is not a valid host name"),
        ("mlflow_proxy_domain", "*.example.org", "'*.example.org' is not a valid host name"),
        ("mlflow_proxy_domain", "10.0.0.1", "'10.0.0.1' is not a valid host name"),
        ("mlflow_proxy_domain", "mlflow", "'mlflow' is not a valid host name"),
        ("mlflow_proxy_domain", "ml_flow.example.org", "'ml_flow.example.org' is not a valid host name"),
        ("mlflow_proxy_domain", "b\u00fccher.example.org", "'b\u00fccher.example.org' is not a valid host name"),
        ("mlflow_proxy_domain", ["mlflow.example.org"], "'['mlflow.example.org']' is not a valid host name"),
        ("mlflow_server_extra_packages", 7, "is a number, where a list of packages is wanted"),
        ("mlflow_server_extra_packages", {"boto3": None}, "is a mapping, where a list of packages is wanted"),
        ("mlflow_server_extra_packages", ["boto3", None], f"number 2: is empty, {TEXT}"),
        ("mlflow_server_extra_packages", ["--index-url https://x"], "number 1: is an option of pip; use mlflow"),
        ("mlflow_server_extra_packages", ["boto3", "-r x"], "number 2: is an option of pip; use mlflow"),
        ("mlflow_server_extra_packages", ["boto3\n"], "number 1: ends with a line break"),
        ("mlflow_server_extra_packages", ["boto3\nPyMySQL"], "number 1: has line breaks in it"),
        ("mlflow_server_extra_packages", [""], "number 1: is not a valid package; use names as pip takes them"),
        ("mlflow_server_extra_packages", ["./x.whl"], "number 1: is not a valid package; use names as pip takes them"),
        ("mlflow_server_extra_packages", ["mlflow==3.1"], "number 1: is mlflow, of which the teams' versions"),
        ("mlflow_server_extra_packages", ["MLflow_skinny"], "number 1: is mlflow-skinny, of which the teams' versions"),
        ("mlflow_server_extra_packages", [["boto3"]], f"number 1: is a list, {TEXT}"),
        ("mlflow_server_address", "https://mlflow1.example.org", f"'https://mlflow1.example.org' {NAME}"),
        ("mlflow_server_address", "mlflow1.example.org:5001", f"'mlflow1.example.org:5001' {NAME}"),
        ("mlflow_server_address", "[2001:db8::1]", f"'[2001:db8::1]' {NAME}"),
        ("mlflow_server_address", "fe80::1%eth0", f"'fe80::1%eth0' {NAME}"),
        ("mlflow_server_address", "10.0.0.5/24", f"'10.0.0.5/24' {NAME}"),
        ("mlflow_server_address", " mlflow1", f"' mlflow1' {NAME}"),
        ("mlflow_server_address", "mlflow1\n", f"'mlflow1\\n' {NAME}"),
        ("mlflow_server_address", ["10.0.0.5"], f"'['10.0.0.5']' {NAME}"),
        ("mlflow_server_address", 10.5, f"'10.5' {NAME}"),
        ("mlflow_server_address", "b\u00fccher", f"'b\u00fccher' {NAME}"),
    ],
)
def test_variables_that_hold_something_else(name, value, said):
    (line,) = problems(**{name: value})
    assert line.startswith(f"{name}: {said}")


@pytest.mark.parametrize("address", ["mlflow1", "mlflow1.example.org.", "ml_flow1", "10.0.0.5", "2001:db8::1", ""])
def test_addresses_of_hosts(address):
    assert problems(mlflow_server_address=address, mlflow_teams=[team()]) == []


@pytest.mark.parametrize(
    ("address", "odd"),
    [
        ("https://proxy", "'https://proxy'"),
        ("10.0.0.0/24", "'10.0.0.0/24'"),
        (["10.0.0.7", "10.0.0.8:443"], "'10.0.0.8:443'"),
        ("10.0.0.7,10.0.0.8", "'10.0.0.7,10.0.0.8'"),
        ({"v4": "10.0.0.7"}, "'{'v4': '10.0.0.7'}'"),
    ],
)
def test_addresses_of_proxies(address, odd):
    there = {"groups": {"all": ["one", "door"], "mlflow_proxies": ["door"]}}
    found = problems(mlflow_teams=[team()], hostvars={"door": {"mlflow_proxy_address": address}}, **there)
    assert found == [f"mlflow_proxy_address: {odd} of door {NAME}"]


MISSING = "{{ vault_nosuch }}"


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("mlflow_team_vision", {**team(), "admin_password": MISSING}, "mlflow_team_vision: admin_password"),
        (
            "mlflow_team_vision",
            team(users=[{"name": "al", "password": CANARY}, {"name": "bob", "password": MISSING}]),
            "mlflow_team_vision: users: number 2: password",
        ),
        ("mlflow_teams", [team(), team("nlp", MISSING)], "mlflow_teams: number 2: port"),
        ("mlflow_teams", MISSING, "mlflow_teams"),
        ("mlflow_version", MISSING, "mlflow_version"),
        ("mlflow_proxy_domain", MISSING, "mlflow_proxy_domain"),
        ("mlflow_server_address", MISSING, "mlflow_server_address"),
    ],
)
def test_templates_of_variables_that_nobody_has(name, value, place):
    (line,) = problems(**{name: trusted(value)})
    assert line.startswith(f"{place}: ")
    assert "'vault_nosuch' is undefined" in line


def test_all_that_cannot_be_filled_in_is_told_at_once():
    declared = {f"mlflow_team_{name}": trusted({**team(name), "admin_password": MISSING}) for name in ("a", "b")}
    assert [line.partition(": admin_password: ")[0] for line in problems(**declared)] == sorted(declared)


@pytest.mark.parametrize(
    "name",
    [
        *("mlflow_s3_bucket", "mlflow_database_host", "vault_mlflow_passwords", "mlflow_server_port_base", "mlflow_ca"),
        *("mlflow_witness_environment", "ml_team", "team", "teams", "ansible_host", "mlflow_server_disk", "mailflow"),
    ],
)
def test_variables_of_one_s_own(name):
    assert problems(**{name: "x"}) == []


def test_every_variable_of_a_role_is_known():
    for defaults in ROOT.glob("roles/*/defaults/main.yml"):
        names = set(yaml.safe_load(defaults.read_text()))
        assert names <= known_variables()
        assert "is read by nothing" not in "\n".join(problems(**dict.fromkeys(names, "")))


SHARED = {"backend_store_uri": "postgresql+psycopg://db.example.org/x"}
HOSTS = {"groups": {"all": ["one", "two", "three"], "mlflow_servers": ["one", "two"]}}
WAIT = "without knowing of each other; name the hosts in servers, the one first that leads"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SHARED, f"is empty, which means one and two, which would share backend_store_uri {WAIT}"),
        (
            {"backend_store_uri": "mysql+pymysql://db/x"},
            f"is empty, which means one and two, which would share backend_store_uri {WAIT}",
        ),
        (
            {"auth_database_uri": SHARED["backend_store_uri"]},
            f"is empty, which means one and two, which would share auth_database_uri {WAIT}",
        ),
        (
            {"artifacts": {"destination": "s3://bucket/x"}},
            f"is empty, which means one and two, which would share artifacts: destination {WAIT}",
        ),
        (
            {**SHARED, "artifacts": {"serve": False, "root": "s3://bucket/x"}, "state": "stopped"},
            f"is empty, which means one and two, which would share backend_store_uri and artifacts: root {WAIT}",
        ),
    ],
)
def test_two_hosts_with_one_store(settings, said):
    declared = {"mlflow_team_vision": team(**settings)}
    everywhere = {**HOSTS, "hostvars": dict.fromkeys(("one", "two", "three"), declared)}
    assert problems(**declared, **everywhere) == [f"mlflow_teams: vision: servers: {said}"]
    assert problems(**declared, **HOSTS) == [f"mlflow_teams: vision: servers: {said}"]


def test_two_hosts_of_a_play_without_the_group():
    declared = {"mlflow_teams": [team(**SHARED)]}
    play = {"groups": {"all": ["one", "two"]}, "ansible_play_hosts_all": ["one", "two"], "hostvars": {"two": declared}}
    assert len(problems(**declared, **play)) == 1


@pytest.mark.parametrize(
    ("theirs", "settings"),
    [
        ({}, SHARED),
        ({"mlflow_teams": [team("nlp", **SHARED)]}, SHARED),
        ({"mlflow_teams": [team(**SHARED, state="absent")]}, SHARED),
        ({"mlflow_teams": [team(**SHARED, servers=["one"])]}, SHARED),
        ({"mlflow_teams": [team(**SHARED)]}, {**SHARED, "servers": ["one"]}),
        ({"mlflow_teams": [team()]}, {}),
        ({"mlflow_teams": [team(**SHARED)]}, {**SHARED, "state": "absent"}),
    ],
)
def test_two_hosts_without_a_store_in_common(theirs, settings):
    assert problems(mlflow_teams=[team(**settings)], **HOSTS, hostvars={"two": theirs}) == []


def test_a_team_in_the_variables_of_a_play():
    assert len(problems(mlflow_teams=[team(**SHARED)], **HOSTS, hostvars={"one": {}, "two": {}})) == 1


def test_a_name_that_another_host_has_as_a_template():
    theirs = {"mlflow_team_x": {**team(**SHARED), "name": trust_as_template("{{ 'vis' ~ 'ion' }}")}}
    assert len(problems(mlflow_teams=[team(**SHARED)], **HOSTS, hostvars={"two": theirs})) == 1


def inventory(*paths):
    """All variables of an inventory's files, whose templates Ansible fills in."""
    found = {}
    for path in paths:
        for file in sorted((ROOT / path).rglob("*.yml")):
            found.update(yaml.safe_load(file.read_text()) or {})
    return trusted(found)


def trusted(value):
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "path",
    ["examples/inventory/group_vars", "molecule/alternative/inventory/group_vars"],
)
def test_what_the_project_declares_itself(path):
    assert problems(**inventory(path)) == []


def test_the_guide_s_team_with_data_elsewhere():
    guide = (ROOT / "docs" / "team.md").read_text()
    (block,) = [each for each in guide.split("```") if "# Database, owner and bucket exist" in each]
    settings = yaml.safe_load(textwrap.dedent(block.partition("yaml\n")[2]))
    secrets = {"vault_pg": "a/b@c:d", "vault_s3": "key"}
    assert problems(mlflow_teams=[trusted(team("nlp", **settings))], **secrets) == []
