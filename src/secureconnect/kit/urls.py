"""Web addresses that people give us; the server shows them and never fetches them."""

import re
from urllib.parse import urlsplit

__all__ = ["is_web_url"]

_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")


def is_web_url(url: str, *, allow_http: bool) -> bool:
    """Whether `url` is absolute with a host and `https`, or `http` where that is allowed (development)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return False
    schemes = {"https", "http"} if allow_http else {"https"}
    return (
        host is not None
        and parts.scheme in schemes
        and _HOST.fullmatch(host) is not None
        and _SPACE.search(url) is None
    )
