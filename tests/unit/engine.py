"""A server as it was observed, and a client that only records what would be written."""

from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Access, Grant, Group, Resource, User
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import Directory
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import in_order
from ansible_collections.mlops.mlflow.plugins.module_utils._things import NEW_MODEL
from ansible_collections.mlops.mlflow.plugins.module_utils._versions import NEW_PROMPT


class RecordingClient:
    """Takes down each writing request, and knows which passwords work."""

    tracking_uri = "http://127.0.0.1:1"
    username = "admin"
    password = "admin-password"
    read_only = False
    unknown = ()

    def __init__(self, version="3.17.2", passwords=(), unlisted=()):
        self.version = version
        self.unlisted = unlisted
        self.passwords = dict(passwords)
        self.written = []

    def write(self, method, path, **body):
        self.written.append((method, path.rsplit("mlflow/", 1)[1], body))
        return {"experiment_id": "99", "role": {"id": 99}, "model_version": {"version": "9"}}

    def find(self, path, **query):
        name = next(iter(query.values()))
        return {} if name in self.unlisted else None

    def get(self, path, **query):
        """Which kinds there are, is all that is asked beside what was observed."""
        if query["resource_type"] in self.unknown:
            raise RequestRefused("Invalid resource type", 400, "INVALID_PARAMETER_VALUE")
        return {}

    def login_works(self, username, password):
        return self.passwords.get(username) == password


def server(users=(), groups=(), experiments=(), models=(), version="3.17.2", passwords=(), unlisted=(), prompts=()):
    """A server with these people and things; experiments are named and get the ids 1, 2, 3 …

    What is C(unlisted) is there, and in no list.
    """
    observed = Server(RecordingClient(version, passwords, unlisted))
    people = {"admin": User("admin", True, frozenset(), {})} | {user.name: user for user in users}
    observed._access = Access(people, {group.name: group for group in groups})
    observed._directory = Directory(observed.client)
    listed = {
        "experiment": [
            {"name": name, "experiment_id": str(number), "lifecycle_stage": "active", "tags": {}}
            | {"artifact_location": f"mlflow-artifacts:/{number}"}
            for number, name in enumerate(experiments, 1)
        ],
        "registered_model": [{"name": name, **NEW_MODEL} for name in models],
        "prompt": [{"name": name, **NEW_PROMPT, **facts} for name, facts in dict(prompts).items()],
    }
    for kind, things in observed.directory.kinds.items():
        things.put(listed.get(kind, ()))
    observed.dialect._ids = {group.name: number for number, group in enumerate(groups, 50)}
    return observed


def user(name, admin=False, groups=(), **grants):
    """A user; C(experiment_1="EDIT") is a grant on the experiment with the id 1."""
    return User(name, admin, frozenset(groups), _grants(grants))


def group(name, members=(), description="", **grants):
    return Group(name, description, frozenset(members), _grants(grants))


def _grants(grants):
    found = {}
    for row, (words, level) in enumerate(grants.items(), 1):
        kind, key = words.rsplit("_", 1)
        word, _at, at = level.partition("@")
        found[Resource(kind, "*" if key == "all" else key)] = Grant(word, int(at or 100 + row))
    return found


def apply(steps):
    for step in in_order(steps):
        step.do()
