"""The modules for a gateway's secrets and endpoints, on every server."""

import pytest
from mlflow_reader import V3

GATEWAY = V3 + "gateway/"


@pytest.fixture
def gateway(lab):
    if lab.version < (3, 12):
        pytest.skip("no gateway")
    return lab


def key(some):
    """An API key of which only the middle differs from the next one."""
    return f"sk-{some('middle')}-9xyZ"


def secret_of(lab, name):
    found = lab.reader.ask("GET", GATEWAY + "secrets/list").get("secrets", [])
    return next((secret for secret in found if secret["secret_name"] == name), None)


def endpoint_of(lab, name):
    found = lab.reader.ask("GET", GATEWAY + "endpoints/list").get("endpoints", [])
    return next((endpoint for endpoint in found if endpoint["name"] == name), None)


def definitions(lab):
    found = lab.reader.ask("GET", GATEWAY + "model-definitions/list").get("model_definitions", [])
    return {definition["name"]: definition for definition in found}


def test_an_old_server_names_the_version_it_needs(lab):
    if lab.version >= (3, 12):
        return
    wanted = {"name": "x", "values": {"api_key": "sk-123456789"}}
    assert "3.12 or later" in lab.refused("gateway_secret", **wanted)
    assert "3.12 or later" in lab.refused("access", gateway_secrets=[wanted])
    assert "3.12 or later" in lab.refused("gateway_endpoint", name="x", models=[])
    for kind in ("secret", "endpoint"):
        assert "3.12 or later" in lab.refused(f"gateway_{kind}_info")


def test_a_secret_comes_changes_and_goes(gateway, some, tmp_path):
    lab, name, note = gateway, some('ke\'y "1" 100% 密'), tmp_path / "kept.json"
    first, second = key(lambda word: some(word) + "1"), key(lambda word: some(word) + "2")
    kept = {"name": name, "secrets_file": str(note)}
    done = lab.converge("gateway_secret", **kept, provider="openai", values={"api_key": first})
    facts = {"name": name, "provider": "openai", "auth_config": {}, "masked_values": {"api_key": "sk-...9xyZ"}}
    assert done["gateway_secret"] == facts
    assert done["diff"]["after"] == {**facts, "masked_values": {"api_key": "***"}}
    assert lab.ok("gateway_secret_info", name=name)["gateway_secrets"] == [facts]
    # What MLflow shows of both is the same.
    before = secret_of(lab, name)
    lab.converge("gateway_secret", **kept, values={"api_key": second})
    after = secret_of(lab, name)
    assert (after["masked_values"], after["secret_id"]) == (before["masked_values"], before["secret_id"])
    assert after["last_updated_at"] > before["last_updated_at"]
    assert second not in note.read_text()
    lab.converge(
        "gateway_secret", **kept, values={"api_key": second}, auth_config={"api_base": "https://127.0.0.1:9/v1"}
    )
    assert secret_of(lab, name)["auth_config"] == {"api_base": "https://127.0.0.1:9/v1"}
    # What somebody else changed may have been the secret.
    body = {"secret_id": after["secret_id"], "secret_value": {"api_key": first}}
    lab.reader.ask("POST", GATEWAY + "secrets/update", **body)
    lab.converge("gateway_secret", **kept, values={"api_key": second})
    assert "cannot change that" in lab.refused("gateway_secret", **kept, provider="anthropic")
    lab.converge("gateway_secret", **kept, state="absent")
    assert secret_of(lab, name) is None
    assert "needs values" in lab.refused("gateway_secret", **kept)


def test_without_a_note_what_is_shown_of_a_secret_is_compared(gateway, some):
    lab, name = gateway, some("key")
    lab.converge("gateway_secret", name=name, values={"api_key": "sk-1234567890"})
    lab.unchanged("gateway_secret", name=name, values={"api_key": "sk-12_-_67890"})
    lab.converge("gateway_secret", name=name, values={"api_key": "sk-1234567891"})
    lab.converge("gateway_secret", name=name, values={"api_key": "sk-1234567891", "more": "short"})
    assert secret_of(lab, name)["masked_values"] == {"api_key": "sk-...7891", "more": "***"}


