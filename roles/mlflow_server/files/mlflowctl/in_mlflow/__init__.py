"""What runs in an MLflow of a team, by its Python. It imports nothing of the rest of this program."""
