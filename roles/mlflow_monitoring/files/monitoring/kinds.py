"""Every metric that there is: its name, and what it is."""

from __future__ import annotations

from monitoring.exposition import Kind

INFO = Kind("mlflow_team_info", "The MLflow that a team's server runs.")
STATE = Kind("mlflow_team_state", "1 for what a team's server is at: awake, asleep, starting, failing or stopped.")
SINCE = Kind("mlflow_team_state_since_timestamp_seconds", "When systemd last saw the state of a team's server change.")
STARTS = Kind("mlflow_team_starts_total", "How often a team's server started and answered, wakes among them.", True)
START_SECONDS = Kind("mlflow_team_start_seconds_total", "How long these starts took in all.", True)
LAST_START = Kind("mlflow_team_last_start_duration_seconds", "How long the last start took.")
RESTARTS = Kind("mlflow_team_restarts_total", "How often systemd started a team's server again that had ended.", True)
FAILURES = Kind("mlflow_team_failures_total", "How often a team's server failed, by the cause that systemd saw.", True)
FAILED_STARTS = Kind("mlflow_team_failed_starts", "How many starts have failed since the last that did not.")
AWAKE = Kind("mlflow_team_awake_seconds_total", "For how long a team's server was seen awake.", True)
CPU = Kind(
    "mlflow_team_cpu_seconds_total", "Processor time of a team's server and of what passes connections on.", True
)
MEMORY = Kind("mlflow_team_memory_bytes", "Memory of a team's server, while there is one.")
MEMORY_PEAK = Kind("mlflow_team_memory_peak_bytes", "The most memory that a team's server had since it started.")
MEMORY_MAX = Kind("mlflow_team_memory_max_bytes", "The most memory that a team's server may have.")
WAITING = Kind("mlflow_team_connections_waiting", "Connections that wait in a team's socket.")
REFUSED = Kind("mlflow_team_connections_refused_total", "Connections that were more than a team may have.", True)
REFUSALS = Kind(
    "mlflow_team_requests_refused_total",
    "Requests that a team's server answered with 401, since nobody was logged in, or with 403, since they may not.",
    True,
)
DATABASE = Kind("mlflow_team_database_bytes", "Size of a team's database.")
DATABASE_READ = Kind("mlflow_team_database_read_timestamp_seconds", "When a team's databases were last read.")
EXPERIMENTS = Kind("mlflow_team_experiments", "Experiments, active and deleted.")
RUNS = Kind("mlflow_team_runs", "Runs, active and deleted.")
LOGGED_MODELS = Kind("mlflow_team_logged_models", "Logged models, active and deleted.")
REGISTERED_MODELS = Kind("mlflow_team_registered_models", "Registered models and prompts.")
MODEL_VERSIONS = Kind("mlflow_team_model_versions", "Versions of registered models and prompts.")
TRACES = Kind("mlflow_team_traces", "Traces.")
USERS = Kind("mlflow_team_users", "Users, admins among them.")
ADMINS = Kind("mlflow_team_admins", "Users who are admins.")
LAST_RUN = Kind("mlflow_team_last_run_timestamp_seconds", "When the newest run began.")
LAST_TRACE = Kind("mlflow_team_last_trace_timestamp_seconds", "When the newest trace began.")
ARTIFACTS = Kind("mlflow_team_artifacts_bytes", "Size of the artifacts on this host, when they were last counted.")
ARTIFACT_FILES = Kind("mlflow_team_artifacts_files", "Number of their files.")
WALKED = Kind("mlflow_team_artifacts_walked_timestamp_seconds", "When the artifacts were last counted.")
DISK_USED = Kind("mlflow_team_disk_used_bytes", "What disk_max limits: artifacts and SQLite databases on this host.")
DISK_MAX = Kind("mlflow_team_disk_max_bytes", "How much of these a team may have.")
DISK_SIZE = Kind("mlflow_team_filesystem_size_bytes", "Size of the file system that has a team's directory.")
DISK_FREE = Kind("mlflow_team_filesystem_free_bytes", "What is free of it for accounts other than root.")
BACKUP_EXPECTED = Kind("mlflow_team_backup_expected", "1 where a timer of this host backs the team up, 0 elsewhere.")
BACKUP_AGE = Kind("mlflow_team_backup_max_age_seconds", "How old a team's newest snapshot may be.")
BACKUP_TIME = Kind("mlflow_team_backup_last_success_timestamp_seconds", "When a team's last snapshot was begun.")
BACKUP_BYTES = Kind("mlflow_team_backup_bytes", "Size of the artifacts and copies of databases in it.")
BACKUP_FILES = Kind("mlflow_team_backup_artifacts_files", "Number of artifacts in it.")
DRILL_TIME = Kind("mlflow_team_drill_timestamp_seconds", "When a team's snapshot was last tried out.")
DRILL_WRONG = Kind("mlflow_team_drill_differences", "What differed then from what the snapshot says of itself.")
VERIFIED = Kind("mlflow_team_access_verified_timestamp_seconds", "When access was last found, or made, as declared.")
AS_DECLARED = Kind(
    "mlflow_team_access_as_declared", "1 while nobody has changed anything of it in the databases since; 0: not known."
)
GRANTS_AS_DECLARED = Kind(
    "mlflow_team_grants_as_declared",
    "1 while users, groups and grants are as then, but for what creators have of their own; 0: somebody changed them.",
)
ERROR = Kind("mlflow_team_scrape_error", "1 where figures of a team could not be had; the journal says why.")
CERTIFICATE = Kind("mlflow_certificate_expiry_timestamp_seconds", "When a certificate of the proxy ends.")
CERTIFICATE_ERROR = Kind("mlflow_certificate_error", "1 where a certificate of the proxy cannot be read.")
RAN = Kind("mlflow_monitoring_last_run_timestamp_seconds", "When these figures were written.")
TOOK = Kind("mlflow_monitoring_run_duration_seconds", "How long that took.")
