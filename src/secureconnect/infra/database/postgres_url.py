"""Where the server is: `database.url` as the driver takes it, and as people may see it."""

from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

__all__ = ["SCHEMES", "ServerUrl", "read_url"]

SCHEMES = ("postgresql://", "cockroachdb://")
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_COCKROACH_PORT = 26257


class ServerUrl(NamedTuple):
    """A server of one of the two kinds.

    `dsn` is for the driver and holds the password; `shown` is host, port and database alone.
    """

    cockroach: bool
    dsn: str
    shown: str

    def __repr__(self) -> str:
        return f"ServerUrl({self.shown!r})"


def read_url(url: str) -> ServerUrl:
    """Take `postgresql://…` or `cockroachdb://…` apart.

    The query may hold what libpq takes: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host` for the
    directory of a Unix socket, and settings of the session.

    Raises:
        ValueError: with what is wrong; the message does not repeat the URL, which may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if f"{scheme}{separator}" not in SCHEMES:
        raise ValueError("must be sqlite:///path, postgresql://… or cockroachdb://…")
    if "#" in rest:
        raise ValueError("a # in user, password or query is written %23")
    cockroach = scheme == "cockroachdb"
    try:
        parts = urlsplit(f"postgresql://{rest}")
        port = parts.port
    except ValueError:
        raise ValueError("the host or the port cannot be read") from None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.path.strip("/") and "dbname" not in query and "database" not in query:
        raise ValueError("must name a database: …://user:password@host/database")
    if not parts.hostname and "host" not in query:
        raise ValueError("must name a host, or the directory of a Unix socket as ?host=/path")
    if query.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"sslmode must be one of {', '.join(sorted(_SSL_MODES))}")
    host = query.get("host") or parts.hostname or ""
    dsn = f"postgresql://{rest}"
    if cockroach and port is None and "port" not in query and "," not in parts.netloc:
        dsn += ("&" if parts.query else "?") + f"port={_COCKROACH_PORT}"
        port = _COCKROACH_PORT
    database = query.get("dbname") or query.get("database") or parts.path.strip("/")
    return ServerUrl(cockroach, dsn, f"{host}:{port or 5432}/{database}")
