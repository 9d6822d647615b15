"""The page of what teams use: a month of thirty teams, and names that would be more than text."""

import html.parser
import math
import re

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.charts import chart, number, size
from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage import usage_page, usage_rows
from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import csv_table
from unit.plugin_utils.usage_month import NOW, reports, team

EVIL = '</script><img src=x onerror="alert(1)">\u202e=cmd()'
VOID = {"meta", "line", "circle", "polyline", "img"}


class Reader(html.parser.HTMLParser):
    """What a browser would see of it."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_has_every_team_of_a_month_with_its_charts():
    text = usage_page(reports(), NOW)
    page = Reader(text)
    assert page.open == []
    assert page.tags.count("section") == 30
    assert page.tags.count("svg") == 30 * 4
    assert [it for it in page.words if it == "team-29"] == ["team-29"]
    # A team has a line, its bars, and a month of them.
    assert page.tags.count("rect") == 30 * (13 + 30)
    assert len(text) < 1_000_000
    assert "2026-11-27" in text


def test_needs_nothing_from_anywhere():
    page = Reader(usage_page(reports(2), NOW))
    links = [value for name, value in page.attributes if name in ("src", "href", "action", "data", "srcset")]
    assert links
    assert all(it.startswith("#t") for it in links)
    assert not re.search(r"url\(|@import|https?:", "".join(page.words))


def test_takes_no_name_for_more_than_text():
    evil = [{"id": 1, "name": EVIL, "stage": "deleted", "runs": 1, "last": None, "bytes": None}]
    page = Reader(usage_page({EVIL: {"at": NOW, "teams": {"a": team(1, experiments=evil, quiet=[[EVIL, 1]])}}}, NOW))
    assert page.open == []
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not [name for name, _value in page.attributes if name.startswith("on")]
    # The name of the host, of the experiment and of the user, twice the host's.
    assert len([it for it in page.words if "\\u202e=cmd()" in it]) == 4


@pytest.mark.parametrize("moment", [2**63 - 1, -(2**63), 10**15, -(10**14), float("nan"), float("inf")])
def test_a_moment_of_somebodys_choice_keeps_nobodys_figures_out(moment):
    runs = [{"id": 1, "name": "resnet", "stage": "active", "runs": 1, "last": moment * 1000, "bytes": None}]
    weeks = [] if not math.isfinite(moment) else [[moment, 1]]
    evil = team(1, experiments=runs, quiet=[["dora", moment]], weeks=[*weeks, [NOW // 604800 * 604800, 3]])
    words = " ".join(Reader(usage_page({"h": {"at": NOW, "teams": {"a": evil, "b": team(2)}}}, NOW)).words)
    assert "dora: on no day" in words
    # One chart of one week.
    assert "2026-11-26: 3" in words
    assert "on no day: 1" not in words


def test_a_team_of_which_little_is_known_is_there_too():
    nothing = {"days": [], "weeks": [], "experiments": [], "quiet": None, "deleted": {"bytes": 0}}
    page = Reader(usage_page({"h": {"at": 1, "teams": {"a": {**team(1), **nothing, "error": True}}}}, NOW))
    assert page.open == []
    assert ("title", "not all figures could be had") in page.attributes


def test_rows_are_those_of_the_days_and_no_formula():
    found = reports(2)
    found['=HYPERLINK("x")'] = {"at": NOW, "teams": {"a": team(3, days=1)}}
    rows = usage_rows(found)
    assert len(rows) == 1 + 30 + 30 + 1
    assert rows[2][:4] == ["host1", "team-00", "3.17.2", "2026-10-28"]
    assert "\"'=HYPERLINK" in csv_table(rows)


def test_growth_is_that_of_both_stores():
    days = [{"date": f"2026-11-0{it}", "database_bytes": 100 * it, "artifacts_bytes": 1000 * it} for it in (1, 3)]
    assert ">2.2 kB</td>" in usage_page({"h": {"at": 1, "teams": {"a": {**team(1), "days": days}}}}, NOW)


@pytest.mark.parametrize(
    ("disk", "cell"),
    [
        ({"used": 90, "max": 1000}, '<td class=n data-value="9.0">9 % of 1.0 kB</td>'),
        ({"used": None, "max": 1000}, '<td class=n data-value="-1">\u2013</td>'),
        ({"used": 90, "max": None}, '<td class=n data-value="-1">\u2013</td>'),
    ],
)
def test_how_much_of_what_it_may_have_a_team_has(disk, cell):
    text = usage_page({"h": {"at": 1, "teams": {"a": team(1, disk=disk)}}}, NOW)
    assert cell in text
    assert ">Of its disk_max</button>" in text


def test_says_in_words_what_a_chart_shows():
    text = chart("Size", {"a": [(1, "Mon", 5.0), (3, "Wed", 2500.0)]}, size)
    assert 'aria-label="Size, Mon to Wed: at most 2.5 kB, at last a 2.5 kB"' in text
    assert chart("Size", {"a": []}, size) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(None, "\u2013"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (-2e12, "-2.0 TB")]
)
def test_sizes(value, text):
    assert size(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "\u2013"), (1234, "1,234"), (2.55, "2.5")])
def test_numbers(value, text):
    assert number(value) == text
