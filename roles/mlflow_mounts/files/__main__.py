"""Begins the program: python3 -I /usr/local/lib/mlflow-mounts COMMAND."""

import sys

from mlflow_mounts import cli

sys.exit(cli.main())
