"""Where secrets may be sent."""

from typing import Final
from urllib.parse import urlsplit

__all__ = ["is_trusted_url"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_trusted_url(url: str, *, allow_http: bool) -> bool:
    """Whether secrets may go there: `https`, or `http` to this machine or where that is allowed."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (allow_http or host in _LOOPBACK))
