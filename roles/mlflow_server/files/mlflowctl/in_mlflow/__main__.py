"""Begins a program of this directory in a team's MLflow, whose Python is given the directory and the program's name."""

import gc
import importlib
import os
import sys

# It is there for longer than all others, and sees to what follows by itself.
SERVER = "serve"
# As few looks as loading MLflow needs, and still some where a program works on many rows.
ALLOCATIONS_BETWEEN_LOOKS = 100_000
# Words, of which this takes a megabyte: Python has its calls in pieces of 16 KB otherwise, and asks the kernel for one,
# and gives it back, with each call across the edge of a piece. Those are 20,000 of each while MLflow is loaded.
ROOM_FOR_CALLS = 1 << 16


def main() -> None:
    """Find it in the version that this is by now, and let it see its own arguments."""
    # Instead of the directory itself, whose modules are none by their own names.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    del sys.argv[0]
    # What is loaded of MLflow stays. Looking for what of it could go is a fifth of loading it, and to look through all
    # of it once more at the end, when everything goes, takes nearly half as long.
    if sys.argv[0] != SERVER:
        gc.set_threshold(ALLOCATIONS_BETWEEN_LOOKS)
    try:
        importlib.import_module(f"mlflowctl.in_mlflow.{sys.argv[0]}").main()
    finally:
        gc.freeze()


# Whatever it calls has its place behind what it says that it needs itself.
main.__code__ = main.__code__.replace(co_stacksize=ROOM_FOR_CALLS)

if __name__ == "__main__":
    main()
