"""The messages that end a run or a command, collected from the sources; what stands for a value is `…` in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import project
import yaml

WHERE = ("plugins", "roles", "playbooks")
# What these call is an error that is raised or returned; so is whatever else is called to be raised.
ERROR = re.compile(r"(Error|Problem|Request|Unsupported|Misfit|unusable|timed_out|unsupported)$")
# A key of YAML whose text is shown when something is refused; in roles' variables also under names of their own.
SHOWN = re.compile(r"(fail_msg|message|problem|_problem|_refusal|_uncounted)$")
JINJA = re.compile(r"\{[{%#].*?[}%#]\}|\\[0-9]", re.DOTALL)
# Less, but for a key, is a part of what another place puts together.
KEY = re.compile(r"\w+: ")
WORDS = re.compile(r"(\w+\W+){2}\w+")
# What an operator does not meet as it stands there.
NOBODY_READS = {
    "plugins/module_utils/_shapes.py": "_client puts it into 'the answer …; is … an MLflow server?'",
    "plugins/module_utils/_registry.py": "likewise",
    "roles/mlflow_mounts/files/mlflow_mounts/fuse": "the kernel is told a number",
    "roles/mlflow_mounts/files/mlflow_mounts/artifacts/reading.py": "likewise",
    "roles/mlflow_mounts/files/mlflow_mounts/artifacts/spool.py": "likewise",
    "roles/mlflow_mounts/files/mlflow_mounts/artifacts/tree.py": "likewise",
    "roles/mlflow_server/files/mlflowctl/access_contents.py": "access_state takes it for not known",
}
# Of our own faults: what is raised where nobody can get to.
NEVER = "AssertionError"


def files(*kinds: str) -> list[Path]:
    """Return the sources of these kinds; in roles also the programs that hosts are given."""
    return [file for file in project.sources(*WHERE) if file.suffix in kinds]


def collected() -> Iterator[tuple[str, str]]:
    """Yield where each message stands, and its text."""
    for file in files(".py", ".yml"):
        found = of_python if file.suffix == ".py" else of_yaml
        where = str(file.relative_to(project.ROOT))
        if any(where == inside or where.startswith(f"{inside}/") for inside in NOBODY_READS):
            continue
        for message in found(file.read_text()):
            text = " ".join(message.split())
            if WORDS.search(KEY.sub("", text.replace("…", ""))):
                yield where, text


def of_python(source: str) -> Iterator[str]:
    """Yield what a module raises, fails with, ends with, or finds."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Yield) and node.value is not None:
            yield text_of(node.value)
        if isinstance(node, ast.FunctionDef) and ERROR.search(node.name.title()):
            yield from (text for it in ast.walk(node) if isinstance(it, ast.Return) for text in returned(it.value))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from (text_of(given) for given in node.exc.args if ast.unparse(node.exc.func) != NEVER)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if ERROR.search(name) and name != NEVER:
                yield from map(text_of, node.args)
            elif name == "finding":
                # What to do stands beside it.
                yield from map(text_of, node.args[1:2])
            elif ast.unparse(node.func) in ("sys.exit", "problems.append"):
                yield from map(text_of, node.args[:1])
            elif name == "fail_json":
                yield from (text_of(given.value) for given in node.keywords if given.arg == "msg")


def returned(node: ast.expr | None) -> Iterator[str]:
    """Yield the texts that a function gives which looks for what is wrong."""
    if isinstance(node, ast.IfExp):
        yield from returned(node.body)
        yield from returned(node.orelse)
    elif node is not None:
        yield text_of(node)


def text_of(node: ast.expr) -> str:
    """Return the text of an expression, with `…` for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "…"


def of_yaml(source: str) -> Iterator[str]:
    """Yield what tasks fail with, and what roles' variables say of what is wrong."""
    yield from (JINJA.sub("…", text) for text in shown(yaml.safe_load(source)))


def shown(node: object) -> Iterator[str]:
    """Yield the texts that are shown when something is refused."""
    if isinstance(node, list):
        for value in node:
            yield from shown(value)
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and SHOWN.search(str(key)):
                yield value
            elif str(key).endswith(".fail") and isinstance(value, dict):
                yield str(value["msg"])
            else:
                yield from shown(value)


def covers(listed: str, message: str) -> bool:
    """Say whether a message is the listed one: it has what stands between the values, in that order."""
    at = 0
    for part in listed.split("…"):
        at = message.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
