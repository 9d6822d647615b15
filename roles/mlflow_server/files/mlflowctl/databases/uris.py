"""URIs of databases, as SQLAlchemy reads them and as PostgreSQL's own tools do."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

from mlflowctl.errors import DatabaseError

# For a server that is gone without a word.
SILENT_SECONDS = 60
KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": str(SILENT_SECONDS * 1000),
}
# As SQLAlchemy reads one: in a password, #, ? and / may stand as they are.
URI = re.compile(
    r"[\w+]+://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?(?P<place>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL
)

WITH_PORT = re.compile(r"[A-Za-z0-9.-]*:[0-9]*")
SEVERAL = re.compile(r"(?P<hosts>[^:/]*,[^:/]*):(?P<port>[0-9]+)(?P<rest>(?:/.*)?)", re.DOTALL)


def address(uri: str) -> str:
    """Return a URI without who logs in there."""
    found = URI.fullmatch(uri)
    return f"{uri.partition(':')[0]}://{found['place'] if found else '…'}"


def without_password(uri: str) -> tuple[str, dict[str, str]]:
    """Return SQLAlchemy's URI as PostgreSQL's own tools read it, with the password in the environment instead."""
    found = URI.fullmatch(uri)
    if not found:
        raise DatabaseError("its URI cannot be read")
    place, query = hosts_as_listed(found["place"], parse_qsl(found["query"] or "", keep_blank_values=True))
    password = query.pop("password", unquote(found["password"] or ""))
    plain = "postgresql://" + (f"{found['user']}@" if found["user"] is not None else "") + place
    plain += f"?{urlencode(query, quote_via=quote)}" if query else ""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "30"}
    return plain, {**environment, "PGPASSWORD": password} if password else environment


def hosts_as_listed(place: str, options: list[tuple[str, str]]) -> tuple[str, dict[str, str]]:
    """Return a place and its options so that PostgreSQL's own tools find all hosts there that SQLAlchemy finds.

    They know host=a,b&port=1,2 alone: of host=a:1&host=b:2 they would take the last one, and of a,b:2 the port for b.
    """
    query = dict(options)
    hosts = [value for name, value in options if name == "host"]
    if len(hosts) > 1 or (hosts and "port" not in query):
        pairs = [it.split(":") if WITH_PORT.fullmatch(it) else [it, ""] for it in hosts]
        query["host"] = ",".join(host for host, _port in pairs)
        if any(port for _host, port in pairs):
            query["port"] = ",".join(port for _host, port in pairs)
    several = SEVERAL.fullmatch(place)
    if several and not hosts:
        return several["rest"], {"port": several["port"], **query, "host": several["hosts"]}
    return place, query


def reached(uri: str) -> tuple[str, dict[str, str]]:
    """Return the same so that a server that is gone is not waited for, unless the URI itself says for how long."""
    plain, environment = without_password(uri)
    _start, _mark, query = plain.partition("?")
    more = {name: value for name, value in KEEPALIVES.items() if name not in dict(parse_qsl(query))}
    return f"{plain}{'&' if query else '?'}{urlencode(more)}", environment
