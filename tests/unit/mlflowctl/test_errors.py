"""What is shown of what is wrong: whatever names are in it, each of their letters is to be seen."""

import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._text import is_plain
from mlflowctl import causes, errors


def test_a_host_hides_what_modules_hide():
    letters = map(chr, range(sys.maxunicode + 1))
    assert [ascii(it) for it in letters if errors.hides(it) is is_plain(it)] == []


@pytest.mark.parametrize("show", [errors.shown, errors.named, causes.shown])
def test_letters_that_are_not_to_be_seen_are_written_out(show):
    assert show("a\u3164b\u2800c\u202ed\x1be é") == r"a\u3164b\u2800c\u202ed\x1be é"
