# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: teams
short_description: The MLflow teams that the inventory declares
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Returns the teams that the present host is to serve, with every default filled in.
  - A team stands in the list O(mlflow_teams), or in a variable of its own whose name begins with
    C(mlflow_team_), so that adding a team is adding a file of variables. Both may be used together.
  - A declaration with anything wrong in it is refused as a whole, with one line for each fault.
extends_documentation_fragment:
  - mlops.mlflow.resolved
options:
  _terms:
    description: Names of the teams to return. All by default.
    type: list
    elements: str
  elsewhere:
    description: Return the teams that are declared here, and that other hosts are to serve, instead of this one's.
    type: bool
    default: false
  mlflow_version:
    description: The MLflow version of the teams that name none. All three numbers are needed.
    type: str
    default: 3.17.2
    vars:
      - name: mlflow_version
  mlflow_listen_address:
    description: Address that the servers of the teams that name none listen on.
    type: str
    default: 127.0.0.1
    vars:
      - name: mlflow_listen_address
  mlflow_server_idle_timeout:
    description: How long the servers of the teams that name no time stay up with nobody connected.
    type: str
    default: 30min
    vars:
      - name: mlflow_server_idle_timeout
  mlflow_server_gc_older_than:
    description: How long runs and experiments stay deleted before they are removed permanently. A team's own wins.
    type: str
    default: never
    vars:
      - name: mlflow_server_gc_older_than
  mlflow_server_disk_max:
    description: How much the teams that do not say it may keep on the disk of their host.
    type: str
    default: infinity
    vars:
      - name: mlflow_server_disk_max
  mlflow_proxy_domain:
    description:
      - Host name of the start page of the proxies. The servers then take the addresses under which the proxies pass
        them on for their own. None by default.
      - It stands where the servers, the proxies and the clients all see it, such as in C(group_vars/all).
    type: str
    default: ""
    vars:
      - name: mlflow_proxy_domain
  mlflow_proxy_routing:
    description:
      - How the proxies tell the teams apart, the way that people are told first. V(name) is C(https://TEAM.DOMAIN),
        V(path) is C(https://DOMAIN/TEAM).
      - To a browser everything under one name is one site. Where teams do not trust each other, use V(name).
    type: list
    elements: str
    choices: [name, path]
    default: [name]
    vars:
      - name: mlflow_proxy_routing
  mlflow_proxy_https_port:
    description: Port of the proxies.
    type: int
    default: 443
    vars:
      - name: mlflow_proxy_https_port
  mlflow_teams:
    description: The teams.
    type: list
    elements: dict
    vars:
      - name: mlflow_teams
    suboptions:
      name:
        description:
          - Name of the team, 1 to 24 lower-case letters, digits and hyphens, beginning with a letter and not ending
            with a hyphen, nor with two of them in third and fourth place, which DNS keeps for other alphabets.
          - It names the unit (C(mlflow@vision)), the account (C(mlflow-vision)) and the directories.
          - It cannot begin with C(health) or C(static); under a path of that name MLflow lets everybody in.
        type: str
        required: true
      description:
        description: What the team does, in a line.
        type: str
        default: ""
      owner:
        description: Whom to ask about the team, for the start page.
        type: str
        default: ""
      listed:
        description: Whether the start page of the proxies names the team.
        type: bool
        default: true
      proxied:
        description: Whether the proxies pass the team on.
        type: bool
        default: true
      port:
        description: TCP port of the team's server, from 1024 to 65535. Teams on one host need different ones.
        type: int
        required: true
      servers:
        description:
          - Inventory names of the hosts that run this team. All that declare it by default, each then with a team of
            that name and with data of its own.
          - Several that are named are replicas of one team, whose databases are in PostgreSQL and whose artifacts are
            in an object store. What happens once, such as an upgrade, O(mlflow_teams[].leader) does before the others.
        type: list
        elements: str
        default: []
      leader:
        description:
          - Which of O(mlflow_teams[].servers) does what happens once for all replicas of a team. The first by default.
          - Another one can be named at any time; its backups then bear the name of that host.
        type: str
      state:
        description:
          - V(stopped) keeps all there is, people's credentials too, and no server running. A proxy answers 503, with a
            page that says so.
          - V(absent) takes the team off the host, with an archive of what it had. Its data stay unless
            O(mlops.mlflow.mlflow_server#role:main:mlflow_server_remove_data=true). Nothing else that is declared of
            it matters then, but it is checked all the same. Declared V(present) again, it has everything that was kept.
          - A team that is only taken out of the inventory goes on running.
        type: str
        choices: [present, stopped, absent]
        default: present
      version:
        description: The team's MLflow version, with all three numbers. That of O(mlflow_version) by default.
        type: str
      admin_username:
        description: The team's admin. Ansible logs in as this user.
        type: str
        default: admin
      admin_password:
        description:
          - The admin's password, at least 12 printable ASCII characters.
          - Changing it here changes it on the server.
        type: str
        required: true
      users:
        description: The team's users.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the user, printable ASCII without a colon.
            type: str
            required: true
          password:
            description: The user's password, at least 12 printable ASCII characters. Only a new user needs one.
            type: str
          admin:
            description: Whether the user may do everything in the team.
            type: bool
            default: false
          grants:
            description: What the user may do. Each names one thing, or all of a kind.
            type: list
            elements: dict
            default: []
            suboptions: &grant
              experiment:
                description: Name of an experiment, or V(*) for all.
                type: str
              registered_model:
                description:
                  - Name of a registered model, or V(*) for all.
                  - From MLflow 3.13 on prompts are not among them.
                type: str
              prompt:
                description:
                  - Name of a prompt, or V(*) for all from MLflow 3.13 on.
                  - Before, all registered models are meant by that.
                type: str
              scorer:
                description:
                  - A scorer as V(EXPERIMENT/NAME), the name as in an address (V(%20) is a blank, V(%2F) a slash), or
                    V(*) for all.
                  - From MLflow 3.7 on.
                type: str
              gateway_secret:
                description:
                  - Name of a secret of the gateway, or V(*) for all.
                  - From MLflow 3.13 on, for groups from 3.12.
                type: str
              gateway_endpoint:
                description:
                  - Name of an endpoint of the gateway, or V(*) for all.
                  - From MLflow 3.13 on, for groups from 3.12.
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
                description:
                  - V(*), all runs of the experiments that may be read.
                  - From MLflow 3.17 on, as all that follow.
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
                description: V(READ), V(USE), V(EDIT), V(MANAGE) or, from MLflow 3.17 on, V(DENY).
                type: str
                required: true
      groups:
        description: Groups of users. MLflow calls them roles.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the group.
            type: str
            required: true
          description:
            description: What the group is for.
            type: str
          members:
            description: Names of users of this team.
            type: list
            elements: str
            default: []
          grants:
            description: What the members may do. Each names one thing, or all of a kind.
            type: list
            elements: dict
            default: []
            suboptions: *grant
      experiments:
        description: Experiments that are to exist.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the experiment.
            type: str
            required: true
          tags:
            description: Tags to set.
            type: dict
            default: {}
          artifact_location:
            description:
              - URI under which its runs keep their artifacts, C(mlflow-artifacts:/NAME) or a store such as
                C(s3://bucket/path). The server chooses by default.
              - No place on the host, which would be in no backup, and no address of HTTP.
            type: str
          grants:
            description: Levels by user name.
            type: dict
            default: {}
          rename_from:
            description: Former name. Where it is there and the new one is not, it gets the new name.
            type: str
      registered_models:
        description: Registered models that are to exist.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the model.
            type: str
            required: true
          description:
            description: What the model is for.
            type: str
          tags:
            description: Tags to set.
            type: dict
            default: {}
          grants:
            description: Levels by user name.
            type: dict
            default: {}
          rename_from:
            description: Former name. Where it is there and the new one is not, it gets the new name.
            type: str
          aliases:
            description:
              - Numbers of versions, or V(latest), by the words that are to mean them. V(null) takes a word away. Others
                are left as they are.
            type: dict
            default: {}
      prompts:
        description:
          - Prompts that are to exist.
          - Once one is declared, C(access_policy=exclusive) leaves nobody a grant on any prompt that is not declared.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the prompt. MLflow's Python client takes letters, digits, C(_), C(-) and C(.).
            type: str
            required: true
          description:
            description: What the prompt is for.
            type: str
          template:
            description:
              - The text that the newest version is to have. Another one than it has is a new version.
              - Its variables are written as Ansible's are. Read it from a file with P(ansible.builtin.file#lookup), or
                mark it C(!unsafe).
            type: str
          commit_message:
            description: What is said of the version that the text makes.
            type: str
          tags:
            description: Tags to set.
            type: dict
            default: {}
          aliases:
            description:
              - Numbers of versions, or V(latest), by the words that are to mean them. V(null) takes a word away. Others
                are left as they are.
            type: dict
            default: {}
          grants:
            description: Levels by user name.
            type: dict
            default: {}
      gateway_secrets:
        description:
          - Secrets of the gateway that are to exist, such as the API keys of providers.
          - They need the gateway, which O(mlflow_teams[].genai=true) switches on.
          - Once one is declared, C(access_policy=exclusive) leaves nobody a grant on any of them that is not declared.
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
              - The secret itself, such as C(api_key), by MLflow's names.
              - MLflow never tells it. A fingerprint stays on the host, for root alone, by which another one is seen.
            type: dict
            required: true
          provider:
            description: For which provider it is, such as C(openai). MLflow cannot change it.
            type: str
          auth_config:
            description: What belongs to it and is not secret, such as C(api_base). It is shown.
            type: dict
          grants:
            description: Levels by user name.
            type: dict
            default: {}
      gateway_endpoints:
        description:
          - Endpoints of the gateway that are to exist.
          - Once one is declared, C(access_policy=exclusive) leaves nobody a grant on any of them that is not declared.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the endpoint, of letters, digits, C(_), C(-) and C(.).
            type: str
            required: true
          models:
            description: The model that answers, and those that do in turn when it fails.
            type: list
            elements: dict
            required: true
            suboptions:
              name:
                description:
                  - Name of the gateway's model. By default that of the endpoint, with V(-2), V(-3) and so on but for
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
            default: {}
      webhooks:
        description:
          - Webhooks that are to exist, with which MLflow tells other servers what was done with models and prompts.
            Others are left as they are.
          - A server with one has a network by default; see O(mlflow_teams[].private_network).
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the webhook, letters, digits, C(.), C(_) and C(-).
            type: str
            required: true
          url:
            description:
              - Where MLflow posts to, with C(https). From MLflow 3.17 on it refuses addresses that are not public,
                unless C(MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS) is C(true) in O(mlflow_teams[].environment).
              - It is shown, so that nothing secret may be in it.
            type: str
            required: true
          events:
            description: What it is told of.
            type: list
            elements: str
            required: true
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
            description: What it is for.
            type: str
          secret:
            description:
              - What each delivery is signed with.
              - MLflow never tells it. A fingerprint stays on the host, for root alone, by which another one is seen.
            type: str
          status:
            description: Whether anything is delivered.
            type: str
            choices: [active, disabled]
            default: active
      access_policy:
        description:
          - V(exclusive) removes users, groups, memberships and grants that are not declared here.
          - V(additive) only adds and changes.
        type: str
        choices: [exclusive, additive]
        default: exclusive
      access_kinds:
        description:
          - Kinds of things that C(access_policy=exclusive) covers though no grant names any.
          - It always covers experiments and registered models, and each kind that a grant of the team names or of
            which a thing is declared. Grants on others are left, and counted.
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
      creators:
        description:
          - Who may make experiments, registered models, prompts, MCP servers, skills, and secrets, models and endpoints
            of the gateway, beside the team's admins. Everybody who can log in by default; nobody else where it is
            V({}).
          - The role's own server refuses it to others, with 403, whichever way they come. What somebody may do with
            what is there is for grants to say.
        type: dict
        suboptions:
          users:
            description: Names of users of this team, or of O(mlflow_teams[].keep_users).
            type: list
            elements: str
            default: []
          groups:
            description: Names of groups of this team, for the members that are declared.
            type: list
            elements: str
            default: []
      keep_users:
        description: Users who are left as they are though they are not declared here.
        type: list
        elements: str
        default: []
      update_password:
        description: V(on_create) sets users' passwords once, so that they may change them; V(always) sets them again.
        type: str
        choices: [always, on_create]
        default: always
      default_permission:
        description: What a user may do with what nothing was granted on. By default it is not even visible.
        type: str
        choices: [NO_PERMISSIONS, READ, USE, EDIT, MANAGE]
        default: NO_PERMISSIONS
      backend_store_uri:
        description:
          - SQLAlchemy URI of the tracking database. One SQLite file in the team's directory by default.
          - Name the driver in it, as in C(postgresql+psycopg://). It needs its package in
            C(mlflow_server_extra_packages), which has C(psycopg[binary]) and C(PyMySQL) by default.
          - No other team can have the same database, and no SQLite file can be named by a relative path.
          - The directory of another SQLite file is made for the team alone, or has to belong to its account.
        type: str
      auth_database_uri:
        description:
          - SQLAlchemy URI of the database with users and permissions.
          - The same as the tracking database by default, so that one snapshot is the whole truth.
        type: str
      artifacts:
        description: Where artifacts are kept. By default the server passes them on to the team's directory.
        type: dict
        suboptions:
          serve:
            description: Whether clients send artifacts through the server, and so need no account elsewhere.
            type: bool
            default: true
          destination:
            description:
              - URI where the server puts artifacts, an absolute path or a store that C(mlflow_server_extra_packages)
                has the package for, C(boto3) for C(s3://) by default. It needs MLflow 3.15 or later, since before
                every user of the team may fetch everything from a store elsewhere.
              - No place that another team has, or below one. No C(?), C(#), C(..) or C(//) in it.
              - A local directory is made for the team alone. One that is there has to belong to its account.
            type: str
          root:
            description:
              - URI where clients put artifacts themselves, when O(mlflow_teams[].artifacts.serve=false).
              - A directory of the team's host is backed up, restored and archived with the team. Nothing else may be in
                it, and the role neither makes nor removes it.
              - A store elsewhere needs MLflow 3.16 or later, since before every user may write to all of it.
            type: str
          presigned:
            description:
              - Whether MLflow gives clients presigned addresses in the store, so that large artifacts pass the server
                by, in several parts at a time. It asks who may have an artifact; whoever has the address then gets it,
                until it expires. Clients have to reach the store at the address that the server knows it by.
              - With V(false), no address is given to anybody, and all artifacts go through the server.
              - Stores of C(s3://) have it both ways, those of C(gs://) and C(wasbs://) for uploads. It needs MLflow
                3.16 or later, since before every user may have an address to write to.
            type: bool
            default: false
      listen_address:
        description: Address that the server listens on. O(mlflow_listen_address) by default.
        type: str
      direct_clients:
        description:
          - From where else the team's port is reached where it is not open to all, as addresses or networks such as
            C(10.1.0.0/16). C(0.0.0.0/0) and C(::/0) are all.
          - A team that the proxies pass on (O(mlflow_proxy_domain), group C(mlflow_proxies)) and that listens on more
            than its own host takes connections from the proxies and its own host alone. Otherwise whoever comes past
            the proxies would not be slowed, and find routes open that are closed there. A proxy comes from its
            C(mlflow_proxy_address), which may be a list, else from its C(ansible_host) where that is an IP address and
            the servers are reached at theirs, too. Where that is not known of each proxy, the port stays open to all,
            and the run says so.
          - A team that they do not pass on is open to all, or to these and its own host where any are named.
          - It needs cgroups of version 2, which current distributions have.
        type: list
        elements: str
        default: []
      private_network:
        description:
          - Whether the server has no network but the connections its socket hands it.
          - By default it has none where databases and artifacts are on the host and no webhook is declared, and else
            has one, as it has with O(mlflow_teams[].genai=true).
          - Other calls to the outside need V(false).
        type: bool
      allowed_networks:
        description:
          - What a server with a network may talk to, as addresses, networks such as C(10.0.0.0/8), or C(localhost).
            An empty list allows all, and so do C(0.0.0.0/0) and C(::/0), but for what nobody means by that.
          - Loopback addresses (without those of resolvers, C(127.0.0.53), C(127.0.0.54) and C(127.0.0.11)), link-local
            ones and the metadata services of clouds are only reached where they are named as well, as in
            C([0.0.0.0/0, 169.254.169.254]), or are the address of a store.
          - The host's other addresses are reached wherever all is.
          - By default it is the host itself where all remote stores are on it, and else everything.
          - Where stores are known by names, the name servers belong here too.
        type: list
        elements: str
      allowed_hosts:
        description:
          - Values of the Host header that are answered besides, as names or addresses, C(*) being anything in them.
            Without a port, each is answered with any port too. An IPv6 address stands in brackets.
          - Always answered are the loopback interface, the address that the team listens on (every address for
            C(0.0.0.0) and C(::)), the host's name in the inventory, its C(ansible_host) and C(mlflow_server_address),
            and the names of O(mlflow_proxy_domain) for a team that is O(mlflow_teams[].proxied).
        type: list
        elements: str
        default: []
      cors_allowed_origins:
        description:
          - Origins, such as C(https://mlflow.example.org), whose pages may use the server. Those of
            O(mlflow_proxy_domain) are always added for a team that is O(mlflow_teams[].proxied).
        type: list
        elements: str
        default: []
      genai:
        description:
          - Whether the team works with language models in MLflow. It switches on the gateway, and the jobs in the
            background that score traces on a schedule, run judges for people and optimize prompts, with all that they
            need, which is more memory, more processes, a full environment, a network, the routes of the proxies, and a
            server that never sleeps.
          - It needs MLflow 3.17 or later, which asks who may have a judge read which traces.
          - Where it is left out, both are off unless C(MLFLOW_ENABLE_AI_GATEWAY) and
            C(MLFLOW_SERVER_ENABLE_JOB_EXECUTION) in O(mlflow_teams[].environment) say otherwise.
        type: bool
      judge_username:
        description:
          - As which user of the team judges ask the gateway that score traces on a schedule. MLflow does not know whose
            they are, so that they are let in nowhere without it.
          - Whoever may edit an experiment may set up a judge that asks any endpoint this user has USE on. So name one
            who has that, and nothing else.
        type: str
      idle_timeout:
        description:
          - How long the server stays up with nobody connected, such as V(30min), V(2h) or seconds. Then it sleeps
            without any process, and the next request wakes it; that one takes some seconds longer.
          - V(never) keeps it up. A team that has MLflow work in the background needs that.
          - That of O(mlflow_server_idle_timeout) by default, and V(never) with O(mlflow_teams[].genai=true).
        type: str
      gc_older_than:
        description:
          - How long runs, experiments and logged models have to be deleted before they are permanently removed, with
            their artifacts, once a day. Such as V(30d) or V(12h); V(never) keeps them.
          - What names another place for its artifacts than the server's own is left, and named in the journal.
          - A server that sleeps is woken only where there is something to remove.
          - That of O(mlflow_server_gc_older_than) by default.
        type: str
      memory_max:
        description:
          - Most memory that the server may take, in bytes or such as V(2G), or V(infinity). One that wants more is
            killed and started again, while the other teams' servers go on.
          - An idle worker takes 250 MB. Uploads through the server are passed on in pieces.
          - V(2G) by default. With O(mlflow_teams[].genai=true), which starts processes for jobs, it is V(4G), and V(2G)
            the least.
        type: str
      disk_max:
        description:
          - How much the artifacts and SQLite databases that the server keeps on its host may take, in bytes or such as
            V(500G), or V(infinity). An upload that does not fit is answered with 507 and a sentence that says so.
          - The server itself sees to it, of what is uploaded through it; a file system of its own is what nobody gets
            beyond. Runs and metrics are taken all the same.
          - That of O(mlflow_server_disk_max) by default.
        type: str
      cpu_weight:
        description: The server's share of the processors and disks, from 1 to 10000, where several want them at once.
        type: int
        default: 100
      tasks_max:
        description:
          - Most processes and threads that the server may have. V(512) by default, V(2048) with
            O(mlflow_teams[].genai=true).
        type: int
      workers:
        description:
          - Number of server processes. Each takes another 250 MB, and remembers log-ins on its own, so that with
            several a former password works until O(mlflow_teams[].auth_cache_ttl_seconds) is over.
        type: int
        default: 1
      auth_cache_ttl_seconds:
        description:
          - Seconds for which a successful log-in is remembered, which saves 0.1 s of hashing a request.
          - 60 by default with one worker, where a changed password counts at once all the same, and 5 with several,
            where the former one works as long as this.
        type: int
      environment:
        description:
          - Further environment variables of the server, such as C(AWS_ACCESS_KEY_ID), each on one line.
          - Those that the role sets, that are options of C(mlflow server), or that decide which code runs
            (C(LD_PRELOAD), C(PYTHONPATH) and the like) are refused.
        type: dict
        default: {}
"""

EXAMPLES = r"""
- name: Show which teams this host serves
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.teams') | map(attribute='name') }}"
"""

RETURN = r"""
_list:
  description: The teams, or the problems.
  type: list
  elements: raw
"""

import datetime
import typing as t

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown
from ansible_collections.mlops.mlflow.plugins.plugin_utils.addresses import answered_hosts
from ansible_collections.mlops.mlflow.plugins.plugin_utils.clients import clients_of
from ansible_collections.mlops.mlflow.plugins.plugin_utils.core import core_problems
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema
from ansible_collections.mlops.mlflow.plugins.plugin_utils.endpoints import (
    address_word_problems,
    door_problems,
    port_of,
    with_endpoints,
)
from ansible_collections.mlops.mlflow.plugins.plugin_utils.network import network_filters
from ansible_collections.mlops.mlflow.plugins.plugin_utils.packages import (
    DEFAULT_PACKAGES,
    PACKAGES_VARIABLE,
    packages_of,
)
from ansible_collections.mlops.mlflow.plugins.plugin_utils.replicas import roles_of
from ansible_collections.mlops.mlflow.plugins.plugin_utils.resolved import Declared, packed, unpacked
from ansible_collections.mlops.mlflow.plugins.plugin_utils.servers import hosts_of
from ansible_collections.mlops.mlflow.plugins.plugin_utils.sharing import replica_problem
from ansible_collections.mlops.mlflow.plugins.plugin_utils.templates import filled, reason
from ansible_collections.mlops.mlflow.plugins.plugin_utils.variables import (
    TEAM_PREFIX,
    TEAMS,
    variable_problems,
)

# What a team that does not say it gets, by the variable with which the inventory says it for all.
DEFAULTS = {
    "version": "3.17.2",
    "listen_address": "127.0.0.1",
    "idle_timeout": "30min",
    "gc_older_than": "never",
    "disk_max": "infinity",
}
VARIABLES = {
    "version": "mlflow_version",
    "listen_address": "mlflow_listen_address",
    "idle_timeout": "mlflow_server_idle_timeout",
    "gc_older_than": "mlflow_server_gc_older_than",
    "disk_max": "mlflow_server_disk_max",
}
PROXIES = "mlflow_proxies"
# What people and other hosts call a host.
ADDRESS = "mlflow_server_address"
PROXY_ADDRESS = "mlflow_proxy_address"
CALLED = ("inventory_hostname", "ansible_host", ADDRESS)
# What all sides of a proxy read, and what it is where nobody says it.
ENDPOINTS: dict[str, t.Any] = {
    "mlflow_proxy_domain": "",
    "mlflow_proxy_routing": ["name"],
    "mlflow_proxy_https_port": 443,
}


class LookupModule(LookupBase):
    """Reads all of the host's variables, since a team may stand in any of them."""

    # Whoever asks for each host in turn sees for itself where a team would be run twice.
    sees_other_hosts = True

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        variables = variables or {}
        if kwargs.get("resolve"):
            return [packed(lambda: self.resolve(variables))]
        found = unpacked(kwargs["resolved"]) if "resolved" in kwargs else self.resolve(variables)
        teams, problems = found["teams"], found["problems"]
        known = {team["name"] for team in teams}
        for name in map(str, terms):
            if name not in known:
                problems.append(f"team: no team '{name}' is declared; there is {', '.join(sorted(known)) or 'none'}")
        if kwargs.get("problems"):
            return problems
        if problems:
            raise AnsibleLookupError("\n".join(problems))
        host, elsewhere = variables.get("inventory_hostname"), bool(kwargs.get("elsewhere"))
        return [
            team
            for team in teams
            if (not terms or team["name"] in terms) and (not team["servers"] or host in team["servers"]) != elsewhere
        ]

    def resolve(self, variables: dict[str, t.Any]) -> Declared:
        """Read a host's variables; each of them once."""
        problems = list(core_problems())
        if problems:
            return {"teams": [], "problems": problems}
        said, problems = self._said(variables)
        if problems:
            return {"teams": [], "problems": problems}
        listed = said.get(TEAMS, [])
        if not isinstance(listed, list):
            listed, problems = [], ["mlflow_teams: is not a list of teams"]
        declared = [(f"mlflow_teams: number {number}", team) for number, team in enumerate(listed, 1)]
        declared += [(name, said[name]) for name in sorted(said) if name.startswith(TEAM_PREFIX)]
        defaults = {key: str(said.get(name, DEFAULTS[key])) for key, name in VARIABLES.items()}
        packages, odd = packages_of(said.get(PACKAGES_VARIABLE, list(DEFAULT_PACKAGES)))
        teams, found = read_teams(declared, team_schema(DOCUMENTATION), defaults, packages)
        problems += [*variable_problems(variables), *odd]
        domain, ways, port = self._endpoints(said)
        own = {name: said.get(name) for name in CALLED}
        found += [*door_problems(domain, ways, port), *self._address_problems(said, variables)]
        teams = teams if found else [with_endpoints(team, domain, ways, port_of(port)) for team in teams]
        proxies = {} if found else self._proxies(variables)
        teams = [team if found else {**team, **self._derived(team, proxies, own)} for team in teams]
        problems += [*found, *self._unknown_hosts(teams, variables)]
        if self.sees_other_hosts:
            shared = (replica_problem(team, hosts_of(team, variables, self._plain)) for team in teams)
            problems += [problem for problem in shared if problem]
        return {"teams": teams, "problems": [shown(problem) for problem in problems]}

    def _said(self, variables: dict[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
        """All that is read, with its templates filled in, and a line for each that nothing can fill in."""
        said, problems = {}, []
        wanted = {TEAMS, PACKAGES_VARIABLE, *VARIABLES.values(), *ENDPOINTS, *CALLED}
        for name in sorted(name for name in variables if name in wanted or name.startswith(TEAM_PREFIX)):
            try:
                said[name] = self._plain(variables[name])
            except AnsibleError as error:
                place, error = self._unfilled(name, variables[name], error)
                problems.append(shown(f"{place}: {reason(error)}"))
        return said, problems

    def _unfilled(self, place: str, value: t.Any, error: AnsibleError) -> tuple[str, AnsibleError]:
        """Which part of a variable it is that cannot be filled in."""
        parts: t.Iterable[tuple[t.Any, t.Any]] = ()
        if isinstance(value, t.Mapping):
            parts = value.items()
        elif isinstance(value, (list, tuple)):
            parts = enumerate(value, 1)
        for key, part in parts:
            try:
                self._plain(part)
            except AnsibleError as inner:
                return self._unfilled(f"{place}: {key if isinstance(key, str) else f'number {key}'}", part, inner)
        return place, error

    def _address_problems(self, said: dict[str, t.Any], variables: dict[str, t.Any]) -> t.Iterator[str]:
        """How hosts are reached and where proxies come from, where the inventory says it in variables of ours."""
        if said.get(ADDRESS) not in (None, ""):
            yield from address_word_problems(ADDRESS, [said[ADDRESS]])
        for host, theirs in self._proxies(variables).items():
            found = theirs.get(PROXY_ADDRESS) or []
            addresses = list(found) if isinstance(found, (list, tuple)) else [found]
            yield from address_word_problems(PROXY_ADDRESS, addresses, f" of {host}")

    @staticmethod
    def _derived(team: dict[str, t.Any], proxies: dict[str, t.Any], own: dict[str, t.Any]) -> dict[str, t.Any]:
        """What follows from a whole declaration and from what hosts are called."""
        called = [str(name) for name in own.values() if name]
        derived = {**network_filters(team), **clients_of(team, proxies, own)}
        derived.update(roles_of(team, own["inventory_hostname"]))
        return {**derived, "answered_hosts": answered_hosts(team, called)}

    @staticmethod
    def _unknown_hosts(teams: list[dict[str, t.Any]], variables: dict[str, t.Any]) -> t.Iterator[str]:
        """A team with a misspelt host would be served nowhere, and nothing would say so."""
        hosts = (variables.get("groups") or {}).get("all") or []
        for team in teams if hosts else []:
            for host in team["servers"]:
                if host not in hosts:
                    yield f"mlflow_teams: {team['name']}: servers: the inventory has no host '{host}'"

    @staticmethod
    def _endpoints(said: dict[str, t.Any]) -> tuple[str, list[t.Any], t.Any]:
        domain, ways, port = (said.get(name, default) for name, default in ENDPOINTS.items())
        return str(domain or ""), ways if isinstance(ways, list) else [ways], port

    @staticmethod
    def _proxies(variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """The variables of the proxies, where those of other hosts can be seen."""
        known = variables.get("hostvars") or {}
        return {name: known[name] for name in (variables.get("groups") or {}).get(PROXIES, []) if name in known}

    def _plain(self, value: t.Any) -> t.Any:
        """The value with its templates and vaults resolved, in built-in containers."""
        value = filled(self._templar, value)
        if isinstance(value, dict):
            return {key: self._plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(item) for item in value]
        # Of a time, YAML has made another text than was written; whoever wants text is to know.
        plain = value is None or isinstance(value, (str, bool, int, float, datetime.datetime))
        return value if plain else str(value)
