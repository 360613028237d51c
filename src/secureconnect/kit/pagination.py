"""Opaque cursors: bound to one list, one set of filters and one caller, and not forgeable.

A cursor is base64url(MAC ‖ JSON of the last position). The MAC covers the list's name, its filters and
the caller, so a cursor carried elsewhere is refused like a damaged one. It never expires by itself.
"""

import base64
import binascii
import hmac
from typing import Any, Generic, TypeVar

import msgspec

from secureconnect.kit.errors import ApiError, invalid

__all__ = ["Cursors", "Page"]

T = TypeVar("T")
_MAC_BYTES = 12


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items and the position to continue from; `after` is None at the end of the list."""

    items: list[T]
    after: tuple[Any, ...] | None = None


class Cursors:
    """Encodes and decodes positions with a key of this installation."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, scope: tuple[str | None, ...], position: tuple[Any, ...]) -> str:
        """`scope` names the list, its filters and the caller; `position` is JSON scalars."""
        body = msgspec.json.encode(position)
        return base64.urlsafe_b64encode(self._mac(scope, body) + body).rstrip(b"=").decode()

    def decode(self, scope: tuple[str | None, ...], cursor: str) -> tuple[Any, ...]:
        """The position inside `cursor`.

        Raises:
            ApiError: `VALIDATION_ERROR` on field `cursor` when it is damaged or belongs elsewhere.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refused() from error
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(scope, body)):
            raise _refused()
        return tuple(msgspec.json.decode(body))

    def _mac(self, scope: tuple[str | None, ...], body: bytes) -> bytes:
        return hmac.digest(self._key, msgspec.json.encode(scope) + b"\0" + body, "sha256")[:_MAC_BYTES]


def _refused() -> ApiError:
    return invalid("cursor", "not a cursor of this list, these filters and this caller")
