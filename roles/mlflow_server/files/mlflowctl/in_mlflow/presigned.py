"""Gives nobody an address in the store of artifacts, unless the team is to have them: all bytes go through the server.

MLflow 3.15 to 3.17 offer presigned addresses wherever their code can sign them, and 3.18 gives them to whoever asks.
Here it answers as it does for a store that signs none: `server-info` offers nothing, and routes say 501, upon which its
client sends and fetches the bytes through the server.

It is switched on by the variables with which MLflow 3.18 offers it, and each way for itself.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from mlflowctl.in_mlflow import asking, parts

HANDLERS = "mlflow.server.handlers"
UPLOADS, DOWNLOADS = "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"
# What MLflow's routes want a store to be before they have it sign an address, and what lets them.
KINDS = {"MultipartUploadMixin": UPLOADS, "PresignedUploadMixin": UPLOADS, "MultipartDownloadMixin": DOWNLOADS}


class NoStore:
    """What no store is."""


def is_on(setting: str) -> bool:
    """Say whether a variable is what MLflow takes for true."""
    return os.environ.get(setting, "").lower() in ("true", "1")


def close() -> None:
    """Let the routes find no store that signs, where nobody is to have an address."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    handlers: Any = importlib.import_module(HANDLERS)
    for kind, setting in KINDS.items():
        parts.needed(HANDLERS, kind, "it could give addresses of the store")
        if not is_on(setting):
            setattr(handlers, kind, NoStore)
