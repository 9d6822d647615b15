"""Which environment variables a team may give to its server, and which are said in another way."""

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.environment import METRICS, restic_environment_problems
from unit.plugin_utils.refusals import CANARY, fault_of, faults, team


def environment(**variables):
    return {"environment": variables}


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("MLFLOW_ARTIFACTS_DESTINATION", "use artifacts: destination"),
        (
            "MLFLOW_ARTIFACTS_PRESIGNED_ONLY",
            "who cannot reach the store would have no artifacts; use artifacts: presigned",
        ),
        ("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "use artifacts: presigned"),
        ("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "use artifacts: presigned"),
        ("MLFLOW_AUTH_CONFIG_PATH", "use auth_database_uri, default_permission and the other options of the team"),
        ("MLFLOW_AUTH_ADMIN_PASSWORD", "use admin_password"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "use allowed_hosts"),
        ("MLFLOW_CRYPTO_KEK_PASSPHRASE", "the host keeps a key of its own in secrets.env of the team, which would win"),
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", "the host keeps a key of its own in secrets.env of the team"),
        ("MLFLOW_TRACKING_USERNAME", "the server logs in nowhere"),
        ("MLFLOW_TRACKING_PASSWORD", "the server logs in nowhere"),
        ("_MLFLOW_SERVER_FILE_STORE", "MLflow tells it to its own processes"),
        ("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "MLflow tells it to its own processes"),
        ("UVICORN_HOST", "the server answers on a socket of its own"),
        ("MLFLOW_BASIC_AUTH_FAIL_CLOSED", "it would let people do what nobody granted"),
        ("MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES", "it would let people do what nobody granted"),
    ],
)
def test_what_the_role_says_itself(name, instead):
    assert fault_of(**environment(**{name: CANARY})).startswith(f"environment: {name} is set by the role; {instead}")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "LD_DEBUG_OUTPUT",
            "GLIBC_TUNABLES",
            "GCONV_PATH",
            "PATH",
            "IFS",
        ),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONWARNINGS", "PYTHONBREAKPOINT"),
        *("PYTHONPLATLIBDIR", "PYTHONINSPECT", "PYTHONPYCACHEPREFIX", "PYTHONNEXTYEAR", "OPENSSL_CONF"),
        *("OPENSSL_MODULES", "OPENSSL_ENGINES", "SSLKEYLOGFILE", "BASH_ENV", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS"),
        *("GIT_SSH_COMMAND", "GIT_PYTHON_GIT_EXECUTABLE", "HOSTALIASES", "NLSPATH", "LOCPATH"),
    ],
)
def test_what_decides_which_code_runs(name):
    said = f"{name} decides which code runs or what it trusts; leave it out"
    assert fault_of(**environment(**{name: CANARY})) == f"environment: {said}"
    assert list(restic_environment_problems({name: CANARY})) == [said]


@pytest.mark.parametrize("name", ["HOME", "USER", "NOTIFY_SOCKET", "LISTEN_FDS", "STATE_DIRECTORY"])
def test_what_systemd_says(name):
    assert fault_of(**environment(**{name: CANARY})) == f"environment: {name} is set by systemd; leave it out"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("A B", "'A B'"),
        (" A", "' A'"),
        ("A ", "'A '"),
        ("", "''"),
        ("1A", "'1A'"),
        ("A-B", "'A-B'"),
        ("A.B", "'A.B'"),
        ("A=B", "'A=B'"),
        ("A\n", "'A\\n'"),
        ("A\0B", "'A\\u0000B'"),
        ("Ä", "'Ä'"),
        ("export A", "'export A'"),
    ],
)
def test_names_that_are_none(name, shown):
    rule = "use letters, digits and underscores, not beginning with a digit"
    said = f"environment: {shown} is not a valid name of a variable; {rule}"
    assert fault_of(**environment(**{name: "x"})) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"{CANARY}\n", "ends with a line break, which `echo` puts there in a pipe to ansible-vault"),
        (f"{CANARY}\r\n", "ends with a line break, which `echo` puts there in a pipe to ansible-vault"),
        (f"{CANARY}\nLD_PRELOAD=/x", "has line breaks in it, and one line is what systemd reads; keep it in a file"),
        (f"{CANARY}\rx", "has line breaks in it"),
        (f"{CANARY}\u2028x", "has line breaks in it"),
        (f"{CANARY}\u0085x", "has line breaks in it"),
        (f"{CANARY}\0x", "has a NUL in it"),
        (f"{CANARY}\x1b[2J", "has control characters in it, which systemd does not take"),
        (f"{{{{ {CANARY} }}}}", "is still a template, which nothing has filled in"),
        ("{% if canary %}", "is still a template"),
        (f"$ANSIBLE_VAULT;1.1;AES256 {CANARY}", "is still encrypted"),
        ([CANARY], "is a list, where text is wanted"),
        ({"a": CANARY}, "is a mapping, where text is wanted"),
    ],
)
def test_values_that_cannot_be_said(value, said):
    assert fault_of(**environment(TOKEN=value)).startswith(f"environment: TOKEN {said}")
    (line,) = restic_environment_problems({"AWS_SECRET_ACCESS_KEY": value})
    assert line.startswith(f"AWS_SECRET_ACCESS_KEY {said}")


