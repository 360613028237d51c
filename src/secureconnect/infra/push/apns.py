"""Apple Push Notification service over HTTP/2, with token authentication
(https://developer.apple.com/documentation/usernotifications).
"""

import hashlib
import ssl
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from secureconnect.infra.push.apns_tokens import ProviderTokens
from secureconnect.infra.push.base import Push, PushDelayed, PushGone, PushRefused, Target, fitted
from secureconnect.infra.push.retry_after import retry_after
from secureconnect.kit.clock import Clock

__all__ = ["Apns"]

_PRODUCTION = "https://api.push.apple.com"
_SANDBOX = "https://api.sandbox.push.apple.com"
_TIMEOUT = 8.0
_LIMIT = 4096
_COLLAPSE_BYTES = 64
_GONE: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
#: About our key or app, not about this push: the operator can mend it.
_ABOUT_US: Final = frozenset(
    {
        "BadCertificate",
        "BadCertificateEnvironment",
        "BadTopic",
        "ExpiredProviderToken",
        "Forbidden",
        "InvalidProviderToken",
        "MissingProviderToken",
        "MissingTopic",
        "TooManyProviderTokenUpdates",
        "TopicDisallowed",
    }
)


class _Failure(msgspec.Struct):
    reason: str = ""
    timestamp: int | None = None


class Apns:
    """Sends to Apple.

    Args:
        bundle_id: of the app.
        url: where Apple is; `production` chooses it otherwise.
        tls: checks certificates; the system's authorities by default.
    """

    def __init__(
        self,
        tokens: ProviderTokens,
        bundle_id: str,
        clock: Clock,
        *,
        production: bool = True,
        url: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tokens = tokens
        self._bundle_id = bundle_id
        self._clock = clock
        self._url = url or (_PRODUCTION if production else _SANDBOX)
        self._tls = tls
        self._opened = False

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        self._opened = True
        tls = self._tls or ssl.create_default_context()
        return httpx.AsyncClient(http1=False, http2=True, verify=tls, timeout=_TIMEOUT, trust_env=False)

    async def check(self, target: Target) -> None:
        """Only the provider knows."""

    async def send(self, target: Target, push: Push) -> None:
        body = fitted(push, _payload, _LIMIT)
        token = self._tokens.get()
        headers = {
            "authorization": f"bearer {token}",
            "content-type": "application/json",
            "apns-id": push.push_id,
            "apns-topic": self._bundle_id,
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(push.expires_at // 1000),
        }
        if push.topic is not None:
            headers["apns-collapse-id"] = _collapse_id(push.topic)
        url = f"{self._url}/3/device/{quote(target.token, safe='')}"
        try:
            answer = await self._client.post(url, content=body, headers=headers)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            if isinstance(error, httpx.InvalidURL):
                raise PushGone("not a device token") from error
            raise PushDelayed(type(error).__name__, unreachable=True) from error
        if answer.status_code != 200:
            failure = _failure(answer, self._clock.now())
            if "ExpiredProviderToken" in failure.reason:
                self._tokens.expired(token)
            raise failure

    async def close(self) -> None:
        if self._opened:
            await self._client.aclose()


def _payload(push: Push) -> dict[str, Any]:
    aps: dict[str, Any] = {
        "alert": {"title": push.title, "body": push.body},
        "badge": push.badge,
        "sound": "default",
        "mutable-content": 1,  # the app may put what it decrypts in place of this text
    }
    if (conversation_id := push.data.get("conversation_id")) is not None:
        aps["thread-id"] = conversation_id
    if push.urgent:
        aps["interruption-level"] = "time-sensitive"
    return {"aps": aps, "delivery_id": push.push_id, "kind": push.kind, "data": push.data}


def _collapse_id(topic: str) -> str:
    return topic if len(topic.encode()) <= _COLLAPSE_BYTES else hashlib.sha256(topic.encode()).hexdigest()


def _failure(answer: httpx.Response, now: int) -> PushGone | PushRefused | PushDelayed:
    try:
        failure = msgspec.json.decode(answer.content, type=_Failure)
    except msgspec.DecodeError:
        failure = _Failure()
    status, known = answer.status_code, failure.reason if failure.reason.isalnum() else ""
    reason = f"APNs answered {status} {known[:50]}".rstrip()
    if status == 410 or known in _GONE:
        return PushGone(reason, failure.timestamp)
    after = retry_after(answer.headers.get("retry-after"), now)
    if known in _ABOUT_US or status in {401, 403}:
        return PushDelayed(reason, after, unreachable=True)
    if status >= 500:
        return PushDelayed(reason, after, unreachable=True)
    if status in {408, 429}:
        return PushDelayed(reason, after)
    return PushRefused(reason)
