"""What names and addresses may look like (contract rules §1)."""

import re
from urllib.parse import urlsplit

from secureconnect.kit.errors import Detail
from secureconnect.kit.text import fold

__all__ = ["EMAIL", "RESERVED", "check_avatar_url", "check_username"]

#: addr-spec of RFC 5322 in its dot-atom form, ASCII.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
EMAIL = rf"^{_ATOM}(\.{_ATOM})*@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
RESERVED = frozenset({"admin", "root", "system", "support", "secureconnect"})
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


def check_username(username: str) -> Detail | None:
    """The fault of a well-formed username that people may not take."""
    folded = fold(username)
    if folded in RESERVED:
        return Detail("username", "is reserved")
    if folded.endswith("_bot"):
        return Detail("username", "must not end in _bot, which is for bots")
    return None


def check_avatar_url(url: str, *, allow_http: bool) -> Detail | None:
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
