"""What stands there with nothing behind it is no list of nobody."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import access_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._reconcile import reconcile

DEFAULTS = {name: option.get("default") for name, option in access_spec().items()}


@pytest.mark.parametrize("name", [name for name, default in DEFAULTS.items() if default is not None])
def test_what_is_empty_is_named_before_a_server_is_asked(name):
    with pytest.raises(InvalidRequest, match=f"^{name}: is empty; leave it out, or give it a value$"):
        reconcile(None, {**DEFAULTS, name: None})
