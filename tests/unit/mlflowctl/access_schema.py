"""Tables as MLflow makes them, as far as it matters who may do what, in SQL that both engines take."""

# Nothing is put into these but names that stand here.
# ruff: noqa: S608

from mlflowctl.access_contents import KNOWN, WORK

TABLES = {
    "alembic_version": "version_num TEXT",
    "alembic_version_auth": "version_num TEXT",
    "users": "id INTEGER, username TEXT, password_hash TEXT, is_admin BOOLEAN",
    "roles": "id INTEGER, name TEXT, description TEXT",
    "role_permissions": "id INTEGER, role_id INTEGER, resource_type TEXT, resource_pattern TEXT, permission TEXT",
    "user_role_assignments": "id INTEGER, user_id INTEGER, role_id INTEGER",
    "experiments": "experiment_id INTEGER, name TEXT, lifecycle_stage TEXT, last_update_time BIGINT",
    "experiment_tags": "experiment_id INTEGER, key TEXT, value TEXT",
    "registered_models": "name TEXT, description TEXT, last_updated_time BIGINT",
    "registered_model_tags": "name TEXT, key TEXT, value TEXT",
    "registered_model_aliases": "name TEXT, alias TEXT, version INTEGER",
    "model_versions": "name TEXT, version INTEGER, current_stage TEXT, last_updated_time BIGINT",
    "model_version_tags": "name TEXT, version INTEGER, key TEXT, value TEXT",
    "webhooks": "webhook_id TEXT, name TEXT, status TEXT",
    "webhook_events": "webhook_id TEXT, entity TEXT",
    "scorers": "experiment_id INTEGER, scorer_name TEXT",
    "secrets": "secret_id TEXT, secret_name TEXT, encrypted_value TEXT",
    "endpoints": "endpoint_id TEXT, name TEXT",
    "endpoint_model_mappings": "endpoint_id TEXT, model_definition_id TEXT",
    "model_definitions": "model_definition_id TEXT, name TEXT",
    **dict.fromkeys(sorted(WORK), "id INTEGER, value TEXT"),
}
AUTH, TRACKING = (max(revisions) for revisions, _tables in KNOWN.values())
SCHEMA = [
    *(f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()),
    f"INSERT INTO alembic_version VALUES ('{TRACKING}')",
    f"INSERT INTO alembic_version_auth VALUES ('{AUTH}')",
    "INSERT INTO users VALUES (1, 'admin', 'scrypt:hash of admin', TRUE), (2, 'ann', 'scrypt:hash of ann', FALSE)",
    "INSERT INTO roles VALUES (1, '__user_2__', NULL), (2, 'all', '')",
    "INSERT INTO role_permissions VALUES (1, 1, 'experiment', '1', 'EDIT')",
    "INSERT INTO user_role_assignments VALUES (1, 2, 1)",
    "INSERT INTO experiments VALUES (0, 'Default', 'active', 1), (1, 'resnet', 'active', 1)",
    "INSERT INTO experiment_tags VALUES (1, 'owner', 'ann')",
    "INSERT INTO registered_models VALUES ('churn', '', 1), ('greeting', '', 1)",
    "INSERT INTO registered_model_tags VALUES ('greeting', 'mlflow.prompt.is_prompt', 'true')",
    "INSERT INTO registered_model_aliases VALUES ('churn', 'champion', 1)",
    "INSERT INTO model_versions VALUES ('churn', 1, 'None', 1), ('greeting', 1, 'None', 1)",
    "INSERT INTO model_version_tags VALUES ('greeting', 1, 'mlflow.prompt.text', 'hello')",
    "INSERT INTO webhooks VALUES ('w', 'told', 'ACTIVE')",
    "INSERT INTO webhook_events VALUES ('w', 'registered_model')",
    "INSERT INTO secrets VALUES ('s', 'key', 'encrypted')",
    "INSERT INTO endpoints VALUES ('e', 'chat')",
]
# The versions of this one are declared.
DECLARED = ["greeting"]
# What people and their work leave behind.
OF_WORK = [
    *(f"INSERT INTO {name} VALUES (1, 'it')" for name in sorted(WORK)),
    "UPDATE experiments SET last_update_time = 2",
    "INSERT INTO model_versions VALUES ('churn', 2, 'None', 2)",
    "INSERT INTO model_version_tags VALUES ('churn', 2, 'by', 'a job')",
    "UPDATE registered_models SET last_updated_time = 2",
    "INSERT INTO experiment_tags VALUES (1, 'mlflow.latestOnlineScoring.trace.checkpoint', '{}')",
    "INSERT INTO experiment_tags VALUES (1, 'mlflow.latestOnlineScoring.session.checkpoint', '{}')",
]
# What somebody may do behind everybody's back, each of it after all before it, too.
BY_HAND = [
    "UPDATE users SET password_hash = 'scrypt:another' WHERE username = 'ann'",
    "UPDATE users SET is_admin = TRUE WHERE username = 'ann'",
    "INSERT INTO users VALUES (3, 'intruder', 'scrypt:hash', FALSE)",
    "DELETE FROM users WHERE username = 'ann'",
    "UPDATE role_permissions SET permission = 'MANAGE'",
    "INSERT INTO role_permissions VALUES (2, 2, 'run', '*', 'EDIT')",
    "DELETE FROM role_permissions",
    "INSERT INTO user_role_assignments VALUES (2, 2, 2)",
    "UPDATE roles SET description = 'everybody' WHERE id = 2",
    "UPDATE experiments SET name = 'other' WHERE experiment_id = 1",
    "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 1",
    "UPDATE experiment_tags SET value = 'bob'",
    "UPDATE registered_models SET description = 'other' WHERE name = 'churn'",
    "DELETE FROM registered_models WHERE name = 'greeting'",
    "DELETE FROM registered_model_tags",
    "UPDATE registered_model_aliases SET version = 2",
    "INSERT INTO model_versions VALUES ('greeting', 2, 'None', 1)",
    "UPDATE model_version_tags SET value = 'hello!' WHERE name = 'greeting'",
    "UPDATE webhooks SET status = 'DISABLED'",
    "DELETE FROM webhook_events",
    "UPDATE secrets SET encrypted_value = 'other'",
    "INSERT INTO endpoints VALUES ('f', 'other')",
    "INSERT INTO scorers VALUES (1, 'judge')",
]
# What people do without anybody's leave: their own passwords, and things that they make and have by a first grant.
OF_PEOPLE = [
    "UPDATE users SET password_hash = 'scrypt:of her own' WHERE username = 'ann'",
    "INSERT INTO experiments VALUES (2, 'mine', 'active', 1)",
    "INSERT INTO role_permissions VALUES (7, 1, 'experiment', '2', 'MANAGE')",
    "INSERT INTO users VALUES (3, 'bob', 'scrypt:hash of bob', FALSE)",
    "INSERT INTO roles VALUES (3, '__user_3__', NULL)",
    "INSERT INTO user_role_assignments VALUES (3, 3, 3)",
    "INSERT INTO role_permissions VALUES (8, 3, 'registered_model', 'mine', 'MANAGE')",
    "DELETE FROM users WHERE username = 'bob'",
    "DELETE FROM role_permissions WHERE id = 7",
]
# What is a grant to somebody, or lets somebody in, and what takes it back.
GRANTED = [
    ("UPDATE users SET is_admin = TRUE WHERE username = 'ann'", "UPDATE users SET is_admin = FALSE WHERE id = 2"),
    ("INSERT INTO users VALUES (3, 'intruder', 'scrypt:hash', FALSE)", "DELETE FROM users WHERE id = 3"),
    ("UPDATE role_permissions SET permission = 'READ'", "UPDATE role_permissions SET permission = 'EDIT'"),
    (
        "INSERT INTO role_permissions VALUES (9, 2, 'experiment', '*', 'READ')",
        "DELETE FROM role_permissions WHERE id = 9",
    ),
    (
        "INSERT INTO role_permissions VALUES (9, 1, 'experiment', '*', 'MANAGE')",
        "DELETE FROM role_permissions WHERE id = 9",
    ),
    # Not the first on it: whoever manages it has not made it.
    (
        "INSERT INTO role_permissions VALUES (9, 4, 'experiment', '1', 'MANAGE'); "
        "INSERT INTO roles VALUES (4, '__user_1__', NULL)",
        "DELETE FROM role_permissions WHERE id = 9; DELETE FROM roles WHERE id = 4",
    ),
    # One that is of a group.
    (
        "INSERT INTO role_permissions VALUES (9, 2, 'experiment', '5', 'MANAGE')",
        "DELETE FROM role_permissions WHERE id = 9",
    ),
    ("INSERT INTO user_role_assignments VALUES (2, 2, 2)", "DELETE FROM user_role_assignments WHERE id = 2"),
    # What is another's own.
    ("INSERT INTO user_role_assignments VALUES (2, 1, 1)", "DELETE FROM user_role_assignments WHERE id = 2"),
    ("INSERT INTO roles VALUES (5, 'more', '')", "DELETE FROM roles WHERE id = 5"),
]
# What makes it a database of an MLflow that nobody knows.
UNKNOWN = [
    "UPDATE alembic_version SET version_num = 'f00000000000'",
    "DELETE FROM alembic_version_auth",
    "DROP TABLE webhook_events",
]
