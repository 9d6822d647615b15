"""The lookup reads the key of a team's bucket as it is now, and says what stands in the way without showing it."""

import json

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar
from ansible_collections.mlops.mlflow.plugins.lookup.bucket_key import LookupModule
from unit.lookup.trust import trust_as_template

KEY = {"AWS_ACCESS_KEY_ID": "AKIANLP", "AWS_SECRET_ACCESS_KEY": "canary"}
UNMADE = {"AWS_ACCESS_KEY_ID": "not-made-yet", "AWS_SECRET_ACCESS_KEY": "not-made-yet"}
SECRETS = [("default", VaultSecret(b"its password"))]


@pytest.fixture
def look():
    loader = DataLoader()

    def run(*terms, **variables):
        return LookupModule(loader=loader, templar=Templar(loader=loader, variables=variables)).run(
            list(terms), variables
        )

    run.loader = loader
    return run


def test_beside_the_inventory_or_where_it_is_said(look, tmp_path):
    for name in ("mlflow_bucket_keys", "elsewhere"):
        (tmp_path / name).mkdir()
    beside, elsewhere = (tmp_path / name / "nlp.json" for name in ("mlflow_bucket_keys", "elsewhere"))
    assert look("nlp", "vision", inventory_dir=str(tmp_path)) == [UNMADE, UNMADE]
    beside.write_text(json.dumps(KEY))
    assert look("nlp", "vision", inventory_dir=str(tmp_path)) == [KEY, UNMADE]
    # What a run has made since is what the next play reads.
    beside.write_text(json.dumps({**KEY, "AWS_ACCESS_KEY_ID": "AKIANEW"}))
    assert look("nlp", inventory_dir=str(tmp_path))[0]["AWS_ACCESS_KEY_ID"] == "AKIANEW"
    elsewhere.write_text(json.dumps(KEY))
    said = trust_as_template("{{ inventory_dir }}/elsewhere")
    assert look("nlp", inventory_dir=str(tmp_path), mlflow_bucket_keys=said) == [KEY]
    with pytest.raises(AnsibleLookupError, match="the inventory is in no directory"):
        look("nlp")


def test_encrypted(look, tmp_path):
    file = tmp_path / "nlp.json"
    file.write_bytes(VaultLib(SECRETS).encrypt(json.dumps(KEY)))
    with pytest.raises(AnsibleLookupError, match="cannot be read or decrypted") as caught:
        look("nlp", mlflow_bucket_keys=str(tmp_path))
    assert "canary" not in str(caught.value)
    look.loader.set_vault_secrets(SECRETS)
    assert look("nlp", mlflow_bucket_keys=str(tmp_path)) == [KEY]


@pytest.mark.parametrize("content", ["[]", "{}", "hidden: of another file"], ids=["list", "empty", "other"])
def test_something_else(look, tmp_path, content):
    (tmp_path / "nlp.json").write_text(content)
    with pytest.raises(AnsibleLookupError, match="is not a file that the role mlflow_bucket wrote") as caught:
        look("nlp", mlflow_bucket_keys=str(tmp_path))
    assert "hidden" not in str(caught.value)
