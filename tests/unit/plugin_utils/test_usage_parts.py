"""What one team has and uses, for that team alone."""

import json

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage_parts import part_of, usage_parts
from unit.plugin_utils.test_usage import Reader
from unit.plugin_utils.usage_month import NOW, reports, team

HOME = "/srv/usage"


def declared(*names, hosts=("host1",)):
    return [{"name": name, "hosts": [{"host": host} for host in hosts]} for name in names]


def written(found):
    return {it["path"]: it["content"] for it in found if "content" in it}


def test_each_team_has_a_page_a_table_and_data_of_its_own():
    found = usage_parts(reports(3), declared("team-00", "team-02"), HOME)
    assert [it["path"] for it in found if it.get("state") == "directory"] == [f"{HOME}/team-00", f"{HOME}/team-02"]
    files = written(found)
    names = ("team-00", "team-02")
    assert list(files) == [f"{HOME}/{name}/usage.{kind}" for name in names for kind in ("html", "csv", "json")]
    page = Reader(files[f"{HOME}/team-00/usage.html"])
    assert page.open == []
    assert page.tags.count("section") == 1
    assert page.words.count("MLflow team team-00") == 2
    assert len(files[f"{HOME}/team-00/usage.csv"].splitlines()) == 31
    assert json.loads(files[f"{HOME}/team-00/usage.json"])["host1"]["teams"]["team-00"]["version"] == "3.17.2"


def test_no_byte_is_of_another_team():
    names = [f"team-{number:02}" for number in range(30)]
    for path, text in written(usage_parts(reports(30), declared(*names), HOME)).items():
        assert [name for name in names if name in text] == [path.split("/")[-2]]


def test_only_hosts_that_a_team_is_declared_on_say_what_it_uses():
    told = {**reports(1), "host2": {"at": NOW + 60, "teams": {"team-00": team(7), "team-01": team(8)}}}
    assert part_of(told, "team-00", ["host1"]) == reports(1)
    assert set(part_of(told, "team-00", ["host1", "host2"])) == {"host1", "host2"}
    assert part_of(told, "team-01", ["host1"]) == {}


@pytest.mark.parametrize("told", [{}, {"host1": {"at": NOW, "teams": {}}}, {"host2": {"at": NOW, "teams": {"a": {}}}}])
def test_a_team_of_which_nothing_was_said_is_left_out(told):
    assert usage_parts(told, declared("a"), HOME) == []


def test_what_a_host_says_beside_names_no_file():
    told = {"host1": {"at": NOW, "teams": {"../../etc": team(1), "a": team(2)}, "others": ["b"]}}
    assert {it["path"] for it in usage_parts(told, declared("a"), HOME)} == {
        f"{HOME}/a",
        *(f"{HOME}/a/usage.{kind}" for kind in ("html", "csv", "json")),
    }
    assert "others" not in "".join(written(usage_parts(told, declared("a"), HOME)).values())
