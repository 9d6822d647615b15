"""Manage things and grants of every kind, beside experiments and grants on them alone: in how many requests.

make bench-kinds [ARGS=users]: for 25 and 100 users unless told otherwise. A run of that size is also written to
docs/benchmarks-kinds.md, with seconds as ratios, since requests are the same on each machine and seconds are not.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import managed
import measure
import project
import report

sys.path.insert(0, str(project.COLLECTIONS))

from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import KINDS
from managed import Size
from measure import Run, Server

HERE = Path(__file__).parent
MINUTES = 15
FULL = 100
NUMBER = int(sys.argv[1]) if len(sys.argv) > 1 else FULL
SIZES = [Size(number, number) for number in (NUMBER // 4, NUMBER)]
MOST = 10
API = "/api/3.0/mlflow/"
# Of which all can be granted on, on a server of 3.17.
EVERY_KIND = tuple(word for word, kind in KINDS.items() if kind.groups_since <= (3, 17))
ALONE, ALL, HOOKS = "experiments alone", "all kinds", "webhooks, too"
EMPTY, NOTHING, ONE = "from empty", "nothing to change", "one grant changed"
RUNS = [(ALONE, EMPTY), (ALONE, NOTHING), (ALL, "the rest, from that"), (ALL, NOTHING), (ALL, ONE)]
RUNS += [(HOOKS, "the webhooks, from that"), (HOOKS, NOTHING)]


def post(server: Server, path: str, **body: Any) -> dict[str, Any]:
    """Ask the server for something as its admin."""
    word = base64.b64encode(f"admin:{server.password}".encode()).decode()
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    request = urllib.request.Request(server.uri + path, json.dumps(body).encode(), headers)  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
        return dict(json.load(answer))


def undeclarable(server: Server, size: Size) -> list[dict[str, str]]:
    """Make what can be granted on and not be declared, ten of each kind; return what names them in a grant."""
    number = post(server, "/api/2.0/mlflow/experiments/create", name="scored")["experiment_id"]
    named = []
    for each in range(min(10, size.experiments)):
        post(server, API + "scorers/register", experiment_id=number, name=f"judge{each}", serialized_scorer="{}")
        post(server, API + "mcp-servers", name=f"com.example/server{each}")
        named += [{"scorer": f"scored/judge{each}"}, {"mcp_server": f"com.example/server{each}"}]
    return named


def of_all_kinds(size: Size, named: list[dict[str, str]]) -> dict[str, Any]:
    """Return a declaration with things of each kind that can be declared, and grants on all kinds."""
    wanted = managed.declaration(size, "")
    users = [user["name"] for user in wanted["users"]]
    tenth = max(1, size.users // 10)
    levels = {users[0]: "EDIT", users[-1]: "READ"}
    named = named + [{"gateway_model_definition": f"judge{each}"} for each in range(tenth)]
    everything = [{kind: "*", "permission": "READ"} for kind in EVERY_KIND]
    for user in wanted["users"]:
        user["grants"] = [{"run": "*", "permission": "EDIT"}, {**named[0], "permission": "READ"}]
    model = {"provider": "openai", "model": "gpt-4o"}
    things = range(size.experiments)
    return {
        **wanted,
        "groups": [
            {
                "name": f"group{each}",
                "members": users[each::tenth],
                "grants": [*everything, *({**name, "permission": "EDIT"} for name in named)],
            }
            for each in range(tenth)
        ],
        "registered_models": [{"name": f"model{each}", "tags": {"a": "b"}, "grants": levels} for each in things],
        "prompts": [
            {"name": f"prompt{each}", "template": "text {{ x }}", "aliases": {"live": "latest"}, "grants": levels}
            for each in things
        ],
        "gateway_secrets": [
            {"name": f"key{each}", "values": {"api_key": f"sk-{each}-not-a-key"}, "grants": {users[0]: "USE"}}
            for each in range(tenth)
        ],
        "gateway_endpoints": [
            {"name": f"judge{each}", "models": [{**model, "secret": f"key{each}"}], "grants": {users[-1]: "USE"}}
            for each in range(tenth)
        ],
    }


def webhooks(size: Size) -> list[dict[str, Any]]:
    """Return some, which nobody is granted anything on."""
    wanted = {"url": "https://127.0.0.1:9/x", "events": ["prompt.created"], "secret": "s" * 16}
    return [{"name": f"hook{each}", **wanted} for each in range(max(1, size.users // 10))]


def measured(size: Size) -> Iterator[Run]:
    """Measure the module with both declarations of one size, one after the other on a fresh server."""
    with measure.server("kinds", gateway=True) as server:
        named = undeclarable(server, size)
        for declared, what in RUNS:
            wanted = managed.declaration(size, "") if declared == ALONE else of_all_kinds(size, named)
            if declared == HOOKS:
                wanted["webhooks"] = webhooks(size)
            wanted["secrets_file"] = str(measure.HOME / "kinds" / "kept_secrets.json")
            if what == ONE or declared == HOOKS:
                wanted["experiments"][0]["grants"]["user0"] = "EDIT"
            file = measure.HOME / "declaration.json"
            file.write_text(json.dumps({"declared": marked(wanted)}))
            command = ["ansible-playbook", HERE / "kinds.yml", "-e", f"@{file}"]
            yield server.measure(f"{declared}, {size.users} users, {what}", command)


def marked(value: Any) -> Any:
    """Return it so that Ansible leaves the variables that texts of prompts have."""
    if isinstance(value, dict):
        return {key: marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [marked(inner) for inner in value]
    return {"__ansible_unsafe": value} if isinstance(value, str) and "{{" in value else value


def document(runs: dict[Size, list[Run]]) -> str:
    """Return what was measured, as Markdown."""
    usual = {size: found[RUNS.index((ALONE, NOTHING))].seconds for size, found in runs.items()}
    lines = [
        [*RUNS[each], *(f"{runs[size][each].requests:,}" for size in SIZES)]
        + [f"{runs[size][each].seconds / usual[size]:.1f}" for size in SIZES]
        for each in range(len(RUNS))
    ]
    users = [f"{size.users} users" for size in SIZES]
    columns = [f"{what}, {each}" for what in ("requests", "time") for each in users]
    head = f"| declared | what | {' | '.join(columns)} |"
    most = max(found[RUNS.index((ALL, NOTHING))].requests for found in runs.values())
    whole = of_all_kinds(SIZES[-1], [{"scorer": "x"}] * 20)
    grants = sum(len(group["grants"]) for group in whole["groups"])
    return "\n\n".join(
        [
            "# Managing every kind of thing, measured",
            "Printed by `make bench-kinds`: the module `access` with a declaration of experiments and grants on them "
            f"alone ({SIZES[-1]}), and then with one that has all that and of each other kind what can be declared and "
            f"granted. At {NUMBER} users these are {len(whole['registered_models'])} registered models and as many "
            f"prompts, with texts, aliases and two grants each; one secret, endpoint and webhook for ten users; "
            f"as many groups, with {grants} grants: on all of each of the {len(EVERY_KIND)} kinds, and on ten single "
            "things each of those that cannot be declared; and two grants more for each user. On a fresh MLflow server "
            "for each size; requests were counted in its log. They are the same on each machine, which seconds are "
            "not: as time stands here how many times that of the second line, with Ansible's own start. Where a "
            "machine does other work beside it, ratios near one say nothing.",
            report.table(head, "|---|---|" + "---:|" * 2 * len(SIZES), lines),
            f"Nothing to change, with all kinds declared, in {MOST} requests at most: {report.verdict(most <= MOST)}; "
            f"{most} were asked. Webhooks, which nobody can be granted anything on, take one more.",
            f"With {report.versions()}.",
        ]
    )


def main() -> None:
    """Measure everything in one run, print it, and keep it if it is the full size."""
    project.tidy_up_when_told_to_end()
    with project.lock("bench"), measure.at_most(MINUTES):
        measure.HOME.mkdir(parents=True, exist_ok=True)
        text = document({size: list(measured(size)) for size in SIZES})
    print(text)
    if NUMBER == FULL:
        target = project.ROOT / "docs" / "benchmarks-kinds.md"
        target.write_text(text + "\n")
        project.say(f"written to {target.relative_to(project.ROOT)}")


if __name__ == "__main__":
    project.main(main)
