# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How everybody on a server, and what they may do, is declared: for one server and for several."""

from __future__ import annotations

from textwrap import indent

# What one grant says, of users and of groups.
GRANT = r"""        experiment:
          description: Name of an experiment, or V(*) for all.
          type: str
        registered_model:
          description: Name of a registered model, or V(*) for all. From MLflow 3.13 on prompts are not among them.
          type: str
        prompt:
          description:
            - Name of a prompt, or V(*) for all from MLflow 3.13 on.
            - Before, all registered models are meant by that.
          type: str
        scorer:
          description:
            - A scorer as V(EXPERIMENT/NAME), the name as in an address (V(%20) is a blank, V(%2F) a slash), or V(*)
              for all.
            - From MLflow 3.7 on.
          type: str
        gateway_secret:
          description: Name of a secret of the gateway, or V(*) for all. From MLflow 3.13 on, for groups from 3.12.
          type: str
        gateway_endpoint:
          description: Name of an endpoint of the gateway, or V(*) for all. From MLflow 3.13 on, for groups from 3.12.
          type: str
        gateway_model_definition:
          description: Name of a model of the gateway, or V(*) for all. From MLflow 3.13 on, for groups from 3.12.
          type: str
        mcp_server:
          description: Name of an MCP server, or V(*) for all. From MLflow 3.15 on.
          type: str
        skill:
          description: Name of a skill, or C(@ORGANIZATION/NAME), or V(*) for all. From MLflow 3.18 on.
          type: str
        run:
          description: V(*), all runs of the experiments that may be read. From MLflow 3.17 on, as all that follow.
          type: str
        trace:
          description: V(*), all traces of the experiments that may be read.
          type: str
        assessment:
          description: V(*), all assessments of the traces that may be read.
          type: str
        logged_model:
          description: V(*), all logged models of the experiments that may be read.
          type: str
        review_queue:
          description: V(*), all review queues of the experiments that may be read.
          type: str
        registered_model_version:
          description: V(*), all versions of the registered models that may be read.
          type: str
        prompt_version:
          description: V(*), all versions of the prompts that may be read.
          type: str
        scorer_version:
          description: V(*), all versions of the scorers that may be read.
          type: str
        mcp_server_version:
          description: V(*), all versions of the MCP servers that may be read.
          type: str
        permission:
          description: The level. V(DENY) wins over all others; see M(mlops.mlflow.permission) for where there is one.
          type: str
          choices: [READ, USE, EDIT, MANAGE, DENY]
          required: true
"""

