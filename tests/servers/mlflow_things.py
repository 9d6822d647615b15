"""One thing of each kind that can be granted on by name, and what somebody turns out to have of it, by trying."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from urllib.parse import quote

from mlflow_reader import V2, V3, Reader

GATEWAY = V3 + "gateway/"
MCP_SERVERS = V3 + "mcp-servers"
SKILLS = V3 + "skills"


class Thing(t.NamedTuple):
    """What it is called in an inventory and in grants, and the requests that need READ and EDIT."""

    name: str
    key: str
    read: tuple[str, str, dict[str, t.Any]]
    edit: tuple[str, str, dict[str, t.Any]] | None
    delete: tuple[str, str, dict[str, t.Any]]

    def level(self, reader: Reader, who: tuple[str, str]) -> str:
        """The level that somebody turns out to have; no more than READ where nothing needs EDIT alone."""
        found = "NO_PERMISSIONS"
        for level, request in (("READ", self.read), ("EDIT", self.edit)):
            if request is None:
                continue
            method, path, values = request
            status = reader.status(method, path, who, **values)
            assert status in (200, 403), (status, request)
            if status == 403:
                break
            found = level
        return found


def make_all(reader: Reader, some: Callable[[str], str]) -> dict[str, Thing]:
    """Make what the server's version has, with names as odd as it takes them."""
    made = {"prompt": prompt(reader, some('grüß "gott" 100%'))}
    if reader.version >= (3, 7):
        made["scorer"] = scorer(reader, some("实验 a/b:c"), "tox/ic 100% ä")
    if reader.version >= (3, 12):
        made |= gateway(reader, some)
    if reader.version >= (3, 15):
        made["mcp_server"] = mcp_server(reader, f"com.example/{some('server')}")
    if reader.version >= (3, 18):
        made["skill"] = skill(reader, some("acme"), some("reviewer"))
    return made


def prompt(reader: Reader, name: str) -> Thing:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    reader.ask("POST", V2 + "registered-models/create", name=name, tags=tags)
    return Thing(
        name,
        name,
        ("GET", V2 + "registered-models/get", {"name": name}),
        ("POST", V2 + "registered-models/set-tag", {"name": name, "key": "tried", "value": "yes"}),
        ("DELETE", V2 + "registered-models/delete", {"name": name}),
    )


def scorer(reader: Reader, experiment: str, name: str) -> Thing:
    number = reader.create_experiment(experiment)
    own = {"experiment_id": number, "name": name}
    reader.ask("POST", V3 + "scorers/register", serialized_scorer="{}", **own)
    quoted = quote(name, safe="")
    key = f"{number}/{quoted}" if reader.version >= (3, 13) else f"{number}/{name}"
    delete = ("DELETE", V3 + "scorers/delete", own)
    return Thing(f"{experiment}/{quoted}", key, ("GET", V3 + "scorers/get", own), None, delete)


def gateway(reader: Reader, some: Callable[[str], str]) -> dict[str, Thing]:
    value = {"api_key": "a-key-of-nobody's"}
    secret_name = some('o\'key "1" 100%')
    body = {"secret_name": secret_name, "secret_value": value, "provider": "openai"}
    secret = reader.ask("POST", GATEWAY + "secrets/create", **body)["secret"]["secret_id"]
    model_name = some('gpt "4"')
    body = {"name": model_name, "secret_id": secret, "provider": "openai", "model_name": "gpt-4"}
    answer = reader.ask("POST", GATEWAY + "model-definitions/create", **body)
    model = answer["model_definition"]["model_definition_id"]
    endpoint_name = some("end-point")
    configs = [{"model_definition_id": model, "linkage_type": "PRIMARY", "weight": 1}]
    answer = reader.ask("POST", GATEWAY + "endpoints/create", name=endpoint_name, model_configs=configs)
    endpoint = answer["endpoint"]["endpoint_id"]
    tag = {"key": "tried", "value": "yes"}
    return {
        "gateway_secret": in_gateway("secrets/", {"secret_id": secret}, secret_name, "update", secret_value=value),
        "gateway_model_definition": in_gateway(
            "model-definitions/", {"model_definition_id": model}, model_name, "update", name=model_name
        ),
        "gateway_endpoint": in_gateway("endpoints/", {"endpoint_id": endpoint}, endpoint_name, "set-tag", **tag),
    }


def in_gateway(what: str, own: dict[str, str], called: str, verb: str, **values: t.Any) -> Thing:
    path = GATEWAY + what
    edit = ("POST", path + verb, own | values)
    return Thing(called, *own.values(), ("GET", path + "get", own), edit, ("DELETE", path + "delete", own))


def mcp_server(reader: Reader, name: str) -> Thing:
    reader.ask("POST", MCP_SERVERS, name=name)
    path = f"{MCP_SERVERS}/{name}"
    tag = {"key": "tried", "value": "yes"}
    return Thing(name, name, ("GET", path, {}), ("POST", path + "/tags", tag), ("DELETE", path, {}))


def skill(reader: Reader, organization: str, name: str) -> Thing:
    reader.ask("POST", SKILLS, name=name, organization=organization)
    called = f"@{organization}/{name}"
    path = f"{SKILLS}/{called}"
    tag = {"key": "tried", "value": "yes"}
    return Thing(called, called, ("GET", path, {}), ("POST", path + "/tags", tag), ("DELETE", path, {}))
