# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small charts as SVG that need nothing but themselves; their colours are the page's."""

from __future__ import annotations

import html
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown

WIDTH, HEIGHT = 360, 130
LEFT, RIGHT, TOP, BOTTOM = 4, 4, 18, 18
# For what is not known.
NONE = "\u2013"
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")

# What something was at a place on the axis: a day or a week by its number, and its name.
Point = t.Tuple[int, str, float]


def escaped(value: object) -> str:
    """A text that HTML shows as it is, in an attribute too."""
    return html.escape(shown(value), quote=True)


def size(value: float | None) -> str:
    """A number of bytes as people read it."""
    if value is None:
        return NONE
    for unit in UNITS[:-1]:
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or abs(value) >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {UNITS[-1]}"


def number(value: float | None) -> str:
    """A number as people read it."""
    return NONE if value is None else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def chart(
    title: str, series: t.Mapping[str, t.Sequence[Point]], say: t.Callable[[float], str], bars: bool = False
) -> str:
    """Lines, or bars of one series, with what they are at most and at last in words."""
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    low, high = min(point[0] for point in points), max(point[0] for point in points)
    most = max([0, *(point[2] for point in points)]) or 1
    names = {point[0]: point[1] for point in points}
    slots = high - low + 1

    def across(place: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place - low + 0.5) / slots

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(value, 0) / most

    drawn: list[str] = []
    for order, line in enumerate(series.values(), 1):
        if bars:
            wide = max((WIDTH - LEFT - RIGHT) / slots * 0.8, 0.5)
            drawn += [
                f'<rect class="s{order}" x="{across(place) - wide / 2:.1f}" y="{down(value):.1f}" width="{wide:.1f}" '
                f'height="{HEIGHT - BOTTOM - down(value):.1f}"><title>{escaped(name)}: {escaped(say(value))}</title>'
                "</rect>"
                for place, name, value in line
            ]
        elif line:
            path = " ".join(f"{across(place):.1f},{down(value):.1f}" for place, _name, value in line)
            drawn.append(f'<polyline class="s{order}" points="{path}"/>')
            drawn.append(
                f'<circle class="s{order}" cx="{across(line[-1][0]):.1f}" cy="{down(line[-1][2]):.1f}" r="2.5"/>'
            )
    last = "; ".join(f"{name} {say(line[-1][2])}" for name, line in series.items() if line)
    words = f"{title}, {names[low]} to {names[high]}: at most {say(most)}, at last {last}"
    keys = "".join(f'<span class="key k{order}">{escaped(name)}</span>' for order, name in enumerate(series, 1))
    base = HEIGHT - BOTTOM
    return (
        f"<figure><figcaption>{escaped(title)}{keys if len(series) > 1 else ''}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(words)}">'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{base}" y2="{base}"/>'
        f'<text x="{LEFT}" y="12">{escaped(say(most))}</text>{"".join(drawn)}'
        f'<text x="{LEFT}" y="{HEIGHT - 4}">{escaped(names[low])}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escaped(names[high])}</text></svg></figure>'
    )
