"""The tokens that LiveKit and we know each other by (RFC 7519, HS256)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import jwt
import msgspec

from secureconnect.infra.sfu.base import SfuEvent, SfuEventKind, WebhookRefused

__all__ = ["LiveKitKey"]

_ALGORITHM = "HS256"
_LEEWAY = 60  # seconds that the clocks of both machines may differ
_ADMIN_TTL = 60
_KINDS: dict[str, SfuEventKind] = {
    "room_started": "room_started",
    "room_finished": "room_finished",
    "participant_joined": "participant_joined",
    "participant_left": "participant_left",
}


class _Named(msgspec.Struct):
    """A room, which has a `name`, or a participant, which has an `identity`."""

    name: str = ""
    identity: str = ""


class _Told(msgspec.Struct, rename="camel"):
    """The part of a webhook's body that we read; 64-bit integers come as text."""

    event: str
    id: str = ""
    created_at: int | str = 0
    room: _Named | None = None
    participant: _Named | None = None


class LiveKitKey:
    """A key of a LiveKit server, by name and secret."""

    def __init__(self, name: str, secret: str) -> None:
        self._name = name
        self._secret = secret

    def __repr__(self) -> str:
        return "LiveKitKey(***)"

    def entry(self, room: str, identity: str, *, now: int, ttl: int) -> str:
        """Admits `identity` to `room` alone, to publish and subscribe: no administration, no other data."""
        grants = {
            "room": room,
            "roomJoin": True,
            "canPublish": True,
            "canSubscribe": True,
            "canPublishData": False,
            "canUpdateOwnMetadata": False,
        }
        return self._token({"sub": identity, "video": grants}, now=now, ttl=ttl)

    def administration(self, room: str, *, now: int) -> str:
        """For one request of ours about `room`; empty, about all of them."""
        grants = {"roomCreate": True, "roomList": True, "roomAdmin": True, "room": room}
        return self._token({"video": grants}, now=now, ttl=_ADMIN_TTL)

    def read(self, body: bytes, authorization: str, *, now: int) -> SfuEvent:
        """What LiveKit told.

        Raises:
            WebhookRefused: the token is not of this key, too old or too new, or of another body; or nothing
                that LiveKit writes.
        """
        claims = self._verified(authorization.removeprefix("Bearer "), now)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if not hmac.compare_digest(str(claims.get("sha256", "")).encode(), digest.encode()):
            raise WebhookRefused("the token is of another body")
        try:
            told = msgspec.json.decode(body, type=_Told)
            at = int(told.created_at) * 1000
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise WebhookRefused("no event") from error
        return SfuEvent(
            told.id,
            _KINDS.get(told.event, "other"),
            told.room.name if told.room else "",
            told.participant.identity if told.participant else None,
            at,
        )

    def _token(self, claims: Mapping[str, Any], *, now: int, ttl: int) -> str:
        second = now // 1000
        whole = {**claims, "iss": self._name, "nbf": second - _LEEWAY, "exp": second + ttl}
        return jwt.encode(whole, self._secret, algorithm=_ALGORITHM)

    def _verified(self, token: str, now: int) -> Mapping[str, Any]:
        try:
            # Times are compared below, with our own clock.
            claims: Mapping[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=self._name,
                options={"require": ["iss", "exp"], "verify_exp": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError as error:
            raise WebhookRefused(type(error).__name__) from error
        second = now // 1000
        exp, nbf = claims["exp"], claims.get("nbf", 0)
        if not isinstance(exp, int) or not isinstance(nbf, int):
            raise WebhookRefused("no times")
        if not nbf - _LEEWAY <= second <= exp + _LEEWAY:
            raise WebhookRefused("not of this time")
        return claims
