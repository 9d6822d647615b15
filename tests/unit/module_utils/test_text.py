"""What is shown of a text: one line, nothing in it that cannot be seen."""

import json
import subprocess
import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Holder, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._gateway import secret_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._people import called, spell
from ansible_collections.mlops.mlflow.plugins.module_utils._registry import model_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import MAKE, Step, lines
from ansible_collections.mlops.mlflow.plugins.module_utils._text import all_shown, cut, shown

# A name that begins two lines of its own and wipes one from the screen.
FORGED = "z\n+ user eve\r\n+ user eve is admin\x1b[1A\x1b[2K"

HIDDEN = [
    *("\0", "\a", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9b", "\x9d", "\x9f"),
    *("\xa0", "\xad", "\u034f", "\u061c", "\u115f", "\u17b4", "\u180e", "\u2000", "\u200b", "\u200c", "\u200d"),
    *("\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u206f", "\u2800"),
    *("\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\ufdd0", "\ufffe", "\uffff", "\ud800", "\udfff", "\ue000"),
    *(
        "\ufffc",
        "\U00016fe4",
        "\U0001d159",
        "\U0001d173",
        "\U000e0001",
        "\U000e0041",
        "\U000e0100",
        "\U0001ffff",
        "\U0010ffff",
    ),
]


@pytest.mark.parametrize("character", HIDDEN, ids=ascii)
def test_what_cannot_be_seen_is_escaped_as_in_json(character):
    found = shown(f"a{character}b")
    assert found.isascii()
    assert found.isprintable()
    assert len(found) > len("a b")
    assert json.loads(f'"{found}"') == f"a{character}b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resnet",
        "é",
        "e\u0301",
        "漢字",
        "实验 a/b:c",
        "modèl 100%",
        "🙂 ones",
        "עברית",
        "a\\nb",
        'o\'neil "x"',
        "a  b",
    ],
)
def test_what_people_write_stays_as_it_is(text):
    assert shown(text) == text


def test_what_was_shown_stays_as_it_is():
    assert shown(shown(FORGED)) == shown(FORGED)


def test_nothing_is_moved_to_the_next_line_of_a_screen():
    assert shown("z" + " " * 70 + "+ user eve") == "z" + "\\u0020" * 70 + "+ user eve"


def test_each_way_to_a_person_shows():
    assert shown(FORGED) in lines([Step(MAKE, f"+ experiment {FORGED}", lambda: None)])[0]
    for text in (
        called(Holder("user", FORGED)),
        called(Holder("group", FORGED)),
        spell(Resource("experiment", FORGED)),
        str(InvalidRequest(f"name: {FORGED}")),
        str(RequestRefused(f"500 {FORGED}", 500, None)),
        InvalidRequest("no", version=FORGED).failure["version"],
        all_shown({"a": [{FORGED: (FORGED,)}]})["a"][0][shown(FORGED)][0],
    ):
        assert shown(FORGED) in text
        assert text.isprintable()


def test_a_long_text_is_cut_to_what_was_asked_for():
    assert cut("\x1b" * 10_000, 20) == "\\u001b\\u001b\\u001b\\u…"
    assert cut("short", 20) == "short"
    assert len(str(InvalidRequest("x" * 10**6))) < 10_000


def test_nothing_of_python_is_loaded_any_more(request):
    """An account that something is shown as may not be able to read it."""
    lines = (
        "import sys",
        "from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown",
        "sys.meta_path.clear()",
        "print(shown('a\\x1b\\udcff\\U000e0001'))",
    )
    path = {"PYTHONPATH": str(request.config.rootpath / "build" / "checkout")}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("a\\u001b\\udcff\\udb40\\udc01\n", "")


@pytest.mark.parametrize("mark", ["__ansible_type", "__ansible_unsafe", "__ansible_vault", "__ansible_of_tomorrow"])
def test_nothing_of_a_members_is_taken_for_a_mark_of_ansibles(mark):
    """A tag, an alias, or what belongs to a key of a language model: any of them may be called so."""
    model = {
        "name": "m",
        "tags": [{"key": mark, "value": "{}"}, {"key": "owner", "value": "ann"}],
        "aliases": [{"alias": mark, "version": "1"}, {"alias": "live", "version": "2"}],
    }
    found = model_facts(model)
    assert (found["tags"], found["aliases"]) == ({"owner": "ann"}, {"live": 2})
    values = {mark: "x", "api_base": "y"}
    found = secret_facts({"secret_name": "s", "auth_config": values, "masked_values": values})
    assert found["auth_config"] == found["masked_values"] == {"api_base": "y"}
