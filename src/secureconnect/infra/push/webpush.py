"""Web Push (RFC 8030): pushes to browsers, through whatever service their subscription names."""

import base64
import hashlib
import ssl
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from secureconnect.infra.push.base import (
    Push,
    PushDelayed,
    PushGone,
    PushRefused,
    Target,
    TargetFault,
    fitted,
)
from secureconnect.infra.push.destinations import Destinations
from secureconnect.infra.push.encryption import AUTH_BYTES, MAX_PLAINTEXT, encrypt, is_point
from secureconnect.infra.push.retry_after import retry_after
from secureconnect.infra.push.vapid import Vapid
from secureconnect.kit.clock import Clock
from secureconnect.kit.urls import is_web_url

if TYPE_CHECKING:
    from secureconnect.infra.push.posting import Poster

__all__ = ["WebPush"]

_LOOK_UP = 2.0  # seconds that a name may take
_TOPIC_BYTES = 24  # 32 characters (RFC 8030 §5.4)


class WebPush:
    """Posts to the URL of the subscription, encrypted for its browser and signed as ours.

    Redirects are not followed, and of what the service answers only status and `Retry-After` count.

    Args:
        allow_http: services without TLS are fine (development).
        tls: checks certificates; the system's authorities by default.
    """

    def __init__(
        self,
        vapid: Vapid,
        destinations: Destinations,
        clock: Clock,
        *,
        allow_http: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._vapid = vapid
        self._destinations = destinations
        self._clock = clock
        self._allow_http = allow_http
        self._tls = tls
        self._opened = False

    @cached_property
    def _poster(self) -> "Poster":
        # Takes time to load that a server without subscriptions does not need.
        from secureconnect.infra.push.posting import Poster

        self._opened = True
        return Poster(self._destinations, self._tls)

    async def check(self, target: Target) -> None:
        url = target.token
        if (
            not url.isascii()
            or not is_web_url(url, allow_http=self._allow_http)
            or "@" in urlsplit(url).netloc
        ):
            raise TargetFault("token", "must be the https URL of a subscription")
        if not is_point(target.p256dh):
            raise TargetFault("keys.p256dh", "is not a point on P-256 in base64url")
        if len(target.auth) != AUTH_BYTES:
            raise TargetFault("keys.auth", f"is not {AUTH_BYTES} bytes in base64url")
        host, port = _host_and_port(url)
        if not await self._destinations.allowed(host, port, timeout=_LOOK_UP):
            raise TargetFault("token", "leads to an address that is not public")

    async def send(self, target: Target, push: Push) -> None:
        now = self._clock.now()
        body = encrypt(fitted(push, _payload, MAX_PLAINTEXT), target.p256dh, target.auth)
        headers = [
            (b"Authorization", self._vapid.authorization(target.token).encode()),
            (b"Content-Encoding", b"aes128gcm"),
            (b"Content-Type", b"application/octet-stream"),
            (b"Content-Length", str(len(body)).encode()),
            (b"TTL", str(max(0, (push.expires_at - now) // 1000)).encode()),
            (b"Urgency", b"high" if push.urgent else b"normal"),
        ]
        if push.topic is not None:
            headers.append((b"Topic", _topic(push.topic)))
        status, after = await self._poster.post(target.token, headers, body)
        if status in {404, 410}:
            raise PushGone(f"the push service answered {status}")
        if status in {408, 429} or status >= 500:
            raise PushDelayed(f"the push service answered {status}", retry_after(after, now))
        if not 200 <= status < 300:
            raise PushRefused(f"the push service answered {status}")

    async def close(self) -> None:
        if self._opened:
            await self._poster.close()


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _payload(push: Push) -> dict[str, Any]:
    return {
        "delivery_id": push.push_id,
        "kind": push.kind,
        "title": push.title,
        "body": push.body,
        "badge": push.badge,
        "data": push.data,
    }


def _topic(topic: str) -> bytes:
    """As the header wants it, and saying nothing to the service."""
    return base64.urlsafe_b64encode(hashlib.sha256(topic.encode()).digest()[:_TOPIC_BYTES])
