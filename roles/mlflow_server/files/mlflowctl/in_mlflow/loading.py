"""Leaves undone what loading MLflow does for nobody, or over and over again: users wait for a server that is woken.

Nothing of it is MLflow's own, and where a package is another by now, that is loaded as ever.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from typing import Any


def shorten() -> None:
    """Before MLflow is loaded: do so in this process."""
    metadata: Any = importlib.metadata
    metadata.entry_points = chosen_of(functools.cache(metadata.entry_points))
    try:
        from werkzeug.routing import Rule  # noqa: PLC0415 - of MLflow's own environment
    except ImportError:
        return
    rule: Any = Rule
    if hasattr(rule, "_compile_builder"):
        rule._compile_builder = built_later(rule._compile_builder)


def chosen_of(everything: Callable[[], Any]) -> Callable[..., Any]:
    """Read the entry points of all packages once: MLflow reads them a dozen times, for a few of them each time."""

    def entry_points(**wanted: Any) -> Any:
        return everything().select(**wanted) if wanted else everything()

    return entry_points


def built_later(compile_builder: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
    """Compile what makes a route's address when one is made: each of 400 routes has two, and MLflow makes none."""

    def compile_later(rule: Any, append_unknown: bool = True) -> Callable[..., Any]:
        compiled = functools.cache(functools.partial(compile_builder, rule, append_unknown))

        def build(itself: Any, /, **values: Any) -> Any:
            return compiled()(itself, **values)

        return build

    return compile_later
