"""Whether what a server has encrypted in a database can be read with the keys that its new server is going to have.

A server that is adopted has had keys of its own. With others its gateway secrets and those of its webhooks are lost,
and nobody notices before they are needed. The key of sessions is nothing that a database could tell of.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PASSPHRASE, VERSION = "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_CRYPTO_KEK_VERSION"
WEBHOOKS, SESSIONS = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "MLFLOW_FLASK_SERVER_SECRET_KEY"
NEEDED = (SESSIONS, PASSPHRASE, WEBHOOKS)


def unreadable(connection: Any, there: set[str]) -> dict[str, Any]:
    """Return what cannot be read in a database, by the variable of its key; in an MLflow that has that key."""
    import sqlalchemy  # noqa: PLC0415 - the other half of this file runs where there is none

    found: dict[str, Any] = {}
    if "secrets" in there:
        rows = connection.execute(sqlalchemy.text("SELECT wrapped_dek, kek_version FROM secrets")).all()
        if rows and not any_secret([bytes(row[0]) for row in rows]):
            found[PASSPHRASE] = {"count": len(rows), "versions": sorted({int(row[1]) for row in rows})}
    if "webhooks" in there:
        select = "SELECT secret FROM webhooks WHERE secret IS NOT NULL AND deleted_timestamp IS NULL"
        texts = connection.execute(sqlalchemy.text(select)).scalars().all()
        if texts and not any_webhook(texts):
            found[WEBHOOKS] = {"count": len(texts)}
    return found


def any_secret(wrapped: list[bytes]) -> bool:
    """Say whether the server could read one of them: then its key is theirs."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow, and mostly not needed
    from mlflow.utils.crypto import KEKManager, unwrap_dek  # noqa: PLC0415

    key = KEKManager().get_kek()
    for each in wrapped:
        try:
            unwrap_dek(each, key)
        except MlflowException:
            continue
        return True
    return False


def any_webhook(texts: list[str]) -> bool:
    """Say the same of these."""
    from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - what MLflow reads them with

    try:
        key = Fernet(os.environ[WEBHOOKS])
    except (KeyError, ValueError):
        return False
    for text in texts:
        try:
            key.decrypt(text.encode())
        except InvalidToken:
            continue
        return True
    return False


def problem(directory: Path, known: dict[str, str], found: dict[str, Any]) -> str | None:
    """Say what is wrong with the keys of a team that is about to start for the first time; None where nothing is.

    No variable's name is followed by a colon: what stands after one is hidden, as a secret that somebody printed.
    """
    file = directory / "secrets.env"
    missing = [name for name in NEEDED if not known.get(name)]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return f"{', '.join(missing)} {are} not in {file}; add what the role makes, or the old server's"
    if PASSPHRASE in found:
        count, versions = found[PASSPHRASE]["count"], found[PASSPHRASE]["versions"]
        said = (
            f"{PASSPHRASE} in {file} reads none of the {count} gateway secrets in the database; "
            "put the old server's there, or MLflow's own default where it had none"
        )
        if versions == [int(known.get(VERSION, "1"))]:
            return said
        return f"{said}; they are of version {versions[-1]}, which goes into the team's environment as {VERSION}"
    if WEBHOOKS in found:
        cure = "put the old server's there; where it had none nobody can read them, so empty that column of webhooks"
        count = found[WEBHOOKS]["count"]
        said = f"{WEBHOOKS} in {file} reads none of the {count} secrets of webhooks in the database"
        return f"{said}; {cure}"
    return None
