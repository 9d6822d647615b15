"""What a role's README says is what its argument specs say."""

import project
import pytest
import readmes

SPECS = """
argument_specs:
  other:
    short_description: Ends it
    description: Takes C(it) away.
    options: {}
  main:
    short_description: Runs a_b
    description: [The first., See O(size).]
    options:
      size:
        description: [How *large* it is., V(0) for any.]
        type: int
        choices: [0, 1]
        default: 0
      people:
        description: Who.
        type: list
        elements: dict
        required: true
        options:
          name: {description: Their name.}
"""


@pytest.fixture
def role(tmp_path):
    meta = tmp_path / "one" / "meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_text(SPECS)
    return tmp_path / "one"


def test_says_all_that_the_specs_say(role):
    lines = readmes.text(role).splitlines()
    assert lines[0] == "# mlops.mlflow.one"
    wanted = [
        r"Runs a\_b.",
        "The first.",
        "See `size`.",
        "## Variables",
        r"* `size` (int; one of `0`, `1`; default `0`): How \*large\* it is.",
        "  `0` for any.",
        "* `people` (list of dict; **required**): Who.",
        "  * `name` (str): Their name.",
        "## `tasks_from: other`",
        "Takes `it` away.",
    ]
    assert [line for line in lines if line in wanted] == wanted


def test_notices_a_readme_that_is_missing_or_old(role):
    file = role / "README.md"
    assert list(readmes.stale(role.parent)) == [file]
    file.write_text(readmes.text(role))
    assert readmes.stale(role.parent) == {}
    file.write_text(file.read_text() + "more\n")
    assert list(readmes.stale(role.parent)) == [file]


def test_refuses_what_it_could_not_say(role):
    (role.parent / "bare").mkdir()
    with pytest.raises(project.ToolError, match=r"roles without meta/argument_specs\.yml: bare"):
        readmes.stale(role.parent)
    specs = role / "meta" / "argument_specs.yml"
    specs.write_text(SPECS.replace("C(it)", "E(it)"))
    with pytest.raises(project.ToolError, match="markup that"):
        readmes.text(role)
