"""Lets the admin of a team in by its database, when somebody else has changed the password, the rights or the account.

Runs as the team's account in the environment of its MLflow, and is told on standard input what to write where.
"""

import json
import sys

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.security import generate_password_hash


def readmit(uri: str, username: str, password: str) -> str:
    """Set the password, with the rights of an admin; make the user where there is none. Say which."""
    values = {"name": username, "hash": generate_password_hash(password), "yes": True}
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            change = "UPDATE users SET password_hash = :hash, is_admin = :yes WHERE username = :name"
            if connection.execute(text(change), values).rowcount:
                return "changed"
            make = "INSERT INTO users (username, password_hash, is_admin) VALUES (:name, :hash, :yes)"
            connection.execute(text(make), values)
            return "made"
    finally:
        engine.dispose()


if __name__ == "__main__":
    try:
        print(readmit(**json.load(sys.stdin)))
    except SQLAlchemyError as error:
        # Its text has the hash in it, and may have the database's password.
        sys.exit(
            f"the database of the users cannot be written to: {type(getattr(error, 'orig', None) or error).__name__}"
        )
