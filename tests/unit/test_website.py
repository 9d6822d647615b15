"""What the documentation site is refused for."""

import project
import pytest
import website


def test_messages_that_nothing_says(tmp_path):
    source = tmp_path / "one.py"
    source.write_text('raise Wrong(\n    f"the server did not "\n    f"answer within {seconds} s"\n)\n')
    page = (
        "| `told before` | - | - |\n## Messages that say what to do\n"
        "| `the server did not answer within … s` | slow | wait |\n| `it did … turn green` | - | - |\n| 401 | - | - |\n"
    )
    assert list(website.unsaid(website.listed(page), [source])) == [
        "nothing says 'it did '",
        "nothing says ' turn green'",
    ]


def test_several_messages_of_one_row():
    page = "## Messages that say what to do\n| `it is full`, `… has no room` | - | `df` |\n"
    assert website.listed(page) == ["it is full", "… has no room"]


def test_names_that_are_not_there():
    text = (
        "Run `mlops.mlflow.site`, `mlops.mlflow.sight`, `make lint`, `make e2e` or `make hay`; make do.\n"
        "$ make demo\n$ make fun\n"
    )
    assert list(website.unknown({"a.md": text}, website.parts_of_the_collection())) == [
        "a.md names mlops.mlflow.sight, which is not there",
        "a.md names `make fun`, which is not there",
        "a.md names `make hay`, which is not there",
    ]


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#there">2</a><a href="c.html">3</a><a href="https://example.org">4</a>'
        '<script src="https://example.org/x.js"></script><img src="d.svg">'
    )
    assert list(website.dead(tmp_path)) == [
        "a.html loads https://example.org/x.js",
        "a.html leads to b.html#there, which is not there",
        "a.html leads to c.html, which is not there",
        "a.html leads to d.svg, which is not there",
    ]


def test_a_guide_that_the_index_forgets():
    index = (project.ROOT / "docs" / "index.md").read_text()
    assert "\n/CONTRIBUTING.md\n" in website.contents(index)
    with pytest.raises(project.ToolError, match=r"docs/index\.md does not name proxy\.md"):
        website.contents(index.replace("](proxy.md", "](backup.md"))
