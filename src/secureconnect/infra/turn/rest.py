"""Credentials that end by themselves, for TURN servers that share a secret with us.

The user name is `<Unix second of the end>:<user id>`, the password its HMAC: the TURN server needs no list of
users, and nobody has a password that lasts (`use-auth-secret` of coturn).
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

from secureconnect.infra.turn.base import IceGrant, IceServer

__all__ = ["RestCredentials", "TurnMetrics", "password_of"]

_MOST_URLS = 8


class TurnMetrics(Protocol):
    """What is counted."""

    def turn_credentials_issued(self) -> None: ...


class RestCredentials:
    """Implements `IceServers`.

    Args:
        turn_urls: empty means that there is no TURN server; then no credentials are made.
        secret: what the TURN servers know too; not empty when there are any.
        ttl: seconds that credentials are good for.
    """

    def __init__(
        self,
        turn_urls: Sequence[str],
        stun_urls: Sequence[str],
        secret: str,
        ttl: int,
        metrics: TurnMetrics,
    ) -> None:
        self._turn = _grouped(turn_urls)
        self._stun = tuple(IceServer(urls=urls) for urls in _grouped(stun_urls))
        self._secret = secret
        self._ttl = ttl
        self._metrics = metrics

    def for_user(self, user_id: str, now: int) -> IceGrant:
        if not self._turn:
            return IceGrant(self._stun, self._ttl)
        username = f"{now // 1000 + self._ttl}:{user_id}"
        credential = password_of(username, self._secret)
        self._metrics.turn_credentials_issued()
        turn = (IceServer(urls=urls, username=username, credential=credential) for urls in self._turn)
        return IceGrant((*self._stun, *turn), self._ttl)


def password_of(username: str, secret: str) -> str:
    """The password that belongs to `username`: base64 of HMAC-SHA1, as TURN servers compute it."""
    # SHA-1 is what the servers take; as an HMAC it is sound, and the key is never on the wire.
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _grouped(urls: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """As many entries as it takes: one of them carries at most eight URLs."""
    return tuple(tuple(urls[start : start + _MOST_URLS]) for start in range(0, len(urls), _MOST_URLS))
