# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow grants on: one entry for each kind of thing, and nothing about kinds elsewhere."""

from __future__ import annotations

import re
import typing as t

from ._listed import Definitions, Experiments, Facts, Listing, Origin, Secrets, Things
from ._registry import IS_PROMPT, MODEL, MODELS, TAGS, model_facts, prompt_facts, tags_of
from ._scorers import Scorers, scorer_key
from ._shapes import Maybe, Word, text_by_text

Version = t.Tuple[int, int]

OLDEST = (2, 22)
SUB_KINDS_SINCE = (3, 17)

# As a name in a grant: all things of the kind.
EVERY = "*"
# The name of an experiment may have anything in it; that of the scorer is quoted as MLflow does it.
SCORER = re.compile(r".+/([A-Za-z0-9_.~-]|%[0-9A-F]{2})+", re.DOTALL)
# Its organization and its name.
SKILL = re.compile(r"(@[^@/\s]+/)?[^@/\s]+")

EXPERIMENTS = "/api/2.0/mlflow/experiments/"
SCORERS = "/api/3.0/mlflow/scorers/"
GATEWAY = "/api/3.0/mlflow/gateway/"
MCP_SERVERS = "/api/3.0/mlflow/mcp-servers"
SKILLS = "/api/3.0/mlflow/skills"

EXPERIMENT = {
    "name": str,
    "experiment_id": str,
    "artifact_location": str,
    "lifecycle_stage": Word(("active", "deleted")),
    "tags": TAGS,
    "creation_time": Maybe(int),
}
# In the place of a creator, which MLflow has for some things only. Whoever makes one may write there what they like.
MADE_BY = "mlflow.user"


class Kind(t.NamedTuple):
    """One kind of thing that somebody can be granted something on."""

    # In the inventory, and to MLflow from 3.13 on.
    word: str
    # How they are found; whoever makes one gets MANAGE. None where only all of them can be granted on.
    listing: Listing | None = None
    # Since when users can have grants that the server tells, and groups.
    since: Version = OLDEST
    groups_since: Version = (3, 12)
    things: type[Things] = Things
    # As what MLflow kept the grants on them before it had a word for the kind.
    filed_as: str | None = None
    # Levels that MLflow refuses for it.
    without: tuple[str, ...] = ()


def experiment_facts(experiment: Facts) -> Facts:
    """What the modules return about an experiment."""
    return {
        "name": experiment["name"],
        "experiment_id": experiment["experiment_id"],
        "artifact_location": experiment["artifact_location"],
        "lifecycle_stage": experiment["lifecycle_stage"],
        "tags": tags_of(experiment),
    }


def tagged(at: str) -> t.Callable[[Facts], Origin]:
    """Read where a thing comes from that has tags."""
    return lambda thing: Origin(thing.get(at), tags_of(thing).get(MADE_BY) or None)


def signed(at: str) -> t.Callable[[Facts], Origin]:
    """Read where a thing comes from that says who has made it."""
    return lambda thing: Origin(thing.get(at), thing.get("created_by") or None)


def scorer_facts(scorer: Facts) -> Facts:
    """A scorer with the key of its grants; its name needs the name of its experiment."""
    return {"key": scorer_key(scorer["experiment_id"], scorer["scorer_name"])}


def skill_facts(skill: Facts) -> Facts:
    """A skill by the name that its grants and its address have, with that of its organization where it has one."""
    organization = skill.get("organization")
    return {"name": f"@{organization}/{skill['name']}" if organization else skill["name"]}


def in_gateway(what: str, items: str, key: str, **more: t.Any) -> Listing:
    """What a part of the gateway has, all in one answer."""
    name = more.pop("name", "name")
    return Listing(
        path=f"{GATEWAY}{what}/list",
        items=items,
        shape={key: str, name: str, "created_at": Maybe(int), "created_by": Maybe(str), **more},
        name=name,
        key=key,
        one=f"{GATEWAY}{what}/get",
        by=key,
        paged=False,
        origin=signed("created_at"),
    )


DEFINITION = {
    "provider": Maybe(str),
    "model_name": Maybe(str),
    "secret_id": Maybe(str),
    "secret_name": Maybe(str),
}
MAPPING = {
    "linkage_type": Maybe(str),
    "fallback_order": Maybe(int),
    "model_definition": Maybe({"model_definition_id": str, "name": str, **DEFINITION}),
}
REGISTERED_MODELS = Listing(
    path=MODELS + "search",
    items="registered_models",
    shape=MODEL,
    name="name",
    key="name",
    one=MODELS + "get",
    by="name",
    facts=model_facts,
    origin=tagged("creation_timestamp"),
)