OPTIONS = (
    r"""
policy:
  description:
    - V(exclusive) removes the users, groups, memberships and grants that are not declared. Experiments
      and models are never removed for not being declared. A server before MLflow 3.10 cannot list its
      users, so that only declared ones are looked at there, with a warning.
    - Grants on kinds of things that the declaration does not speak of are left; see O(kinds).
    - V(additive) only adds and changes.
  type: str
  choices: [exclusive, additive]
  default: exclusive
kinds:
  description:
    - Kinds of things that the declaration speaks of though no grant names any, so that V(exclusive) leaves nobody a
      grant on them that is not declared.
    - Experiments and registered models always are, and so is each kind that a grant names or of which a thing is
      declared.
  type: list
  elements: str
  default: []
  choices:
    - experiment
    - registered_model
    - prompt
    - scorer
    - gateway_secret
    - gateway_endpoint
    - gateway_model_definition
    - mcp_server
    - skill
    - run
    - trace
    - assessment
    - logged_model
    - review_queue
    - registered_model_version
    - prompt_version
    - scorer_version
    - mcp_server_version
artifact_root:
  description:
    - Where the server puts the artifacts of experiments that are made without a location, such as V(s3://bucket/team).
    - Needed where that is neither C(mlflow-artifacts:/) nor where it puts those of MLflow's own experiment. A declared
      experiment without O(experiments[].artifact_location) that somebody has made with another place is warned about.
  type: str
keep_users:
  description:
    - Users who are left as they are though nobody declared them, in their groups too.
    - The account that logs in always is.
  type: list
  elements: str
  default: []
revoke_creators:
  description:
    - Whether to remove also the MANAGE that MLflow gives to whoever creates an experiment, a model or something
      else that can be granted on by its name.
    - MLflow does not mark it. The first grant on a thing counts as such when it is a user's own, and MANAGE.
    - On declared experiments and models nobody keeps it who is not in their grants, whatever is said here. With
      O(policy=additive) everybody does, with a warning.
  type: bool
  default: false
on_missing_roles:
  description:
    - What to do with O(groups) on a server before MLflow 3.12, which has none.
    - V(fail) names the version needed. V(expand) gives each member what the group grants.
  type: str
  choices: [fail, expand]
  default: fail
update_password:
  description:
    - V(always) sets a declared password whenever logging in with it fails.
    - V(on_create) sets it on new users only. It needs no log-in for each user, and people may change their own.
  type: str
  choices: [always, on_create]
  default: always
users:
  description: The users.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the user, printable ASCII without a colon.
      type: str
      required: true
    password:
      description: The password, of at least 12 printable ASCII characters. Needed for a new user.
      type: str
    admin:
      description: Whether the user may do everything on the server.
      type: bool
      default: false
    grants:
      description: What the user may do. Each names one thing, or all of a kind.
      type: list
      elements: dict
      suboptions:
"""
    + GRANT
    + r"""    state:
      description: V(absent) deletes the user, also where O(policy=additive).
      type: str
      choices: [present, absent]
      default: present
groups:
  description:
    - The groups, which MLflow calls roles.
    - On MLflow 3.12 a group's level on an experiment does not reach its runs, so members cannot store artifacts.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the group.
      type: str
      required: true
    description:
      description: What the group is for. Left as it is by default.
      type: str
    members:
      description: Names of users. Left as they are by default.
      type: list
      elements: str
    grants:
      description: What members may do. Each names one thing, or all of a kind. Left as they are by default.
      type: list
      elements: dict
      suboptions:
"""
    + GRANT
    + r"""    state:
      description: V(absent) deletes the group.
      type: str
      choices: [present, absent]
      default: present
experiments:
  description: Experiments that are to exist, and users' grants on them.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the experiment.
      type: str
      required: true
    artifact_location:
      description: URI under which its runs keep their artifacts, fixed at creation.
      type: str
    tags:
      description: Tags to set. Others are left as they are.
      type: dict
    grants:
      description: Levels by user name.
      type: dict
    rename_from:
      description: Former name. Where it is there and the new one is not, it gets the new name.
      type: str
    on_deleted:
      description: What to do with one that was deleted.
      type: str
      choices: [restore, fail]
      default: restore
    state:
      description: V(absent) deletes it softly.
      type: str
      choices: [present, absent]
      default: present
registered_models:
  description: Registered models that are to exist, and users' grants on them.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the model.
      type: str
      required: true
    description:
      description: What the model is for. Left as it is by default.
      type: str
    tags:
      description: Tags to set. Others are left as they are.
      type: dict
    aliases:
      description:
        - Numbers of versions, or V(latest), by the words that are to mean them. V(null) takes a word away. Others are
          left as they are.
      type: dict
    grants:
      description: Levels by user name.
      type: dict
    rename_from:
      description: Former name. Where it is there and the new one is not, it gets the new name.
      type: str
    state:
      description: V(absent) deletes it permanently, with all its versions.
      type: str
      choices: [present, absent]
      default: present
prompts:
  description:
    - Prompts that are to exist, and users' grants on them; see M(mlops.mlflow.prompt).
    - With O(policy=exclusive), once one is declared, nobody keeps a grant on any prompt that is not declared.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the prompt.
      type: str
      required: true
    description:
      description: What the prompt is for. Left as it is by default.
      type: str
    template:
      description: The text that the newest version is to have. Another one than it has is a new version.
      type: str
    commit_message:
      description: What is said of the version that the text makes.
      type: str
    tags:
      description: Tags to set. Others are left as they are.
      type: dict
    aliases:
      description:
        - Numbers of versions, or V(latest), by the words that are to mean them. V(null) takes a word away. Others are
          left as they are.
      type: dict
    grants:
      description: Levels by user name.
      type: dict
    state:
      description: V(absent) deletes it permanently, with all its versions.
      type: str
      choices: [present, absent]
      default: present
gateway_secrets:
  description:
    - Secrets of the gateway that are to exist, and users' grants on them; see M(mlops.mlflow.gateway_secret).
    - From MLflow 3.12 on, users' grants from 3.13 on. O(policy=exclusive) covers those as it does prompts'.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the secret.
      type: str
      required: true
    values:
      description:
        - The secret itself, such as C(api_key), by MLflow's names. MLflow never tells it.
        - It is replaced when O(secrets_file) does not say that it was given; without that file when what MLflow shows
          of it differs.
      type: dict
    provider:
      description: For which provider it is, such as C(openai).
      type: str
    auth_config:
      description: What belongs to it and is not secret, such as C(api_base).
      type: dict
    grants:
      description: Levels by user name.
      type: dict
    state:
      description: V(absent) deletes it.
      type: str
      choices: [present, absent]
      default: present
gateway_endpoints:
  description:
    - Endpoints of the gateway that are to exist, and users' grants on them; see M(mlops.mlflow.gateway_endpoint).
    - From MLflow 3.12 on, users' grants from 3.13 on. O(policy=exclusive) covers those as it does prompts'.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the endpoint.
      type: str
      required: true
    models:
      description: The model that answers, and those that do in turn when it fails.
      type: list
      elements: dict
      suboptions:
        name:
          description:
            - Name of the gateway's model. By default that of the endpoint, with V(-2), V(-3) and so on for all but
              the first.
          type: str
        provider:
          description: Whose it is, such as C(openai).
          type: str
          required: true
        model:
          description: What the provider calls it, such as C(gpt-4o).
          type: str
          required: true
        secret:
          description: Name of the gateway's secret that is shown to the provider.
          type: str
          required: true
    grants:
      description: Levels by user name.
      type: dict
    state:
      description: V(absent) deletes it, with those of its models that no other endpoint has.
      type: str
      choices: [present, absent]
      default: present
webhooks:
  description:
    - Webhooks that are to exist; see M(mlops.mlflow.webhook). Others are left as they are.
    - From MLflow 3.3 on.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the webhook, letters, digits, C(.), C(_) and C(-).
      type: str
      required: true
    url:
      description: Where MLflow posts to. Needed for a new one. It is shown.
      type: str
    events:
      description: What it is told of. Needed for a new one.
      type: list
      elements: str
      choices:
        - registered_model.created
        - model_version.created
        - model_version_tag.set
        - model_version_tag.deleted
        - model_version_alias.created
        - model_version_alias.deleted
        - prompt.created
        - prompt_version.created
        - prompt_tag.set
        - prompt_tag.deleted
        - prompt_version_tag.set
        - prompt_version_tag.deleted
        - prompt_alias.created
        - prompt_alias.deleted
        - budget_policy.exceeded
    description:
      description: What it is for. Left as it is by default.
      type: str
    secret:
      description:
        - What each delivery is signed with. MLflow never tells it; without O(secrets_file) one that is there keeps its
          own.
      type: str
    status:
      description: Whether anything is delivered. A new one is V(active) by default, another is left as it is.
      type: str
      choices: [active, disabled]
    state:
      description: V(absent) deletes it.
      type: str
      choices: [present, absent]
      default: present
secrets_file:
  description:
    - Path of a file on the target with fingerprints of the secrets that the server was given, for root alone, by which
      another secret is seen; the directory has to be there.
    - Without it only a new webhook is given its secret.
  type: path
"""
)

OF_EACH = r"""
name:
  description: What the server is called in the result, the diff and messages.
  type: str
  required: true
tracking_uri:
  description: Address of the server. Redirects are not followed.
  type: str
  required: true
username:
  description: The admin to log in as.
  type: str
  required: true
password:
  description: The password to log in with.
  type: str
  required: true
receipt:
  description:
    - Path of a file on the target. After a run that found nothing to do it holds, for root alone, in what state the
      databases were by O(state_command), and a fingerprint of the declaration.
    - While neither differs, the server is not asked, so that it may sleep. Give none to a server that is always to be
      asked.
  type: path
"""


class ModuleDocFragment:
    # Annotated, since ansible-test reads plain assignments as text of their own.
    DOCUMENTATION: str = "options:\n" + indent(OPTIONS, "  ")

    SERVERS: str = """
options:
  servers:
    description: The servers, and what each is to hold.
    type: list
    elements: dict
    required: true
    suboptions:
""" + indent(OF_EACH + OPTIONS.replace("O(", "O(servers[]."), "      ")
