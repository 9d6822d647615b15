"""Build the documentation site, of docs/ and the reference of modules, plugins and roles, in build/docs/html.

Pages stand where they stand in the checkout, so that their links work there and here. What leads nowhere is an error:
links, their anchors, and names of playbooks, roles, plugins and targets of make. A browser needs no other address to
show it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import project
import yaml

import build

HOME = project.BUILD / "docs"
SOURCE = HOME / "source"
HTML = HOME / "html"
REFERENCE = "collections/mlops/mlflow"
# Whatever it warns of is an error.
SPHINX = ("sphinx-build", "-q", "-W", "--keep-going", "-b", "html")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
# Where the guides' own files stand in the repository, which the site has a page of.
EXAMPLES = re.compile(r"\]\(((?:\.\./)?)examples/[^)]*\)")
# The theme has contents of its own beside each page.
CONTENTS = re.compile(r"(?m)^\.\. contents::\n(?: +.*\n)+")
# What a message is made of in the sources: a text goes on in the next line.
JOINT = re.compile(r"""["']\s*\n\s*(?:\+ )?f?["']|\s+""")
LEAD = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=docs/index.html">'
    '<a href="docs/index.html">mlops.mlflow</a>\n'
)


def examples() -> str:
    """Return the page with the example inventories."""
    lines = ["# Example inventories"]
    for file in project.sources("examples"):
        lines += ["", f"## {file.relative_to(project.ROOT)}", "", "```yaml", file.read_text().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def contents(index: str) -> str:
    """Return the index with what Sphinx wants to know: the guides in the order in which it names them, and the rest."""
    guides = list(dict.fromkeys(re.findall(r"\]\(([\w-]+\.md)", index)))
    missing = {file.name for file in (project.ROOT / "docs").glob("*.md")} - {"index.md", *guides}
    if missing:
        raise project.ToolError(f"docs/index.md does not name {', '.join(sorted(missing))}")
    parts = {
        "Guides": [*guides, "/examples.md"],
        "Reference": [f"Modules, plugins and roles </{REFERENCE}/index>"],
        "Project": [f"/{name}" for name in PAGES],
    }
    trees = [
        "\n".join(("```{toctree}", ":hidden:", f":caption: {name}", ":maxdepth: 1", "", *pages, "```"))
        for name, pages in parts.items()
    ]
    return "\n\n".join([index, *trees]) + "\n"


def page(file: Path) -> str:
    """Return a page as it stands in the site."""
    return EXAMPLES.sub(r"](\1examples.md)", file.read_text())


def gather() -> None:
    """Put what Sphinx reads into one directory."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    (SOURCE / "docs").mkdir(parents=True)
    for file in project.sources("docs"):
        copy = SOURCE / file.relative_to(project.ROOT)
        if file.suffix == ".md":
            copy.write_text(contents(page(file)) if file.name == "index.md" else page(file))
        else:
            shutil.copy2(file, copy)
    for name in PAGES:
        (SOURCE / name).write_text(page(project.ROOT / name))
    for name in ("galaxy.yml", "LICENSE"):
        shutil.copy2(project.ROOT / name, SOURCE / name)
    (SOURCE / "examples.md").write_text(examples())
    generate = ["antsibull-docs", "collection", "--use-current", "--fail-on-error", "--no-add-antsibull-docs-version"]
    project.run([*generate, "--dest-dir", SOURCE, "mlops.mlflow"], quiet=True)
    for file in (SOURCE / REFERENCE).glob("*.rst"):
        file.write_text(CONTENTS.sub("", file.read_text()))
    # Indexes of all collections: there is one.
    for file in [*(SOURCE / "collections").glob("*.rst"), SOURCE / "collections" / "mlops" / "index.rst"]:
        file.unlink()


class Rendered(HTMLParser):
    """What a page leads to, loads, and can be led to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one tag says."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        where = given.get("href") or given.get("src") or ""
        if where:
            (self.links if tag == "a" else self.loads).append(where)


def dead(html: Path) -> Iterator[str]:
    """Yield what is wrong with links of pages."""
    pages = {file: Rendered(file) for file in html.rglob("*.html")}
    for file, page in sorted(pages.items()):
        name = file.relative_to(html)
        yield from (f"{name} loads {where}" for where in page.loads if urlsplit(where).netloc)
        for where in page.links + page.loads:
            parts = urlsplit(where)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists() or (target in pages and unquote(parts.fragment) not in pages[target].anchors):
                yield f"{name} leads to {where}, which is not there"


def unknown(texts: dict[str, str], known: set[str]) -> Iterator[str]:
    """Yield what texts name of the collection that it does not have."""
    for name, text in sorted(texts.items()):
        for word in sorted(set(re.findall(r"\bmlops\.mlflow\.(\w+)", text)) - known):
            yield f"{name} names mlops.mlflow.{word}, which is not there"
        for word in sorted(set(re.findall(r"(?:^\$ |`)make ([a-z][a-z0-9-]*)", text, re.MULTILINE)) - targets()):
            yield f"{name} names `make {word}`, which is not there"


def listed(page: str) -> list[str]:
    """Return the messages that the page on faults explains: all that the first cell of a row has."""
    cells = re.findall(r"(?m)^\| (`[^|]+`) \|", page.partition("## Messages that say")[2])
    return [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]


def unsaid(messages: list[str], sources: list[Path]) -> Iterator[str]:
    """Yield the messages of the page on faults that nothing says any more."""
    said = " ".join(JOINT.sub(lambda joint: "" if joint[0][0] in "\"'" else " ", file.read_text()) for file in sources)
    for message in messages:
        yield from (f"nothing says {part!r}" for part in message.split("…") if part.strip(" ;,:") and part not in said)


def targets() -> set[str]:
    """Return what make can make."""
    return set(re.findall(r"(?m)^([a-z0-9-]+):", (project.ROOT / "Makefile").read_text()))


def parts_of_the_collection() -> set[str]:
    """Return the names of playbooks, roles, modules and other plugins."""
    groups = yaml.safe_load((project.ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    found = {file.stem for where in ("playbooks", "plugins") for file in (project.ROOT / where).rglob("*.*")}
    return found | {role.name for role in (project.ROOT / "roles").iterdir()} | set(groups)


def main() -> None:
    """Build the site, and refuse one with dead ends."""
    build.built()
    files = [*(project.ROOT / name for name in PAGES), *project.sources("docs")]
    texts = {str(file.relative_to(project.ROOT)): file.read_text() for file in files if file.suffix == ".md"}
    wrong = list(unknown(texts, parts_of_the_collection()))
    sources = [
        file for file in project.sources("plugins", "roles", "playbooks") if file.suffix in (".py", ".yml", ".j2")
    ]
    wrong += unsaid(listed(texts["docs/troubleshooting.md"]), sources)
    with project.lock("docs"):
        gather()
        shutil.rmtree(HTML, ignore_errors=True)
        conf = project.ROOT / "tools" / "sphinx"
        project.run([*SPHINX, "-c", conf, "-d", HOME / "doctrees", SOURCE, HTML])
        (HTML / "index.html").write_text(LEAD)
        wrong += dead(HTML)
    if wrong:
        raise project.ToolError("\n".join(wrong))
    project.say(f"open {(HTML / 'index.html').relative_to(project.ROOT)}")


if __name__ == "__main__":
    project.main(main)
