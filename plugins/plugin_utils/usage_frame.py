# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around the page of what teams use: how it looks, light and dark, and how its tables sort."""

from __future__ import annotations

# Nothing is fetched from anywhere, whatever a team has called something.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#59636e;--line:#d1d9e0;--one:#0969da;--two:#bc4c00}
@media(prefers-color-scheme:dark){:root{
--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#3d444d;--one:#4493f8;--two:#f0883e}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:90rem;padding:1rem;background:var(--back);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{margin:0}small,header p,figcaption,caption{color:var(--soft);font-weight:400}
a{color:var(--one)}
.tiles{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}
.tiles dt{color:var(--soft)}.tiles dd{margin:0;font-size:1.6rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{text-align:left}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
thead th{white-space:normal;vertical-align:bottom}
th:first-child{position:sticky;left:0;background:var(--back)}
tbody th{font-weight:400;min-width:8rem;max-width:22rem;overflow-wrap:anywhere;white-space:normal}
.n{text-align:right}
th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid var(--one)}
th[aria-sort=ascending] button::after{content:" ▲"}th[aria-sort=descending] button::after{content:" ▼"}
section{border-top:1px solid var(--line);margin-top:2rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:1rem}
figure{margin:0}svg{width:100%;height:auto}svg text{fill:var(--soft);font-size:11px}
.axis{stroke:var(--line)}polyline{fill:none;stroke-width:2}
polyline.s1{stroke:var(--one)}polyline.s2{stroke:var(--two);stroke-dasharray:5 3}
rect.s1,circle.s1{fill:var(--one)}circle.s2{fill:var(--two)}
.key{margin-left:1em}.k1{color:var(--one)}.k2{color:var(--two)}
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sorts"))
  table.tHead.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.parentElement, up = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => {
      const cell = row.cells[head.cellIndex];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    const body = table.tBodies[0];
    const compare = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b);
    body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * compare(value(a), value(b))));
  });
"""

HEAD = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
    f"<style>{STYLE}</style>"
)
FOOT = f"<script>{SCRIPT}</script></body></html>\n"
