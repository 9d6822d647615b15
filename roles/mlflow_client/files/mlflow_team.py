"""%mlflow_team in notebooks: which team's server MLflow means. Written by Ansible (mlops.mlflow)."""


def _mlflow_team() -> None:
    """Give IPython the magic, and leave no other name in the notebook."""
    import os  # noqa: PLC0415 - no name of ours stays in the notebook
    import re  # noqa: PLC0415 - no name of ours stays in the notebook
    import shlex  # noqa: PLC0415 - no name of ours stays in the notebook
    import sys  # noqa: PLC0415 - no name of ours stays in the notebook
    from urllib.parse import urlsplit  # noqa: PLC0415

    directory = os.path.join(os.path.expanduser("~"), ".config", "mlflow")

    def teams() -> list:
        found = os.listdir(directory) if os.path.isdir(directory) else []
        return sorted(name[:-4] for name in found if name.endswith(".env") and name not in (".env", "default.env"))

    def variables(team: str) -> dict:
        with open(os.path.join(directory, f"{team}.env"), encoding="utf-8") as file:
            words = shlex.split(file.read(), comments=True)
        return dict(word.split("=", 1) for word in words if "=" in word)

    def mlflow_team(line: str) -> None:
        """%mlflow_team: the teams you can work in. %mlflow_team TEAM: MLflow means this team's server."""
        team = line.strip()
        if not team:
            print("\n".join(teams()) or "you are in no team here")
            return
        if not re.match(r"[a-z0-9-]+\Z", team) or team not in teams():
            print("you are in no such team; %mlflow_team alone says in which you are", file=sys.stderr)
            return
        found = variables(team)
        # Of a team with another CA, or none.
        os.environ.pop("MLFLOW_TRACKING_SERVER_CERT_PATH", None)
        os.environ.update(found)
        # A proxy of the host's would be given the password, and may not know this name.
        host = urlsplit(found["MLFLOW_TRACKING_URI"]).hostname or ""
        others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        if others != "*" and host not in others.split(","):
            others = f"{host},{others}" if others else host
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = others
        mlflow = sys.modules.get("mlflow")
        if mlflow is not None:
            # What was set by hand, or chosen of the former team's, is not this one's.
            mlflow.set_tracking_uri(found["MLFLOW_TRACKING_URI"])
            fluent = sys.modules.get("mlflow.tracking.fluent")
            if getattr(fluent, "_active_experiment_id", None) is not None:
                fluent._active_experiment_id = None
        print(f"MLflow means {team}, at {found['MLFLOW_TRACKING_URI']}")

    shell = globals().get("get_ipython", lambda: None)()
    if shell is not None:
        shell.register_magic_function(mlflow_team, "line", "mlflow_team")


_mlflow_team()
del _mlflow_team
