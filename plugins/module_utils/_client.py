# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one MLflow server: authenticated JSON requests, and nothing about users or experiments."""

from __future__ import annotations

import json
import re
import ssl
import time
import typing as t
from functools import cached_property
from http.client import HTTPException, IncompleteRead
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.urls import Request, make_context

from ._causes import hidden
from ._deadline import deadline
from ._errors import InvalidRequest, RequestRefused, TransportError, Unsupported
from ._here import is_here
from ._shapes import Misfit, Shape, fit
from ._text import cut

# Bytes of one answer, of all that one client is given, and of one that only says what went wrong.
LARGEST = 32 * 2**20
ALTOGETHER = 8 * LARGEST
LARGEST_REFUSAL = PIECE = 64 * 2**10
# Characters of what a server says in a message.
SAID = 500
# Each answer may be silent for the timeout, and be as many times as long under way; all together, an hour. A server of
# before 3.13 is asked about each user that it names.
WHOLE_ANSWER = 4
PATIENCE = 3600
# Seconds, where nobody says it.
TIMEOUT = 30
# A host and its port, and nobody who logs in there.
AUTHORITY = re.compile(r"([^@:\[\]]*|\[[^@\[\]]*\])(:[0-9]*)?")
# As MLflow tells it. It is written into files, so that nothing else is a version.
VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}((a|b|rc)[0-9]{1,4})?(\.(dev|post)[0-9]{1,4})?")
ERROR_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# A number has no more digits. Python needs long for one of a million.
DIGITS = 30

# As MLflow begins to say it, and what helps.
OTHER_HOST = "Invalid Host header"
OTHER_HOST_CURE = "add it to the team's allowed_hosts, or give a name or address of the server's own as tracking_uri"

# A duplicate user answers with the failed INSERT statement, password hash included.
DATABASE_DETAILS = re.compile(r"(\s*Error: \(|\n\[SQL:).*", re.DOTALL)


class Answer(t.Dict[str, t.Any]):
    """A JSON object from a server. What it lacks is an error that a person can read."""

    def __init__(self, answer: dict[str, t.Any], error: t.Callable[[str], Exception]) -> None:
        super().__init__(answer)
        self.error = error

    def __missing__(self, key: str) -> t.NoReturn:
        raise self.error(f"has no '{key}'")


def fitting(answer: dict[str, t.Any], shape: Shape) -> dict[str, t.Any]:
    """The answer, which is of the shape, or an error that names the server."""
    try:
        fit(shape, answer)
    except Misfit as misfit:
        if isinstance(answer, Answer):
            raise answer.error(str(misfit)) from None
        raise
    return answer


def number(digits: str) -> int:
    """A number of an answer."""
    if len(digits) > DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


