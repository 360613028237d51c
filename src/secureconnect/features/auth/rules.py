"""Which passwords are refused (docs/reference/rules.md §1)."""

import gzip
from functools import cache
from importlib.resources import files

from secureconnect.kit.text import fold

__all__ = ["password_fault"]

_SHORTEST_LOCAL_PART = 3


def password_fault(password: str, *, username: str, email: str, shortest: int) -> str | None:
    """Why `password` (NFC) is refused, without repeating it, or None."""
    if len(password) < shortest:
        return f"at least {shortest} characters are needed"
    folded = fold(password)
    if folded in _common():
        return "is on the list of common passwords"
    local_part = fold(email.partition("@")[0])
    if fold(username) in folded or (len(local_part) >= _SHORTEST_LOCAL_PART and local_part in folded):
        return "must not contain the username or the e-mail name"
    return None


@cache
def _common() -> frozenset[str]:
    """The bundled list, case-folded (see NOTICE)."""
    packed = files("secureconnect.features.auth").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))
