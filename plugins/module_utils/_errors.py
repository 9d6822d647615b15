# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a module and an MLflow server.

Shared code raises one of these and never calls C(fail_json); the module turns it into a result.
"""

from __future__ import annotations

from ._text import all_shown, cut

# Characters of a message; what a server wrote is cut before.
LONGEST = 4000


class MlflowError(Exception):
    """Base of all errors of this collection; C(failure) is returned to the playbook as data.

    C(done) has a line for each part of a step that was done before.
    Whatever stands in a message, names of things and words of servers, can be shown to a person.
    """

    def __init__(self, message: str, **failure: object) -> None:
        super().__init__(cut(message, LONGEST))
        self.failure = all_shown(failure)
        self.done: list[str] = []


class TransportError(MlflowError):
    """No answer came: refused connection, time-out, TLS trouble, an answer that is no HTTP."""


class RequestRefused(MlflowError):
    """The server answered with an error; C(status) and C(error_code) say which."""

    def __init__(self, message: str, status: int, error_code: str | None) -> None:
        super().__init__(message, status=status, error_code=error_code)
        self.status = status
        self.error_code = error_code


class Unsupported(MlflowError):
    """This server's version cannot do what was asked."""


class InvalidRequest(MlflowError):
    """The arguments cannot be carried out as they stand, whatever the server."""
