"""What a server holds, read in its own dialect and by nothing of the collection's."""

from __future__ import annotations

import base64
import json
import typing as t
import urllib.error
import urllib.parse
import urllib.request

V2, V3 = "/api/2.0/mlflow/", "/api/3.0/mlflow/"
Grants = dict[tuple[str, str], str]


class Reader:
    """Plain HTTP as the admin; what both dialects have in common."""

    def __init__(self, uri: str, password: str, version: tuple[int, int]) -> None:
        self.uri = uri
        self.password = password
        self.version = version

    def ask(self, method: str, path: str, /, who: tuple[str, str] | None = None, **values: t.Any) -> dict[str, t.Any]:
        """Send one request: values are the query of a GET, and the body of all others."""
        name, password = who or ("admin", self.password)
        url, data = self.uri + path, None
        if method == "GET":
            url += "?" + urllib.parse.urlencode(values)
        else:
            data = json.dumps(values).encode()
        request = urllib.request.Request(url, data, method=method)  # noqa: S310 - a server of ours
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - the same
            return json.loads(answer.read() or b"{}")

    def status(self, method: str, path: str, /, who: tuple[str, str] | None = None, **values: t.Any) -> int:
        """Send one request, for its status only."""
        try:
            self.ask(method, path, who, **values)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    def logs_in(self, name: str, password: str) -> bool:
        """Whether the server knows somebody by this password."""
        return self.status("GET", V2 + "users/get", (name, password), username=name) == 200

    def create_user(self, name: str, password: str) -> None:
        self.ask("POST", V2 + "users/create", username=name, password=password)

    def experiments(self) -> dict[str, dict[str, t.Any]]:
        """All experiments by name, deleted ones too, each with its tags as a dictionary."""
        return {found["name"]: tagged(found) for found in self.pages("experiments", view_type="ALL")}

    def models(self) -> dict[str, dict[str, t.Any]]:
        """All registered models by name."""
        return {found["name"]: tagged(found) for found in self.pages("registered-models")}

    def pages(self, kind: str, **query: str) -> t.Iterator[dict[str, t.Any]]:
        while True:
            answer = self.ask("GET", f"{V2}{kind}/search", max_results="500", **query)
            yield from answer.get(kind.replace("-", "_"), [])
            if not answer.get("next_page_token"):
                return
            query["page_token"] = answer["next_page_token"]

    def create_experiment(self, name: str) -> str:
        return self.ask("POST", V2 + "experiments/create", name=name)["experiment_id"]

    def create_model(self, name: str) -> None:
        self.ask("POST", V2 + "registered-models/create", name=name)

    def create_version(self, name: str) -> None:
        self.ask("POST", V2 + "model-versions/create", name=name, source="s3://nothing/here")

    def registered(self, name: str) -> dict[str, t.Any] | None:
        """A registered model or a prompt as the server tells it; None for none."""
        if self.status("GET", V2 + "registered-models/get", name=name) == 404:
            return None
        return tagged(self.ask("GET", V2 + "registered-models/get", name=name)["registered_model"])

    def aliases(self, name: str) -> dict[str, str]:
        return {found["alias"]: found["version"] for found in (self.registered(name) or {}).get("aliases", [])}

    def texts(self, name: str) -> list[str]:
        """The texts of a prompt's versions, the oldest first."""
        found: list[str] = []
        while self.status("GET", V2 + "model-versions/get", name=name, version=len(found) + 1) == 200:
            version = self.ask("GET", V2 + "model-versions/get", name=name, version=len(found) + 1)["model_version"]
            found.append(tagged(version)["tags"]["mlflow.prompt.text"])
        return found

    def role(self, name: str) -> dict[str, t.Any] | None:
        """A role as the server tells it, with the names of its members."""
        for role in self.ask("GET", V3 + "roles/list", workspace="default")["roles"]:
            if role["name"] == name:
                rows = self.ask("GET", V3 + "roles/users/list", role_id=role["id"])["assignments"]
                return {
                    "id": role["id"],
                    "description": role["description"],
                    "members": {row["user_id"] for row in rows},
                    "grants": granted(role),
                }
        return None


class OldReader(Reader):
    """MLflow up to 3.12, which keeps a user's grants with the user."""

    def user(self, name: str) -> dict[str, t.Any] | None:
        """A user with id, admin flag and own grants; None for nobody."""
        if self.status("GET", V2 + "users/get", username=name) == 404:
            return None
        user = self.ask("GET", V2 + "users/get", username=name)["user"]
        grants: Grants = {
            ("experiment", row["experiment_id"]): row["permission"] for row in user["experiment_permissions"]
        }
        grants |= {("registered_model", row["name"]): row["permission"] for row in user["registered_model_permissions"]}
        for row in user.get("scorer_permissions", []):
            grants[("scorer", f"{row['experiment_id']}/{row['scorer_name']}")] = row["permission"]
        return {"id": user["id"], "admin": user["is_admin"], "grants": grants}

    def grant(self, name: str, kind: str, key: str, level: str) -> None:
        """Give somebody a level, as an operator did before there was a collection."""
        path, word = ("experiments", "experiment_id") if kind == "experiment" else ("registered-models", "name")
        body = {"username": name, "permission": level, word: key}
        self.ask("POST", f"{V2}{path}/permissions/create", **body)


class NewReader(Reader):
    """MLflow from 3.13 on, which keeps them on a hidden role of the user's."""

    def user(self, name: str) -> dict[str, t.Any] | None:
        """A user with id, admin flag and own grants; None for nobody."""
        for user in self.ask("GET", V2 + "users/list")["users"]:
            if user["username"] == name:
                hidden = [role for role in user["roles"] if role["name"] == f"__user_{user['id']}__"]
                grants: Grants = granted(hidden[0]) if hidden else {}
                return {"id": user["id"], "admin": user["is_admin"], "grants": grants}
        return None

    def grant(self, name: str, kind: str, key: str, level: str) -> None:
        """Give somebody a level, as an operator did before there was a collection."""
        body = {"username": name, "resource_type": kind, "resource_id": key, "permission": level}
        self.ask("POST", V3 + "users/permissions/grant", **body)


def reader_for(uri: str, password: str, version: tuple[int, int]) -> Reader:
    return (NewReader if version >= (3, 13) else OldReader)(uri, password, version)


def granted(role: dict[str, t.Any]) -> Grants:
    return {(row["resource_type"], row["resource_pattern"]): row["permission"] for row in role["permissions"]}


def tagged(thing: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**thing, "tags": {tag["key"]: tag.get("value", "") for tag in thing.get("tags", [])}}
