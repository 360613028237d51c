"""`redis.url`: one server, one behind Sentinels, or a cluster (docs/reference/operations.md §2).

    redis://[user:password@]host[:6379][/db]                         rediss:// with TLS
    unix://[user:password@]/path/to/socket[?db=0]
    redis+sentinel://[user:password@]host[:26379],host…/master[/db]  rediss+sentinel://
    redis+cluster://[user:password@]host[:6379],host…                rediss+cluster://

`?ca_file=/path` names the authority of the server's certificate; `?sentinel_password=` is for the Sentinels.
"""

import ssl
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

__all__ = ["Address", "parse_address"]

_PORT, _SENTINEL_PORT = 6379, 26379
_QUERY = frozenset({"db", "ca_file", "sentinel_username", "sentinel_password"})

Mode = Literal["single", "sentinel", "cluster"]
_SCHEMES: dict[str, tuple[Mode, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("single", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where Redis is. `hosts` are the server, the Sentinels or nodes of the cluster; `path` is a socket."""

    mode: Mode
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    master: str = ""
    db: int = 0
    username: str = ""
    password: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""
    tls: bool = False
    ca_file: str = ""

    def context(self) -> ssl.SSLContext | None:
        """What connections are encrypted with; None for plain ones."""
        return ssl.create_default_context(cafile=self.ca_file or None) if self.tls else None


def parse_address(url: str) -> Address:
    """The address that `url` names.

    Raises:
        ValueError: it names none; the message says why, and repeats nothing of the URL.
    """
    parts = urlsplit(url)
    known = _SCHEMES.get(parts.scheme)
    if known is None:
        raise ValueError(
            "must begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
        )
    mode, tls = known
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := sorted(query.keys() - _QUERY):
        raise ValueError(f"knows no parameter {', '.join(unknown)}")
    userinfo, _, netloc = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    segments = [unquote(segment) for segment in parts.path.split("/")[1:] if segment]
    path = hosts = None
    if parts.scheme == "unix":
        path, segments = unquote(parts.path), []
        if not path:
            raise ValueError("must name a socket: unix:///path")
    else:
        hosts = tuple(_host(text, mode) for text in netloc.split(","))
    master = ""
    if mode == "sentinel":
        if not segments:
            raise ValueError("must name the master after the Sentinels: redis+sentinel://host,host/master")
        master = segments.pop(0)
    db = _db(segments, query.get("db"))
    if mode == "cluster" and db:
        raise ValueError("a cluster has only database 0")
    return Address(
        mode=mode,
        hosts=hosts or (),
        path=path or "",
        master=master,
        db=db,
        username=unquote(username),
        password=unquote(password),
        sentinel_username=query.get("sentinel_username", ""),
        sentinel_password=query.get("sentinel_password", ""),
        tls=tls,
        ca_file=query.get("ca_file", ""),
    )


def _host(text: str, mode: Mode) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("has a host that is none") from error
    if not host:
        raise ValueError("must name a host")
    return host, port or (_SENTINEL_PORT if mode == "sentinel" else _PORT)


def _db(segments: list[str], query: str | None) -> int:
    if len(segments) > 1 or (segments and query is not None):
        raise ValueError("says more than a database number after the host")
    text = segments[0] if segments else query or "0"
    if not text.isascii() or not text.isdigit():
        raise ValueError("must end in the number of a database, or in the host")
    return int(text)