@pytest.mark.parametrize(("value", "said"), [(4711, "is a number"), (True, "is true or false"), (None, "is empty")])
@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "DB_PASSWORD", "HF_TOKEN"])
def test_secrets_that_yaml_took_for_something_else(name, value, said):
    assert fault_of(**environment(**{name: value})).startswith(f"environment: {name} {said}, where text is wanted")


@pytest.mark.parametrize(
    "variables",
    [
        {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "a/b+c=",
            "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9000",
        },
        {
            "AWKWARD": "$HOME ${HOME} \"quoted\" 'single' \\ \\n `id` 100% #hash ; end",
            "EMPTY": "",
            "NUMBER": 7,
            "YES": True,
        },
        {"MAX_TOKENS": 100, "TOKEN_TTL": 60, "NOTHING": None},
        {"JSON": '{"a": {"b": {"c": 1}}}', "TAB": "a\tb", "_x": "ü", "HTTPS_PROXY": "http://proxy:3128", "TZ": "UTC"},
        {"MLFLOW_EXPOSE_PROMETHEUS": "/var/lib/mlflow/vision/metrics", "PYTHONUNBUFFERED": 1, "MALLOC_ARENA_MAX": 2},
        {"MLFLOW_DISABLE_TELEMETRY": "false", "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": 10, "GIT_PYTHON_REFRESH": "quiet"},
    ],
)
def test_variables_that_are_fine(variables):
    assert faults(team(environment=variables)) == []


@pytest.mark.parametrize(
    "place", ["/etc", "/var/lib/mlflow/vision", "/var/lib/mlflow/other/m", "metrics", "/var/lib/mlflow/vision/../a", ""]
)
def test_figures_only_where_the_team_may_write(place):
    rule = "is not a directory that the team may fill with figures; use /var/lib/mlflow/vision/metrics"
    said = f"environment: {METRICS} {rule}"
    assert fault_of(**environment(**{METRICS: place})) == said


@pytest.mark.parametrize(
    "name", ["RESTIC_PASSWORD", "RESTIC_PASSWORD_COMMAND", "RESTIC_REPOSITORY", "RESTIC_CACHE_DIR"]
)
def test_what_restic_is_told_by_the_role(name):
    (line,) = restic_environment_problems({name: CANARY})
    assert line.startswith(f"{name} is set by the role; ")
    assert list(restic_environment_problems({"AWS_ACCESS_KEY_ID": "x", "RESTIC_PROGRESS_FPS": 1})) == []


@pytest.mark.parametrize("name", ["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("value", ["minio:9000", "minio.example.org", "s3://minio", "https://", "//minio:9000"])
def test_a_store_s_address_without_a_scheme(name, value):
    line = fault_of(**environment(**{name: value}))
    assert line == f"environment: {name} is not an address with a scheme; begin it with https:// or http://"
    assert faults(team(**environment(**{name: "http://minio:9000"}))) == []


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "no_proxy", "all_proxy"])
def test_one_proxy_said_twice(name):
    line = fault_of(**environment(**{name: "http://canary", name.upper(): "http://proxy"}))
    assert line == f"environment: {name} and {name.upper()} have different values; say one of them"
    assert faults(team(**environment(**{name: "http://proxy", name.upper(): "http://proxy"}))) == []
