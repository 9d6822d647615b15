"""For each alert of mlflow_monitoring, figures that set it off and figures that do not, as promtool takes them."""

from __future__ import annotations

from typing import Any

import yaml

TEAM = '{instance="h",team="a"}'
LATE = 40
# Of each: after how many hours it is looked at, what sets it off, and what does not. 0x3000 is the same all the time.
CASES: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {
    "MlflowTeamCannotStart": (
        2,
        {'mlflow_team_state{instance="h",team="a",state="failing"}': "1x3000"},
        {'mlflow_team_state{instance="h",team="a",state="failing"}': "0x3000"},
    ),
    "MlflowTeamRestarts": (
        2,
        {f"mlflow_team_restarts_total{TEAM}": "0+1x3000"},
        {f"mlflow_team_restarts_total{TEAM}": "2x3000"},
    ),
    "MlflowTeamMemoryNearlyUsedUp": (
        2,
        {f"mlflow_team_memory_bytes{TEAM}": "95x3000", f"mlflow_team_memory_max_bytes{TEAM}": "100x3000"},
        {f"mlflow_team_memory_bytes{TEAM}": "80x3000", f"mlflow_team_memory_max_bytes{TEAM}": "100x3000"},
    ),
    "MlflowTeamConnectionsRefused": (
        2,
        {f"mlflow_team_connections_refused_total{TEAM}": "0+1x3000"},
        {f"mlflow_team_connections_refused_total{TEAM}": "7x3000"},
    ),
    "MlflowBackupTooOld": (
        2,
        {
            f"mlflow_team_backup_expected{TEAM}": "1x3000",
            f"mlflow_team_backup_last_success_timestamp_seconds{TEAM}": "0x3000",
            f"mlflow_team_backup_max_age_seconds{TEAM}": "3600x3000",
        },
        {
            # Of a team that no timer here backs up any more.
            f"mlflow_team_backup_expected{TEAM}": "0x3000",
            f"mlflow_team_backup_last_success_timestamp_seconds{TEAM}": "0x3000",
            f"mlflow_team_backup_max_age_seconds{TEAM}": "3600x3000",
        },
    ),
    "MlflowBackupMissing": (
        LATE,
        {f"mlflow_team_backup_expected{TEAM}": "1x3000"},
        {
            f"mlflow_team_backup_expected{TEAM}": "1x3000",
            f"mlflow_team_backup_last_success_timestamp_seconds{TEAM}": "0+60x3000",
        },
    ),
    "MlflowDrillFoundDifferences": (
        2,
        {f"mlflow_team_drill_differences{TEAM}": "2x3000"},
        {f"mlflow_team_drill_differences{TEAM}": "0x3000"},
    ),
    "MlflowDiskNearlyFull": (
        2,
        {f"mlflow_team_filesystem_free_bytes{TEAM}": "5x3000", f"mlflow_team_filesystem_size_bytes{TEAM}": "100x3000"},
        {f"mlflow_team_filesystem_free_bytes{TEAM}": "15x3000", f"mlflow_team_filesystem_size_bytes{TEAM}": "100x3000"},
    ),
    "MlflowTeamDiskNearlyUsedUp": (
        2,
        {f"mlflow_team_disk_used_bytes{TEAM}": "95x3000", f"mlflow_team_disk_max_bytes{TEAM}": "100x3000"},
        {f"mlflow_team_disk_used_bytes{TEAM}": "80x3000", f"mlflow_team_disk_max_bytes{TEAM}": "100x3000"},
    ),
    "MlflowCertificateEnds": (
        2,
        {'mlflow_certificate_expiry_timestamp_seconds{instance="h",path="/c"}': "90000x3000"},
        {'mlflow_certificate_expiry_timestamp_seconds{instance="h",path="/c"}': "9000000x3000"},
    ),
    "MlflowCertificateUnreadable": (
        2,
        {'mlflow_certificate_error{instance="h",path="/c"}': "1x3000"},
        {'mlflow_certificate_error{instance="h",path="/c"}': "0x3000"},
    ),
    "MlflowAccessDrifted": (
        2,
        {f"mlflow_team_grants_as_declared{TEAM}": "0x3000"},
        {
            f"mlflow_team_grants_as_declared{TEAM}": "1x3000",
            # Somebody has made an experiment.
            f"mlflow_team_access_as_declared{TEAM}": "0x3000",
        },
    ),
    "MlflowTeamNotMeasured": (
        2,
        {f"mlflow_team_scrape_error{TEAM}": "1x3000"},
        {f"mlflow_team_scrape_error{TEAM}": "0x3000"},
    ),
    "MlflowFiguresOld": (
        2,
        {'mlflow_monitoring_last_run_timestamp_seconds{instance="h"}': "0x3000"},
        {'mlflow_monitoring_last_run_timestamp_seconds{instance="h"}': "0+60x3000"},
    ),
}


def names(rules: str) -> set[str]:
    """Return the alerts of a file of rules."""
    return {rule["alert"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]}


def promtool_tests(rules: str) -> str:
    """Return what promtool is to test that file by."""
    tests = []
    for name, (hours, firing, quiet) in CASES.items():
        for series, number in ((firing, 1), (quiet, 0)):
            tests.append(_test(name, hours, series, number))
    return yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests})


def _test(name: str, hours: int, series: dict[str, str], number: int) -> dict[str, Any]:
    """One alert fires once, or nothing does."""
    alert = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": "1m",
        "input_series": [{"series": it, "values": values} for it, values in series.items()],
        "promql_expr_test": [
            {"expr": alert, "eval_time": f"{hours}h", "exp_samples": [{"labels": "{}", "value": number}]}
        ],
    }
