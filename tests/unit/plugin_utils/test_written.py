"""What is written into files that programs take up again stays what it is: a text."""

import csv
import inspect
import io

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import (
    csv_cell,
    csv_table,
    exported_inventory,
    inventory_templates,
    markdown,
)

ODD = [
    "{{ lookup('pipe', 'id') }}",
    "{% for a in b %}",
    "{# remark #}",
    "two\nlines: {{ 1 + 1 }}",
    "two\r\nlines\x85and\u2028more\u2029",
    "!unsafe x",
    "!vault |\n  $ANSIBLE_VAULT;1.1;AES256",
    "- &a [*a, {b: c}] # ? | > @ ` %",
    "quoted \"twice\" 'once' \\ back",
    "\0\x07\x1b[2K\x7f\x9b",
    "\ufeff\u200b\u202e\ufffe",
    "yes",
    "null",
    "12",
    "1e3",
    "2026-01-01",
    "~",
    "",
    " blanks ",
    "漢字 é 🙂",
    "\U000e0001",
    "x: y",
    "--- ",
    "...",
    "<<",
    "=",
    "k" * 1000 + " {{ 1 }}: " + "\U000e0001" * 200 + "漢字" * 500,
]


def loaded(path, text):
    """What Ansible reads from a file of an inventory, all of which is looked through for templates."""
    path.write_text(text, encoding="utf-8")
    # Up to 2.18 every file is one of templates.
    options = inspect.signature(DataLoader.load_from_file).parameters
    trusted = {"trusted_as_template": True} if "trusted_as_template" in options else {}
    found = DataLoader().load_from_file(str(path), **trusted)
    vault = {"vault_mlflow_passwords": {"vision": {"admin": "found by a template"}}}
    return Templar(DataLoader(), vault).template(found["mlflow_team_vision"])


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd[:40]))
def test_ansible_carries_nothing_of_an_export_out(odd, tmp_path):
    declared = {
        "users": [{"name": odd, "admin": True}, {"name": "bob"}],
        "groups": [{"name": odd, "members": [odd], "grants": [{"experiment": odd, "permission": "READ"}]}],
        "experiments": [{"name": odd, "tags": {odd: odd, "a": "b"}, "grants": {odd: "READ"}}],
        "registered_models": [],
    }
    text = exported_inventory(declared, "vision", 5001, odd, "READ")
    assert all(line.isprintable() for line in text.split("\n"))
    team = loaded(tmp_path / "team.yml", text)
    assert team.pop("admin_password") == "found by a template"
    assert team == {"name": "vision", "port": 5001, "admin_username": odd, "default_permission": "READ", **declared}
    assert bool(inventory_templates(text)) is any(mark in odd for mark in ("{{", "{%", "{#"))


def test_half_a_character_is_refused():
    with pytest.raises(AnsibleError, match="half of a character"):
        exported_inventory({"users": [{"name": "a\ud800"}]}, "vision", 5001, "admin", "READ")


@pytest.mark.parametrize("team", ["a\nb: c", "A", "", "{{ x }}", "a'b", "-a"])
def test_a_team_is_a_name(team):
    with pytest.raises(AnsibleError, match="is not a valid name of a team"):
        exported_inventory({}, team, 5001, "admin", "READ")


def test_the_whole_text_is_searched():
    password = '  admin_password: "{{ vault_mlflow_passwords.vision.admin }}"'
    assert inventory_templates(f"mlflow_team_vision:\n{password}\n  port: 1\n") == []
    for line in ("# {{ x }}", "  name: {% y", f"{password} {{{{ x }}}}", "  admin_password: '{{ lookup(1) }}'", "{# z"):
        assert inventory_templates(f"a: b\n{line}\nc: d") == [line.strip()]


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\ufe621",
    " =1",
    "\xa0=1",
    '"=1',
    "'=1",
    '" ="1',
    "\u201c=1",
]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula(name):
    assert csv_cell(name).lstrip("\"' ")[:1] not in "=+-@\uff1d\uff0b\uff0d\uff20\ufe62" or csv_cell(name).startswith(
        "'"
    )


@pytest.mark.parametrize("name", ["\t=1", "\r=1", "\n=1", "\u200b=1", "\ufeff=1", "\0=1"])
def test_what_comes_before_a_formula_is_seen(name):
    assert csv_cell(name).startswith("\\")


@pytest.mark.parametrize("name", ["a", "", "x;y"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_begins_at_a_semicolon(name, formula):
    assert csv_cell(f"{name};{formula}") == f"{csv_cell(name)};{csv_cell(formula)}"


def test_rows_stay_rows():
    rows = [["a", 'x\n"nlp","dave","MANAGE"'], ['"', ""], ["é, 漢字", "a;b"]]
    found = list(csv.reader(io.StringIO(csv_table(rows))))
    assert found == [["a", 'x\\n"nlp","dave","MANAGE"'], ['"', ""], ["é, 漢字", "a;b"]]


def test_markdown_stays_text():
    odd = "a|b `c` <img src=x onerror=y> & [l](http://evil)"
    odd += " ![i](//e) \\| *b* _i_ ~~s~~ $x$ www.evil.example\n## New"
    assert markdown(odd) == (
        "a\\|b \\`c\\` &lt;img src=x onerror=y&gt; &amp; "
        "\\[l\\](http&#58;//evil) \\!\\[i\\](//e) \\\\\\| \\*b\\* \\_i\\_ "
        "\\~\\~s\\~\\~ \\$x\\$ www&#46;evil.example\\\\n\\#\\# New"
    )
    assert markdown("é 漢字 o'neil") == "é 漢字 o'neil"


def test_a_file_says_what_it_is_for_a_person_too():
    text = exported_inventory(
        {"experiments": [{"name": "漢字", "grants": {"bob": "READ"}}]}, "a-b", 5001, "admin", "READ"
    )
    assert text.split("\n", maxsplit=1)[0] == "mlflow_team_a_b:"
    assert '  experiments:\n    -\n      name: !unsafe "漢字"\n' in text
