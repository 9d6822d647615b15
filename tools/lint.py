"""Run every linter; all of them, even when one complains."""

from __future__ import annotations

import sys

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
        "yamllint": ["yamllint", "--strict", "."],
        "ansible-lint": ["ansible-lint", "-q", "--offline", "--format=pep8", "--nocolor"],
        "ruff": ["ruff", "check", "--quiet", "--output-format", "concise", "."],
        "format": ["ruff", "format", "--quiet", "--check", "."],
        "changelog": ["antsibull-changelog", "lint"],
        "docs": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", "."],
        "mypy tools": ["mypy", "--no-error-summary", "tools"],
        "mypy plugins": typed_plugins(),
    }


def main() -> int:
    """Run the linters, or those whose names begin with an argument."""
    chosen = tuple(sys.argv[1:]) or ("",)
    failed = []
    for name, command in linters().items():
        if command and name.startswith(chosen):
            project.say(name)
            if project.run(command, check=False).returncode != 0:
                failed.append(name)
    if failed:
        raise project.ToolError(f"these complain: {', '.join(failed)}")
    return 0


if __name__ == "__main__":
    project.main(main)