KINDS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        Kind(
            "experiment",
            Listing(
                path=EXPERIMENTS + "search",
                items="experiments",
                shape=EXPERIMENT,
                name="name",
                key="experiment_id",
                one=EXPERIMENTS + "get",
                by="experiment_id",
                facts=experiment_facts,
                query={"view_type": "ALL"},
                origin=tagged("creation_time"),
            ),
            things=Experiments,
        ),
        Kind(
            "registered_model",
            REGISTERED_MODELS,
        ),
        Kind(
            "prompt",
            REGISTERED_MODELS._replace(query={"filter": f"tags.`{IS_PROMPT}` = 'true'"}, facts=prompt_facts),
            filed_as="registered_model",
        ),
        Kind(
            "scorer",
            Listing(
                path=SCORERS + "list",
                items="scorers",
                shape={"experiment_id": int, "scorer_name": str, "creation_time": Maybe(int)},
                name="name",
                key="key",
                one=SCORERS + "get",
                facts=scorer_facts,
                paged=False,
                origin=lambda scorer: Origin(scorer.get("creation_time")),
            ),
            since=(3, 7),
            things=Scorers,
        ),
        # Up to 3.12 the server does not tell what users have of these three.
        Kind(
            "gateway_secret",
            in_gateway(
                "secrets",
                "secrets",
                "secret_id",
                name="secret_name",
                last_updated_at=Maybe(int),
                provider=Maybe(str),
                masked_values=Maybe(text_by_text),
                auth_config=Maybe(text_by_text),
            ),
            since=(3, 13),
            things=Secrets,
        ),
        Kind(
            "gateway_endpoint",
            in_gateway("endpoints", "endpoints", "endpoint_id", model_mappings=Maybe([MAPPING])),
            since=(3, 13),
        ),
        Kind(
            "gateway_model_definition",
            in_gateway(
                "model-definitions",
                "model_definitions",
                "model_definition_id",
                **DEFINITION,
            ),
            since=(3, 13),
            things=Definitions,
        ),
        Kind(
            "mcp_server",
            Listing(
                path=MCP_SERVERS,
                items="mcp_servers",
                shape={"name": str, "creation_timestamp": Maybe(int), "created_by": Maybe(str)},
                name="name",
                key="name",
                one=MCP_SERVERS,
                origin=signed("creation_timestamp"),
            ),
            since=(3, 15),
            groups_since=(3, 15),
        ),
        Kind(
            "skill",
            Listing(
                path=SKILLS,
                items="skills",
                shape={
                    "name": str,
                    "organization": Maybe(str),
                    "creation_timestamp": Maybe(int),
                    "created_by": Maybe(str),
                },
                name="name",
                key="name",
                one=SKILLS,
                facts=skill_facts,
                origin=signed("creation_timestamp"),
            ),
            since=(3, 18),
            groups_since=(3, 18),
            without=("USE",),
        ),
        *(
            Kind(word, since=SUB_KINDS_SINCE, groups_since=SUB_KINDS_SINCE)
            for word in (
                "run",
                "trace",
                "assessment",
                "logged_model",
                "review_queue",
                "registered_model_version",
                "prompt_version",
                "scorer_version",
                "mcp_server_version",
            )
        ),
    )
}

# The words of the inventory for all of them, for those that every declaration speaks of, and for those that can be
# declared as things of their own.
WORDS = tuple(KINDS)
ALWAYS = ("experiment", "registered_model")
DECLARED = (*ALWAYS, "prompt", "gateway_secret", "gateway_endpoint")


def name_problem(kind: str, name: str) -> str | None:
    """Why nothing of this kind can be called so in a grant."""
    if name == EVERY:
        return None
    if not KINDS[kind].listing:
        return f"{kind}: '{name}': MLflow knows grants on all of them only; use '{EVERY}'"
    if kind == "skill" and not SKILL.fullmatch(name):
        return f"{kind}: '{name}': use @ORGANIZATION/NAME, or NAME where it has no organization"
    if kind == "scorer" and not SCORER.fullmatch(name):
        return f"{kind}: '{name}': use EXPERIMENT/NAME, the name as in an address: '/' is %2F in it, and a blank %20"
    return None


def level_problem(kind: str, level: str) -> str | None:
    """Why nobody can have this level of anything of the kind."""
    return f"{kind}: MLflow has no {level} for it; use another level" if level in KINDS[kind].without else None