class Client:
    """One server and the account that manages it.

    With C(read_only) every writing request is refused here, so that check mode cannot write even
    by mistake.
    """

    def __init__(
        self,
        tracking_uri: str,
        username: str,
        password: str,
        unix_socket: str | None = None,
        ca_path: str | None = None,
        validate_certs: bool | None = True,
        timeout: int | None = None,
        read_only: bool = False,
    ) -> None:
        is_address = tracking_uri.startswith(("http://", "https://"))
        if "@" in tracking_uri and not (is_address and AUTHORITY.fullmatch(tracking_uri.split("/")[2])):
            # Not shown: every later message would show the password in it.
            raise InvalidRequest("tracking_uri: give the account as username and password, not in the address")
        if not is_address:
            raise InvalidRequest(f"tracking_uri: '{tracking_uri}' does not begin with http:// or https://")
        if timeout is not None and timeout < 1:
            raise InvalidRequest(f"timeout: {timeout} is not a valid number of seconds above 0")
        self.tracking_uri = tracking_uri.rstrip("/")
        self.username = username
        self.password = password
        self.read_only = read_only
        self._version: str | None = None
        self._ca_path = ca_path
        # Nothing, as a variable that is empty leaves it, is no word for going without.
        self._validate_certs = validate_certs is not False
        self._timeout = timeout or TIMEOUT
        self._options = {"unix_socket": unix_socket, "timeout": self._timeout}
        self._left = ALTOGETHER
        self._patience: float = PATIENCE

    def get(self, path: str, **query: object) -> dict[str, t.Any]:
        """Return the JSON answer of a GET; raise RequestRefused on any error answer."""
        return self._json("GET", path, query=query)

    def find(self, path: str, **query: object) -> dict[str, t.Any] | None:
        """Like C(get), but None where the server says that there is no such thing."""
        try:
            return self.get(path, **query)
        except RequestRefused as refusal:
            if refusal.status == 404 and refusal.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    @property
    def version(self) -> str:
        """The server's own version, asked once."""
        if self._version is None:
            version = self._send("GET", "/version", None, None, self.username, self.password).strip()
            if not VERSION.fullmatch(version):
                raise Unsupported(f"{self.tracking_uri} does not tell a version of MLflow; is it an MLflow server?")
            self._version = version
        return self._version

    def write(self, method: str, path: str, **body: object) -> dict[str, t.Any]:
        """Send a request that changes the server's state."""
        if self.read_only:
            raise InvalidRequest(f"{method} {path} was about to be sent in check mode; this is a bug of the module")
        return self._json(method, path, body=body)

    @cached_property
    def _context(self) -> t.Any:
        """What decides whom to trust. Reading the system's authorities takes longer than a request, so only once.

        And only where somebody may show a certificate, as a proxy may. Without a context, each request would read them.
        """
        if urlsplit(self.tracking_uri).scheme == "http" and not self._use_proxy:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return make_context(cafile=self._ca_path, validate_certs=self._validate_certs)

    @cached_property
    def _use_proxy(self) -> bool:
        """Whether a proxy of the environment may be in between: it would be given the password."""
        return not self._options["unix_socket"] and not is_here(urlsplit(self.tracking_uri).hostname or "")

    def login_works(self, username: str, password: str) -> bool:
        """Whether the server accepts these credentials: the only way to compare a password."""
        try:
            # Everybody may read their own user, on every version.
            self._send("GET", "/api/2.0/mlflow/users/get", {"username": username}, None, username, password)
        except RequestRefused as refusal:
            if refusal.status == 401:
                return False
            raise
        return True

    def _json(
        self, method: str, path: str, query: dict[str, t.Any] | None = None, body: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        text = self._send(method, path, query, body, self.username, self.password)
        try:
            answer = json.loads(text, parse_int=number) if text.strip() else {}
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._no_mlflow(method, path, "is not a JSON object")
        return Answer(answer, lambda what: self._no_mlflow(method, path, what))

    def _no_mlflow(self, method: str, path: str, what: str) -> TransportError:
        return TransportError(f"{method} {path}: the answer {what}; is {self.tracking_uri} an MLflow server?")

    def _send(
        self,
        method: str,
        path: str,
        query: dict[str, t.Any] | None,
        body: dict[str, t.Any] | None,
        username: str,
        password: str,
    ) -> str:
        url = self.tracking_uri + path + ("?" + urlencode(query) if query else "")
        if self._patience <= 0:
            raise TransportError(f"{method} {self.tracking_uri}{path}: it took more than {PATIENCE} seconds in all")
        began = time.monotonic()
        try:
            # A server that sends a byte now and then would else be waited for without an end.
            with deadline(WHOLE_ANSWER * self._timeout):
                return self._ask(method, url, body, username, password)
        except HTTPError as error:
            raise self._refusal(method, path, error, username) from None
        except (OSError, HTTPException, ValueError) as error:
            raise TransportError(f"{method} {self.tracking_uri}{path}: {told(str(error))}") from None
        finally:
            self._patience -= time.monotonic() - began

    def _ask(self, method: str, url: str, body: dict[str, t.Any] | None, username: str, password: str) -> str:
        try:
            # A new Request each time: one that is used again keeps cookies, and would log in with them. A new
            # connection too: kept, it saves nothing on loopback, and servers of several workers answer 40 ms later.
            with Request().open(
                method,
                url,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
                url_username=username,
                url_password=password,
                force_basic_auth=True,
                use_netrc=False,
                # The journal of a server's changes says which ones were ours.
                http_agent="mlops.mlflow",
                context=self._context,
                # A redirect would carry the credentials to a server that nobody named.
                follow_redirects="none",
                # What is packed can be a thousand times as large as what is sent.
                decompress=False,
                use_proxy=self._use_proxy,
                **self._options,
            ) as answer:
                data = read(answer, min(LARGEST, self._left))
                self._left -= len(data)
                return data.decode("utf-8")
        except HTTPError as error:
            # Within the deadline, too.
            error.said = said(error)  # type: ignore[attr-defined]
            raise

    def _refusal(self, method: str, path: str, error: HTTPError, username: str) -> RequestRefused:
        code, text = None, getattr(error, "said", "")
        try:
            answer = json.loads(text, parse_int=number)
            text, code = str(answer["message"]), answer["error_code"]
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        if not (isinstance(code, str) and ERROR_CODE.fullmatch(code)):
            code = None
        if error.code == 401:
            text = f"the server does not accept the credentials of user '{username}'"
        elif error.code == 403 and text.startswith(OTHER_HOST):
            text = f"MLflow's Host check does not know the name in {self.tracking_uri}; {OTHER_HOST_CURE}"
        elif error.code == 403:
            text = f"user '{username}' is not allowed to do this; log in as an admin"
        elif 300 <= error.code < 400:
            text = f"redirected to {cut(error.headers.get('Location'), 200)}; give the final address as tracking_uri"
        detail = told(DATABASE_DETAILS.sub("", text[: 8 * SAID]))
        return RequestRefused(f"{method} {path}: {error.code} {detail}", error.code, code)


def read(answer: t.Any, at_most: int) -> bytes:
    """The whole of an answer, which must not be larger."""
    if (getattr(answer, "length", None) or 0) > at_most:
        raise ValueError(f"the answer is larger than {at_most} bytes")
    data = taken(answer, at_most + 1)
    if len(data) > at_most:
        raise ValueError(f"the answer is larger than {at_most} bytes")
    if getattr(answer, "length", None):
        raise IncompleteRead(data, answer.length)
    return data


def taken(answer: t.Any, at_most: int) -> bytes:
    """The beginning of an answer.

    Read into a place of its own: of a part that is said to have -1 bytes, http.client would else return all that comes.
    """
    data, piece = bytearray(), memoryview(bytearray(PIECE))
    while len(data) < at_most:
        size = answer.readinto(piece[: at_most - len(data)])
        if not size:
            break
        data += piece[:size]
    return bytes(data)


def told(text: str) -> str:
    """What is shown of a server's words: it, or what stands before it, may repeat what it was sent."""
    return cut(hidden(text[: 8 * SAID]).strip(), SAID)


def said(error: HTTPError) -> str:
    """The beginning of what a server says went wrong."""
    try:
        return taken(error, LARGEST_REFUSAL).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError):
        return "the answer broke off"
