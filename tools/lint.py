"""Run every linter; all of them, even when one complains, and as many at a time as there are processors."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import project

CHECKOUT = project.BUILD / "checkout"


def typed_plugins() -> list[str]:
    """Return mypy's view of the plugins, under the name they are imported by."""
    link = CHECKOUT / "ansible_collections" / "mlops" / "mlflow"
    if not any((project.ROOT / "plugins").rglob("*.py")):
        return []
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(project.ROOT)
    return ["mypy", "--no-error-summary", "-p", "ansible_collections.mlops.mlflow.plugins"]


def linters() -> dict[str, list[str]]:
    """Return the command of each linter."""
    return {
        # The longest come first, so that nothing long is left alone at the end.
        "galaxy": ["python", "tools/importer.py"],
        "ansible-lint": ["ansible-lint", "-q", "--offline", "--format=pep8", "--nocolor"],
        "docs": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", "."],
        "mypy tools": ["mypy", "--no-error-summary", "tools"],
        "changelog": ["antsibull-changelog", "lint"],
        "yamllint": ["yamllint", "--strict", "."],
        "ruff": ["ruff", "check", "--quiet", "--output-format", "concise", "."],
        "format": ["ruff", "format", "--quiet", "--check", "."],
        "readmes": ["python", "tools/readmes.py", "--check"],
        "mypy mounts": ["mypy", "--no-error-summary", "-p", "mlflow_mounts"],
        "mypy plugins": typed_plugins(),
        "mypy mlflowctl": ["mypy", "--no-error-summary", "-p", "mlflowctl"],
    }


def passes(name: str, command: list[str]) -> bool:
    """Run one linter, and show what it says in one piece."""
    result = project.run(command, quiet=True, check=False)
    project.say(f"{name}: {'fine' if result.returncode == 0 else 'complains'}")
    said = f"{result.stdout}{result.stderr}".strip()
    if said:
        print(said, flush=True)
    return result.returncode == 0


def main() -> int:
    """Run the linters, or those whose names begin with an argument."""
    chosen = tuple(sys.argv[1:]) or ("",)
    wanted = {name: command for name, command in linters().items() if command and name.startswith(chosen)}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        passed = dict(zip(wanted, pool.map(passes, wanted, wanted.values()), strict=True))
    failed = [name for name, fine in passed.items() if not fine]
    if failed:
        raise project.ToolError(f"these complain: {', '.join(failed)}")
    return 0


if __name__ == "__main__":
    project.main(main)
