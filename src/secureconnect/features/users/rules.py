"""What a profile may hold (contract rules §1)."""

import re
from urllib.parse import urlsplit

from secureconnect.kit.errors import Detail

__all__ = ["avatar_url_fault"]

_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]+")


def avatar_url_fault(url: str, *, allow_http: bool) -> Detail | None:
    """The fault of a URL that is not an absolute https one (`http` only in development)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    schemes = {"https", "http"} if allow_http else {"https"}
    if host is None or parts.scheme not in schemes or not _HOST.fullmatch(host):
        return Detail("avatar_url", "must be an absolute https URL")
    return None
