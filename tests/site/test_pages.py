"""The site in a real browser: on a telephone and on a desk, with no other address, and found by its search."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator

import project
import pytest
from e2e import browser as browsers

HTML = project.BUILD / "docs" / "html"
PICTURES = project.BUILD / "pictures" / "site"
# Seconds for a page, on a busy machine.
PATIENCE = 600
REFERENCE = "collections/mlops/mlflow"
# One of each kind, and those with wide tables.
PAGES = (
    "docs/index.html",
    "docs/backup.html",
    "docs/team.html",
    "docs/requirements.html",
    "docs/security.html",
    "docs/troubleshooting.html",
    "docs/host.html",
    "examples.html",
    "README.html",
    "CONTRIBUTING.html",
    f"{REFERENCE}/index.html",
    f"{REFERENCE}/user_module.html",
    f"{REFERENCE}/teams_lookup.html",
    f"{REFERENCE}/mlflow_server_role.html",
)
ADDRESSES = "performance.getEntriesByType('resource').map(it => it.name)"
# How much further a page goes than it is wide, and what of it does; what scrolls by itself is as wide as it is seen.
TOO_WIDE = """(() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll('article *')].filter(it => it.getBoundingClientRect().right > width + 1);
  return [document.documentElement.scrollWidth, ...wide.slice(0, 3).map(it => it.outerHTML.slice(0, 200))];
})()"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Answers with the site's files."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Return where the site is, which `make docs` has built."""
    handler = functools.partial(Quiet, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browsers.Browser]:
    with browsers.browser(tmp_path_factory.mktemp("profile"), {}, "") as it:
        yield it


def loaded(page: browsers.Browser, url: str) -> None:
    """Open a page, and wait until all of it is there."""
    page.open(url)
    deadline = time.monotonic() + PATIENCE
    while page.run("location.href + document.readyState") != f"{url}complete":
        assert time.monotonic() < deadline, page.text()
        time.sleep(0.1)


@pytest.mark.parametrize("size", browsers.SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_wide_as_the_screen_and_needs_no_other_address(site, page, name, size):
    page.resize(size)
    loaded(page, site + name)
    page.look(PICTURES / f"{name.replace('/', '-').removesuffix('.html')}-{size}.png", size)
    assert page.run(TOO_WIDE) == []
    assert [it for it in page.run(ADDRESSES) if not it.startswith(site)] == []


# How light two colours are that stand on each other, as WCAG has it, at the least for all texts of the article.
CONTRAST = """(() => {
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const below = it => { for (; it; it = it.parentElement) {
    const c = parts(getComputedStyle(it).backgroundColor); if (c.length < 4 || c[3] > 0.5) return c.slice(0, 3); }
    return [255, 255, 255]; };
  let found = [];
  for (const it of document.querySelectorAll('article :is(p, td, li, em, strong, code)'))
    if (it.innerText && it.getBoundingClientRect().width) {
      const [a, b] = [light(parts(getComputedStyle(it).color).slice(0, 3)), light(below(it))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 3) found.push(ratio.toFixed(1) + ' ' + it.innerText.slice(0, 60));
    }
  return found.slice(0, 5);
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["docs/security.html", f"{REFERENCE}/mlflow_server_role.html"])
def test_what_is_written_can_be_read(site, page, name, dark):
    page.resize("phone", dark)
    loaded(page, site + name)
    assert page.run(CONTRAST) == []


def test_the_search_finds_a_guide_without_another_address(site, page):
    page.resize("phone")
    loaded(page, f"{site}search.html?q=backup")
    deadline = time.monotonic() + PATIENCE
    while "/docs/backup.html" not in str(page.run("[...document.querySelectorAll('#search-results a')].join()")):
        assert time.monotonic() < deadline, page.text()
        time.sleep(0.1)
    page.look(PICTURES / "search-phone.png", "phone")
    assert [it for it in page.run(ADDRESSES) if not it.startswith(site)] == []
