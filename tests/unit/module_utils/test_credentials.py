"""What can be a user name and a password."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._credentials import password_problem, username_problem

CANARY = "canary-word"


@pytest.mark.parametrize("name", ["alice", "a b", "o'neil", '"x"', "a@b.example", "100%", "~", "a/b\\c"])
def test_usable_names(name):
    assert username_problem(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "must not be empty"),
        ("a:b", "'a:b' has a colon"),
        (":", "':' has a colon"),
        ("grüße", "'grüße' has characters outside printable ASCII"),
        ("a\nb", "outside printable ASCII"),
        ("a\tb", "outside printable ASCII"),
        ("a\x7f", "outside printable ASCII"),
        ("a ", "'a ' has blanks at its ends"),
        (" a", "' a' has blanks at its ends"),
        ("a" * 256, "has over 255 characters"),
    ],
)
def test_unusable_names(name, why):
    assert why in username_problem(name)


@pytest.mark.parametrize("password", ["x" * 12, "a: b\"c' d%\\ ~", " " * 12, "x" * 300])
def test_usable_passwords(password):
    assert password_problem(password) is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "under 12 characters"),
        (CANARY[:11], "under 12 characters"),
        (f"{CANARY} grüße", "outside printable ASCII"),
        (f"{CANARY}\n{CANARY}", "outside printable ASCII"),
        (f"{CANARY}\n", "ends with a line break"),
        (f"{{{{ {CANARY} }}}}", "is still a template"),
        (f"$ANSIBLE_VAULT;1.1;AES256 {CANARY}", "is still encrypted"),
        ("password1234", "is the one that MLflow came with"),
    ],
)
def test_unusable_passwords_are_not_shown(password, why):
    problem = password_problem(password)
    assert why in problem
    assert "canary" not in problem
