"""Numbers, names and answers of single sign-on (docs/reference/rules.md §2.6)."""

import hashlib
import re
import secrets
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from secureconnect.features.users.api import Email, Username, username_fault
from secureconnect.kit.text import TextFault, clean_name

__all__ = [
    "CODE_SECONDS",
    "STATE_SECONDS",
    "Failure",
    "challenge_of",
    "display_name",
    "failure_of",
    "is_no_address",
    "no_address",
    "usable",
    "usernames",
    "with_query",
]

#: How long somebody may take at the provider, and a client for the exchange.
STATE_SECONDS: Final = 600
CODE_SECONDS: Final = 60

#: What `redirect_uri` hears of a login that failed, in the words of RFC 6749, §4.1.2.1.
Failure = Literal["access_denied", "temporarily_unavailable", "server_error"]

#: Below a domain that never exists (RFC 2606): accounts whose provider vouches for no address.
_NOWHERE: Final = "@sso.invalid"
_LONGEST_NAME: Final = 30
_UNFIT: Final = re.compile(r"[^a-z0-9._-]+")


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def failure_of(error: str) -> Failure:
    """What we say for the error that a provider says; its own words are not passed on."""
    if error == "temporarily_unavailable":
        return "temporarily_unavailable"
    return "server_error" if error == "server_error" else "access_denied"


def with_query(url: str, **parameters: str) -> str:
    """`url` with these parameters behind those that it has."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def usable(email: str | None) -> str | None:
    """The address that a provider vouches for, if accounts can have it."""
    return email if email is not None and _is(email, Email) and not is_no_address(email) else None


def no_address(user_id: str) -> str:
    """Stands in for the address of an account that has none; mail is never sent there."""
    return user_id + _NOWHERE


def is_no_address(email: str) -> bool:
    """Whether this only stands in for an address."""
    return email.lower().endswith(_NOWHERE)


def usernames(*suggestions: str | None) -> Iterator[str]:
    """Names that a new account may have, the best first, made of what a provider calls somebody."""
    base = next((name for name in map(_plain, suggestions) if _free_for_people(name)), "user")
    if base != "user":
        yield base
    for size in (2, 2, 3, 4, 8):
        suffix = f"-{secrets.token_hex(size)}"
        yield base[: _LONGEST_NAME - len(suffix)] + suffix


def display_name(username: str, *suggestions: str | None) -> str:
    """How a new account is called, by the first suggestion that will do."""
    for suggestion in suggestions:
        try:
            cleaned = clean_name(suggestion or "")[:100].strip()
        except TextFault:
            continue
        if cleaned:
            return cleaned
    return username


def _plain(text: str | None) -> str:
    """`jane@example.org` is called `jane`, and `José Núñez` `jose.nunez`."""
    local = (text or "").partition("@")[0][:200]
    plain = unicodedata.normalize("NFKD", local).encode("ascii", "ignore").decode().lower()
    return _UNFIT.sub(".", plain).strip("._-")[:_LONGEST_NAME]


def _free_for_people(name: str) -> bool:
    return _is(name, Username) and username_fault(name) is None


def _is(text: str, type_: object) -> bool:
    try:
        msgspec.convert(text, type_)
    except msgspec.ValidationError:
        return False
    return text.isprintable()  # a `$` lets a line end pass
