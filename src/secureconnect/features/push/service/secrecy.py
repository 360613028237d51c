"""Tokens, keys and what pushes say, encrypted under the master key."""

import hashlib
from collections.abc import Callable

import msgspec

from secureconnect.features.push.rules import Content
from secureconnect.features.push.store import Token
from secureconnect.infra.push.base import Target

__all__ = ["Vault"]

_CONTENT = "outbox push"


class _Keys(msgspec.Struct, array_like=True):
    p256dh: bytes
    auth: bytes


class Vault:
    """Seals and opens; raises SealBroken for what was altered or moved.

    Args:
        seal, unseal: under the master key; the second argument names the place.
    """

    def __init__(self, seal: Callable[[bytes, str], bytes], unseal: Callable[[bytes, str], bytes]) -> None:
        self._seal = seal
        self._unseal = unseal

    def hash(self, token: str) -> bytes:
        """By what a token is found."""
        return hashlib.sha256(token.encode()).digest()

    def token(self, token_id: str, token: str) -> bytes:
        """A sealed token."""
        return self._seal(token.encode(), f"push_token:{token_id}")

    def keys(self, token_id: str, p256dh: bytes, auth: bytes) -> bytes:
        """The sealed keys of a subscription."""
        return self._seal(msgspec.msgpack.encode(_Keys(p256dh, auth)), f"push_keys:{token_id}")

    def target(self, token: Token) -> Target:
        """A stored token as the port takes it."""
        keys = _Keys(b"", b"")
        if token.keys_enc is not None:
            opened = self._unseal(token.keys_enc, f"push_keys:{token.token_id}")
            keys = msgspec.msgpack.decode(opened, type=_Keys)
        return Target(
            provider=token.type,
            token=self._unseal(token.token_enc, f"push_token:{token.token_id}").decode(),
            token_id=token.token_id,
            user_id=token.user_id,
            platform=token.platform,
            p256dh=keys.p256dh,
            auth=keys.auth,
        )

    def content(self, content: Content) -> bytes:
        """What a push says, sealed."""
        return self._seal(msgspec.json.encode(content), _CONTENT)

    def open_content(self, sealed: bytes) -> Content:
        """What a push says."""
        return msgspec.json.decode(self._unseal(sealed, _CONTENT), type=Content)
