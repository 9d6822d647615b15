# shellcheck shell=sh
# Says whether an environment can run MLflow: after an upgrade of the distribution, the Python that it was made with is
# gone, or is another one.
works() {
    "$1/bin/python" -Ic 'import importlib.util as it, sys; sys.exit(it.find_spec("mlflow") is None)' 2>/dev/null
}
