"""What a program ends with that could not do what it was told."""


class Problem(Exception):
    """Why it is not done, in words that can be shown; see `cli.py` for the exit code."""
