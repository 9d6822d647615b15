"""Begins a program of this directory in a team's MLflow, whose Python is given the directory and the program's name."""

import importlib
import os
import sys


def main() -> None:
    """Find it in the version that this is by now, and let it see its own arguments."""
    # Instead of the directory itself, whose modules are none by their own names.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    del sys.argv[0]
    importlib.import_module(f"mlflowctl.in_mlflow.{sys.argv[0]}").main()


if __name__ == "__main__":
    main()
