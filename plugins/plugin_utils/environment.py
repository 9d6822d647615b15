# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables that a declaration may give to a server, or to a program of root's."""

from __future__ import annotations

import re
import typing as t

from ..module_utils._secret_text import LINE_ENDS, kind_of, secret_problem
from .names import quoted

Variables = t.Mapping[t.Any, t.Any]
Problems = t.Iterator[str]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What YAML takes for a number or for nothing is not what was meant here.
SECRET_NAME = re.compile(r"(SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|_KEY|_KEY_ID)$")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")

# What decides which code runs, whatever the program.
CODE_PREFIXES = ("LD_", "DYLD_", "PYTHON", "BASH_FUNC_", "PERL5", "RUBY")
HARMLESS = ("PYTHONUNBUFFERED", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONUTF8")
CODE = """
PATH IFS ENV PS4 CDPATH SHELL BASH_ENV BASHOPTS SHELLOPTS VIRTUAL_ENV CONDA_PREFIX
GLIBC_TUNABLES GCONV_PATH GETCONF_DIR LOCPATH NLSPATH TZDIR TERMINFO TERMINFO_DIRS
HOSTALIASES LOCALDOMAIN RESOLV_HOST_CONF RES_OPTIONS LIBC_FATAL_STDERR_
OPENSSL_CONF OPENSSL_CONF_INCLUDE OPENSSL_MODULES OPENSSL_ENGINES SSLKEYLOGFILE
NODE_OPTIONS NODE_PATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS JAVA_HOME CLASSPATH
SASL_PATH SASL_CONF_PATH GSSAPI_MECH_CONFIG ODBCSYSINI ODBCINSTINI CUDA_INJECTION64_PATH
GIT_PYTHON_GIT_EXECUTABLE GIT_EXEC_PATH GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR
EDITOR VISUAL PAGER BROWSER
"""
FROM_SYSTEMD = """
HOME USER LOGNAME PWD NOTIFY_SOCKET MAINPID MANAGERPID SYSTEMD_EXEC_PID INVOCATION_ID JOURNAL_STREAM LOG_NAMESPACE
LISTEN_FDS LISTEN_PID LISTEN_FDNAMES WATCHDOG_PID WATCHDOG_USEC CREDENTIALS_DIRECTORY
RUNTIME_DIRECTORY STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY CONFIGURATION_DIRECTORY
"""

KEYS = "the host keeps a key of its own in secrets.env of the team, which would win; put an adopted server's there"
NO_LOG_IN = "the server logs in nowhere, and it would send this to an address that a member chose; leave it out"
ONE_PROCESS = "the server answers on a socket of its own; use listen_address and port"
NO_WORKSPACES = "a team is a server of its own; declare another team"
LOCKED = "it would let people do what nobody granted; leave it out"

# Variables without which a server would not be the declared one: what to say instead.
OWN_VARIABLES = {
    "MLFLOW_BACKEND_STORE_URI": "use backend_store_uri",
    "MLFLOW_READ_REPLICA_BACKEND_STORE_URI": "all is read from backend_store_uri; leave it out",
    "MLFLOW_REGISTRY_STORE_URI": "models are in backend_store_uri, where backups and upgrades find them",
    "MLFLOW_REGISTRY_URI": "models are in backend_store_uri, where backups and upgrades find them",
    "MLFLOW_TRACKING_URI": "use backend_store_uri",
    "MLFLOW_GATEWAY_URI": "judges would send what lets them in there; use genai",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "use artifacts: root",
    "MLFLOW_SERVE_ARTIFACTS": "use artifacts: serve",
    "MLFLOW_ARTIFACTS_ONLY": "a team is a whole server; leave it out",
    "MLFLOW_ARTIFACTS_DESTINATION": "use artifacts: destination",
    "MLFLOW_ARTIFACTS_PRESIGNED_ONLY": "who cannot reach the store would have no artifacts; use artifacts: presigned",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "use artifacts: presigned",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "use artifacts: presigned",
    "MLFLOW_TRACE_ARCHIVAL_CONFIG": "traces are in backend_store_uri, where backups find them; leave it out",
    "MLFLOW_HOST": "use listen_address",
    "MLFLOW_PORT": "use port",
    "MLFLOW_WORKERS": "use workers",
    "WEB_CONCURRENCY": "use workers",
    "MLFLOW_STATIC_PREFIX": "the proxies give a team its path; use mlflow_proxy_routing",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "use allowed_hosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "use cors_allowed_origins",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "use allowed_hosts and cors_allowed_origins",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "pages of others that show a server in a frame can click in it; leave it out",
    "MLFLOW_UVICORN_OPTS": ONE_PROCESS,
    "MLFLOW_GUNICORN_OPTS": ONE_PROCESS,
    "MLFLOW_WAITRESS_OPTS": ONE_PROCESS,
    "GUNICORN_CMD_ARGS": ONE_PROCESS,
    "FORWARDED_ALLOW_IPS": "the proxies are the hosts of mlflow_proxies; leave it out",
    "MLFLOW_AUTH_CONFIG_PATH": "use auth_database_uri, default_permission and the other options of the team",
    "MLFLOW_AUTH_ADMIN_USERNAME": "use admin_username",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "use admin_password",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": KEYS,
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": KEYS,
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": KEYS,
    "MLFLOW_WORKSPACE_STORE_URI": NO_WORKSPACES,
    "MLFLOW_ENABLE_WORKSPACES": NO_WORKSPACES,
    "MLFLOW_WORKSPACE": NO_WORKSPACES,
    "MLFLOW_BASIC_AUTH_FAIL_CLOSED": LOCKED,
    "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": LOCKED,
    "MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES": LOCKED,
    "MLFLOW_RBAC_SEED_DEFAULT_ROLES": "use groups",
    "MLFLOW_ALLOW_FILE_STORE": "a database is needed; use backend_store_uri",
}
OWN_PREFIXES = {
    "MLOPS_MLFLOW_": "the role tells its own programs; leave it out",
    "_MLFLOW_": "MLflow tells it to its own processes; leave it out",
    "MLFLOW_TRACKING_": NO_LOG_IN,
    "UVICORN_": ONE_PROCESS,
    "FLASK_": "the server is MLflow's; leave it out",
}
# Where a store's client goes, which takes no name without a scheme.
ENDPOINT = re.compile(r"(MLFLOW_S3|AWS)_ENDPOINT_URL(_[A-Z0-9_]+)?")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
# Has no setting of the team, and writes files: below what the team's account may write, and backups leave out.
METRICS = "MLFLOW_EXPOSE_PROMETHEUS"

# restic is told these by the role.
OWN_OF_RESTIC = {
    "RESTIC_PASSWORD": "use mlflow_backup_password",
    "RESTIC_PASSWORD_FILE": "use mlflow_backup_password",
    "RESTIC_PASSWORD_COMMAND": "use mlflow_backup_password",
    "RESTIC_REPOSITORY": "use mlflow_backup_repository",
    "RESTIC_REPOSITORY_FILE": "use mlflow_backup_repository",
    "RESTIC_FROM_PASSWORD": "use mlflow_backup_password",
    "RESTIC_FROM_PASSWORD_COMMAND": "use mlflow_backup_password",
    "RESTIC_CACHE_DIR": "the role gives it a directory; leave it out",
}


def server_environment_problems(variables: Variables, state_dir: str) -> Problems:
    """Why a server could not get these, or would not be the declared one with them."""
    yield from _contradictions(variables)
    for name, value in variables.items():
        problem = _own_problem(name) or (_metrics_problem(value, state_dir) if name == METRICS else None)
        yield from [f"environment: {name} {problem}"] if problem else environment_problems(name, value)


def _contradictions(variables: Variables) -> Problems:
    """Of the two ways to write these, some programs read one and some the other."""
    for name in PROXIES:
        small, capital = variables.get(name), variables.get(name.upper())
        if small is not None and capital is not None and small != capital:
            yield f"environment: {name} and {name.upper()} have different values; say one of them"


def restic_environment_problems(variables: Variables) -> Problems:
    """The same for what a backup tells to restic."""
    for name, value in variables.items():
        own = OWN_OF_RESTIC.get(name)
        yield from [f"{name} is set by the role; {own}"] if own else environment_problems(name, value, "")


def environment_problems(name: t.Any, value: t.Any, where: str = "environment: ") -> Problems:
    """Why no program could be given this variable, or none should. A value is never shown."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield (
            f"{where}{quoted(str(name))} is not a valid name of a variable; "
            "use letters, digits and underscores, not beginning with a digit"
        )
    elif name in CODE.split() or (name.startswith(CODE_PREFIXES) and name not in HARMLESS):
        yield f"{where}{name} decides which code runs or what it trusts; leave it out"
    elif name in FROM_SYSTEMD.split():
        yield f"{where}{name} is set by systemd; leave it out"
    elif problem := _value_problem(value, bool(SECRET_NAME.search(name))):
        yield f"{where}{name} {problem}"
    elif ENDPOINT.fullmatch(name) and not re.match(r"https?://[^/\s]", str(value)):
        yield f"{where}{name} is not an address with a scheme; begin it with https:// or http://"


def _value_problem(value: t.Any, is_secret: bool) -> str | None:
    if value is None or isinstance(value, (bool, int, float)):
        return secret_problem(value) if is_secret else None
    if not isinstance(value, str):
        return f"is {kind_of(value)}, where text is wanted; write it as one line of text"
    problem = secret_problem(value)
    if problem and set(value.rstrip(LINE_ENDS)) & set(LINE_ENDS):
        return "has line breaks in it, and one line is what systemd reads; keep it in a file, and name the file here"
    if not problem and CONTROL.search(value):
        return "has control characters in it, which systemd does not take; leave them out"
    return problem


def _own_problem(name: t.Any) -> str | None:
    instead = OWN_VARIABLES.get(name)
    for prefix, said in OWN_PREFIXES.items():
        instead = instead or (said if str(name).startswith(prefix) else None)
    return f"is set by the role; {instead}" if instead else None


def _metrics_problem(value: t.Any, state_dir: str) -> str | None:
    """Only a plain directory below the team's own, and none that it keeps anything in."""
    own = re.fullmatch(re.escape(state_dir) + r"/(?P<part>[\w][\w.-]*)", str(value))
    if own and own["part"] not in ("artifacts", "mlflow.db"):
        return None
    return f"is not a directory that the team may fill with figures; use {state_dir}/metrics"
