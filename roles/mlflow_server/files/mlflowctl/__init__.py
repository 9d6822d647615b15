"""What a host with MLflow servers runs by itself: one program, by root's own isolated Python and its standard library.

Nothing in `in_mlflow` imports anything of the rest: that runs within a team's MLflow.
"""
