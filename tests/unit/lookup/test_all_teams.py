"""The lookup reads the teams of other hosts in those hosts' own variables."""

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlops.mlflow.plugins.lookup.all_teams import LookupModule

CANARY = "canary-pass-word"
DOMAIN = "mlflow.example.org"


def team(name="vision", port=5001, **settings):
    return {"name": name, "port": port, "admin_password": CANARY, **settings}


def look(*terms, hosts, **options):
    hostvars = {
        name: {"inventory_hostname": name, "mlflow_proxy_domain": DOMAIN, **given} for name, given in hosts.items()
    }
    variables = {"hostvars": hostvars, "groups": {"mlflow_servers": list(hosts)}}
    lookup = LookupModule(loader=None, templar=Templar(loader=DataLoader(), variables=variables))
    return lookup.run(list(terms), variables, **options)


def test_each_host_has_its_own():
    hosts = {"one": {"mlflow_teams": [team()]}, "two": {"mlflow_team_x": team("nlp"), "ansible_host": "10.0.0.2"}}
    first, second = look(hosts=hosts)
    assert (first["name"], first["hosts"]) == (
        "vision",
        [{"host": "one", "listens_on": "127.0.0.1", "address": "one", "port": 5001}],
    )
    assert (second["urls"], second["hosts"][0]["address"]) == (["https://nlp.mlflow.example.org"], "10.0.0.2")


def test_those_that_are_named_or_are_there():
    absent = team("gone", 5004, state="absent")
    hosts = {"one": {"mlflow_teams": [team(), team("nlp", 5002), team("old", 5003, state="stopped"), absent]}}
    assert [found["name"] for found in look(hosts=hosts)] == ["vision", "nlp", "old"]
    assert [found["name"] for found in look("nlp", hosts=hosts)] == ["nlp"]


def test_what_each_host_declares_on_its_own():
    """What a proxy could not tell apart is none of a PostgreSQL's business."""
    other = {"backend_store_uri": "postgresql+psycopg://127.0.0.1/x"}
    hosts = {
        "one": {"mlflow_teams": [team(), team("gone", 5004, state="absent")]},
        "two": {"mlflow_teams": [team(**other), team("gone", 5004)]},
    }
    assert len(look(hosts=hosts, problems=True)) == 1
    assert look(hosts=hosts, apart=True, problems=True) == []
    told = [(found["name"], found["state"], found["hosts"][0]["host"]) for found in look(hosts=hosts, apart=True)]
    assert told == [
        ("vision", "present", "one"),
        ("gone", "absent", "one"),
        ("vision", "present", "two"),
        ("gone", "present", "two"),
    ]


def test_where_a_proxy_reaches_the_servers():
    hosts = {
        "one": {
            "mlflow_teams": [team()],
            "mlflow_listen_address": "0.0.0.0",
            "mlflow_server_address": "10.0.0.1",
        },
        "two": {"mlflow_teams": [team("nlp")], "mlflow_listen_address": "10.0.0.2"},
    }
    assert [found["addresses"] for found in look(hosts=hosts, from_host="proxy")] == [
        ["10.0.0.1:5001"],
        ["10.0.0.2:5001"],
    ]
    assert [found["addresses"] for found in look(hosts=hosts, from_host="one")] == [
        ["127.0.0.1:5001"],
        ["10.0.0.2:5001"],
    ]


def test_two_hosts_with_one_database_are_refused_wherever_it_is_asked():
    shared = {"backend_store_uri": "postgresql+psycopg://db/x", "artifacts": {"destination": "s3://bucket/x"}}
    hosts = {name: {"mlflow_teams": [team(**shared)]} for name in ("one", "two")}
    (problem,) = look(hosts=hosts, problems=True)
    assert problem == (
        "mlflow_teams: vision: servers: is empty, which means one and two, which would share backend_store_uri and "
        "artifacts: destination without knowing of each other; name the hosts in servers, the one first that leads"
    )
    assert look(hosts={**hosts, "two": {}}, problems=True) == []


def test_a_server_that_listens_on_its_own_host_alone():
    hosts = {"one": {"mlflow_teams": [team(), team("inside", 5002, proxied=False)]}}
    assert look(hosts=hosts, from_host="one", problems=True) == []
    (problem,) = look(hosts=hosts, from_host="proxy", problems=True)
    assert problem.startswith(
        "mlflow_teams: vision: listen_address: one listens on 127.0.0.1 alone, where proxy does not get; "
        "set mlflow_listen_address"
    )
    with pytest.raises(AnsibleLookupError, match="where proxy does not get"):
        look(hosts=hosts, from_host="proxy")


def test_the_faults_of_a_declaration_are_said_once():
    hosts = {name: {"mlflow_teams": [team(port=1)]} for name in ("one", "two")}
    assert look(hosts=hosts, problems=True) == ["mlflow_teams: vision: port: 1 is outside 1024-65535"]


def test_no_group_is_no_fault():
    assert look(hosts={}) == []