def model(called, secret, **more):
    return {"provider": "openai", "model": called, "secret": secret, **more}


def test_an_endpoint_comes_changes_and_goes(gateway, some):
    lab, name, other, secret, spare = gateway, some("end_point"), some("other"), some("o'key"), some("spare key")
    for each in (secret, spare):
        lab.ok("gateway_secret", name=each, values={"api_key": key(some)})
    assert "there is no gateway_secret" in lab.refused("gateway_endpoint", name=name, models=[model("gpt", "nobody's")])
    assert "needs one at least" in lab.refused("gateway_endpoint", name=name)
    done = lab.converge("gateway_endpoint", name=name, models=[model('gpt "4"', secret)])
    first = {"name": name, "provider": "openai", "model": 'gpt "4"', "secret": secret, "fallback": False}
    assert done["gateway_endpoint"] == {"name": name, "models": [first]}
    shared = some('spare "model"')
    models = [model('gpt "5"', spare), model("gpt-4o", secret, name=shared)]
    done = lab.converge("gateway_endpoint", name=name, models=models)
    assert lab.ok("gateway_endpoint_info", name=name)["gateway_endpoints"] == [done["gateway_endpoint"]]
    found = [each["linkage_type"] for each in endpoint_of(lab, name)["model_mappings"]]
    assert sorted(found) == ["FALLBACK", "PRIMARY"]
    assert definitions(lab)[name]["secret_name"] == spare
    lab.converge("gateway_endpoint", name=other, models=[model("gpt-4o", secret, name=shared)])
    # The model that another endpoint has stays.
    lab.converge("gateway_endpoint", name=name, state="absent")
    assert endpoint_of(lab, name) is None
    assert name not in definitions(lab)
    assert shared in definitions(lab)
    lab.converge("gateway_endpoint", name=other, state="absent")
    assert shared not in definitions(lab)


def test_a_gateway_of_a_declaration_is_there_for_those_who_were_granted_it(gateway, some, secret, tmp_path):
    lab, ann, bob = gateway, (some("ann"), secret()), (some("bob"), secret())
    endpoint, name = some("judge"), some("key")
    keys = [key(lambda word, mark=mark: some(word) + mark) for mark in "12"]
    people = [{"name": who, "password": password} for who, password in (ann, bob)]
    # Up to 3.12 the server does not tell what users have of these.
    grants = {ann[0]: "USE"} if lab.version >= (3, 13) else {}
    wanted = {"name": name, "provider": "openai", "auth_config": {"api_base": "https://127.0.0.1:9/v1"}}
    declared = {"users": people, "secrets_file": str(tmp_path / "kept.json")}
    declared["gateway_endpoints"] = [{"name": endpoint, "models": [model("gpt-4o", name)], "grants": grants}]
    # Its model is only made with it.
    given = [{"gateway_model_definition": endpoint, "permission": "USE"}]
    declared["groups"] = [{"name": some("makers"), "members": [bob[0]], "grants": given}]

    def may_ask(who):
        messages = [{"role": "user", "content": "hi"}]
        # Who is let in learns that nobody answers.
        return lab.reader.status("POST", f"/gateway/{endpoint}/mlflow/invocations", who, messages=messages) != 403

    for api_key in keys:
        declared["gateway_secrets"] = [{**wanted, "values": {"api_key": api_key}}]
        done = lab.converge("access", **declared)
        assert any(f"gateway_secret {name}" in line for line in done["access"]["changes"])
    assert secret_of(lab, name)["auth_config"] == wanted["auth_config"]
    if grants:
        assert [may_ask(who) for who in (ann, bob)] == [True, False]
    assert lab.reader.role(some("makers"))["grants"] == {
        ("gateway_model_definition", definitions(lab)[endpoint]["model_definition_id"]): "USE"
    }
    gone, declared["groups"] = {"state": "absent"}, []
    declared["gateway_endpoints"], declared["gateway_secrets"] = [{"name": endpoint, **gone}], [{"name": name, **gone}]
    lab.converge("access", **declared)
    assert endpoint_of(lab, endpoint) is secret_of(lab, name) is None
