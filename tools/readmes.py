"""Write the README.md of each role from its argument specs; with --check, say which are stale.

Galaxy shows that file, and refuses a collection with a role that has none. What a role takes is said once, in
meta/argument_specs.yml, which Ansible checks calls against.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import project
import yaml
from antsibull_docs_parser import dom
from antsibull_docs_parser.parser import Context, parse

ROLES = project.ROOT / "roles"
# What Markdown would take for a mark of its own.
SPECIAL = re.compile(r"([\\`*_<\[\]])")
WRITTEN = "<!-- Written by `make format` from meta/argument_specs.yml: change that. -->"


def code(text: str) -> str:
    """Return text as code."""
    marks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{marks}{text}{marks}"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", text)


def piece(part: dom.AnyPart) -> str:
    """Return one piece of a description as Markdown."""
    match part:
        case dom.TextPart():
            return escaped(part.text)
        case dom.CodePart():
            return code(part.text)
        case dom.OptionNamePart():
            return code(part.name if part.value is None else f"{part.name}={part.value}")
        case dom.OptionValuePart():
            return code(part.value)
        case dom.LinkPart():
            return f"[{escaped(part.text)}]({part.url})"
    raise project.ToolError(f"a role's description has markup that tools/readmes.py does not know: {part}")


def sentences(description: str | list[str]) -> list[str]:
    """Return a description as paragraphs of Markdown."""
    given = [description] if isinstance(description, str) else description
    return ["".join(map(piece, paragraph)).strip() for paragraph in parse(given, Context())]


def kind(option: Mapping[str, Any]) -> str:
    """Return in a few words what an option takes."""
    words = [option.get("type", "str") + (f" of {option['elements']}" if "elements" in option else "")]
    if option.get("choices"):
        words.append("one of " + ", ".join(code(str(choice)) for choice in option["choices"]))
    if option.get("required"):
        words.append("**required**")
    elif "default" in option:
        default = option["default"]
        shown = yaml.safe_dump(default, default_flow_style=True, width=9999).removesuffix("...\n").strip()
        words.append(f"default {code(shown)}")
    return "; ".join(words)


def listed(options: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the lines of a list of options, with those of options below them."""
    indent = "  " * depth
    for name, option in options.items():
        first, *more = sentences(option["description"])
        yield f"{indent}* {code(name)} ({kind(option)}): {first}"
        for paragraph in more:
            yield from ("", f"{indent}  {paragraph}", "")
        yield from listed(option.get("options", {}), depth + 1)


def entry_point(role: str, name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one entry point."""
    if name != "main":
        yield from ("", f"## {code(f'tasks_from: {name}')}", "", escaped(f"{spec['short_description']}."))
    for paragraph in sentences(spec["description"]):
        yield from ("", paragraph)
    options = spec.get("options", {})
    if options:
        yield from ("", "## Variables" if name == "main" else "Variables:", "", *listed(options))
    elif name == "main":
        raise project.ToolError(f"{role} says nothing of its variables")


def text(role: Path) -> str:
    """Return the README of one role."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    lines = [f"# mlops.mlflow.{role.name}", "", WRITTEN, "", escaped(f"{specs['main']['short_description']}.")]
    for name in sorted(specs, key=lambda name: (name != "main", name)):
        lines += entry_point(role.name, name, specs[name])
    lines += [
        *("", "## More", "", "The playbook `mlops.mlflow.site` plays this role on its group of hosts with the others."),
        *("The reference:", "", "```console", f"$ ansible-doc -t role mlops.mlflow.{role.name}"),
        *("$ ansible-doc -t lookup mlops.mlflow.teams    # what a team can say", "```"),
    ]
    return "\n".join(lines) + "\n"


def stale(roles: Path) -> dict[Path, str]:
    """Return the READMEs that are not what they should be, with what they should be."""
    wanted = {
        specs.parents[1] / "README.md": text(specs.parents[1]) for specs in roles.glob("*/meta/argument_specs.yml")
    }
    without = [role.name for role in roles.iterdir() if role.is_dir() and role / "README.md" not in wanted]
    if without:
        raise project.ToolError(f"roles without meta/argument_specs.yml: {', '.join(sorted(without))}")
    return {file: should for file, should in sorted(wanted.items()) if not file.exists() or file.read_text() != should}


def main() -> None:
    """Write what is stale, or complain of it."""
    found = stale(ROLES)
    if "--check" in sys.argv[1:]:
        if found:
            names = ", ".join(str(file.relative_to(project.ROOT)) for file in found)
            raise project.ToolError(f"not what the argument specs say, `make format` writes them: {names}")
        return
    for file, should in found.items():
        file.write_text(should)
        project.say(f"wrote {file.relative_to(project.ROOT)}")


if __name__ == "__main__":
    project.main(main)
