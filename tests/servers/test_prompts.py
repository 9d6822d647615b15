"""The prompt modules, on every server; what they make is read as the server keeps it."""

import pytest
from mlflow_reader import V2

TEXT = "Summarize {{ text }} in {% raw %}, it's \"so\": 100% ünï\n\n模型 {{words}}\\n '; DROP TABLE"
NAMES = ['prömpt 模型 "x"', "it's 100%41 & more?x=1#y", "{{ 7 * 7 }}", "plain_name-1.0"]


@pytest.mark.parametrize("word", NAMES, ids=lambda word: word[:9])
def test_a_prompt_comes_changes_and_goes(lab, some, word):
    name = some(word)
    wanted = {"name": name, "description": "It's", "template": TEXT, "tags": {"a key": 'it\'s "so"'}}
    done = lab.converge("prompt", **wanted, aliases={"production": "latest"}, commit_message="The first")
    assert done["prompt"] == {
        "name": name,
        "description": "It's",
        "tags": {"a key": 'it\'s "so"'},
        "aliases": {"production": 1},
        "version": 1,
        "template": TEXT,
    }
    assert done["diff"]["after"]["version"] == 1
    assert lab.ok("prompt_info", name=name)["prompts"] == [done["prompt"]]
    assert lab.reader.registered(name)["tags"] == {"a key": 'it\'s "so"', "mlflow.prompt.is_prompt": "true"}
    # Another text is a new version, the same one is none, and neither has anything to do with the rest.
    lab.converge("prompt", name=name, template=TEXT + " ")
    lab.converge("prompt", name=name, description="Better", tags={"n": 2}, aliases={"beta": 2, "production": 1})
    assert lab.reader.texts(name) == [TEXT, TEXT + " "]
    assert lab.reader.aliases(name) == {"production": "1", "beta": "2"}
    # What was there before is a new version again, and a number is that of what this run makes.
    lab.converge("prompt", name=name, template=TEXT, aliases={"production": 3, "beta": None})
    assert lab.reader.texts(name) == [TEXT, TEXT + " ", TEXT]
    assert lab.reader.aliases(name) == {"production": "3"}
    lab.converge("prompt", name=name, state="absent")
    assert lab.reader.registered(name) is None
    assert lab.ok("prompt_info", name=name)["prompts"] == []


def test_what_people_registered_is_known_and_theirs_to_load(lab, some, secret):
    name, zoe = some("theirs").replace("-", "_"), (some("zoe"), secret())
    lab.reader.create_user(*zoe)
    assert lab.person.registers(zoe, name, "Their {{ text }}") == 1
    lab.unchanged("prompt", name=name, template="Their {{ text }}")
    lab.converge("prompt", name=name, template="Ours, {{ text }}", aliases={"live": "latest"})
    assert lab.person.loads(zoe, name, "live") == "Ours, {{ text }}"
    assert name in [found["name"] for found in lab.ok("prompt_info")["prompts"]]
    assert name not in [found["name"] for found in lab.ok("registered_model_info")["registered_models"]]


def test_a_name_is_a_prompt_or_a_model(lab, some):
    model, prompt = some("model"), some("prompt")
    lab.ok("registered_model", name=model)
    lab.ok("prompt", name=prompt)
    for state in ("present", "absent"):
        assert "is a registered model" in lab.refused("prompt", name=model, state=state)
        assert "is a prompt" in lab.refused("registered_model", name=prompt, state=state)
    assert "is a registered_model" in lab.refused("access", prompts=[{"name": model}])
    assert "is a prompt" in lab.refused("access", registered_models=[{"name": prompt}])
    assert lab.ok("prompt_info", name=model)["prompts"] == []
    assert lab.ok("registered_model_info", name=prompt)["registered_models"] == []
    assert lab.reader.registered(model)
    assert lab.reader.registered(prompt)


def test_what_cannot_be_is_refused_before_anything_is_done(lab, some):
    name = some("refused")
    assert "has no version yet" in lab.refused("prompt", name=name, aliases={"live": "latest"})
    assert "has no version 2" in lab.refused("prompt", name=name, template="x", aliases={"live": 2})
    assert "MLflow keeps" in lab.refused("prompt", name=name, tags={"mlflow.prompt.is_prompt": "false"})
    assert "is empty" in lab.refused("prompt", name=name, template="")
    assert lab.reader.registered(name) is None


def test_prompts_of_a_declaration_with_their_grants(lab, some, secret):
    ann, bob, eve = ((some(word), secret()) for word in ("ann o'neil", "bob", "eve"))
    name, other = some('grüß "gott" 100%'), some("other")
    people = [{"name": who, "password": password} for who, password in (ann, bob, eve)]
    lab.ok("access", users=people)
    # Somebody was quicker than the declaration, and has another prompt of her own.
    for made in (name, other):
        tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
        lab.reader.ask("POST", V2 + "registered-models/create", eve, name=made, tags=tags)
    wanted = {"name": name, "template": TEXT, "tags": {"owner": ann[0]}, "aliases": {"live": "latest"}}
    declared = {"users": people, "prompts": [{**wanted, "grants": {ann[0]: "EDIT", bob[0]: "READ"}}]}
    done = lab.converge("access", **declared)
    assert f"+ prompt {name} version 1" in done["access"]["changes"]
    assert lab.reader.texts(name) == [TEXT]
    assert lab.reader.aliases(name) == {"live": "1"}
    read, write = (("GET", V2 + "registered-models/get"), ("POST", V2 + "registered-models/set-tag"))
    tag = {"name": name, "key": "tried", "value": "yes"}
    found = [[lab.reader.status(*ask, who, **tag) for who in (ann, bob, eve)] for ask in (read, write)]
    assert found == [[200, 200, 403], [200, 403, 403]]
    assert lab.reader.status(*read, eve, name=other) == 200
    declared["prompts"][0] |= {"template": "Other", "grants": {}}
    lab.converge("access", **declared)
    assert lab.reader.texts(name) == [TEXT, "Other"]
    assert [lab.reader.status(*read, who, name=name) for who in (ann, bob)] == [403, 403]
    declared["prompts"][0] = {"name": name, "state": "absent"}
    lab.converge("access", **declared)
    assert lab.reader.registered(name) is None
    assert lab.reader.registered(other)
