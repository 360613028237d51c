"""Firebase Cloud Messaging, HTTP v1 (https://firebase.google.com/docs/reference/fcm/rest/v1)."""

import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import httpx
import msgspec

from secureconnect.infra.push.base import Push, PushDelayed, PushGone, PushRefused, Target, fitted
from secureconnect.infra.push.fcm_account import FcmAccount
from secureconnect.infra.push.fcm_tokens import AccessTokens
from secureconnect.infra.push.retry_after import retry_after
from secureconnect.kit.clock import Clock

__all__ = ["Fcm"]

_URL = "https://fcm.googleapis.com"
_TIMEOUT = 8.0
_LIMIT = 4000  # of 4096 bytes for what the device gets; what stands around it is counted here too
_QUOTA_WAIT = 60.0  # what Firebase asks for where it names no time
#: The registration is not of this project, so that it never works.
_NOT_OURS: Final = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})


class _Violation(msgspec.Struct, frozen=True):
    field: str = ""


class _Detail(msgspec.Struct, frozen=True, rename="camel"):
    error_code: str = ""
    field_violations: tuple[_Violation, ...] = ()


class _Error(msgspec.Struct, frozen=True):
    status: str = ""
    details: tuple[_Detail, ...] = ()


class _Failure(msgspec.Struct, frozen=True):
    error: _Error = _Error()


class Fcm:
    """Sends to Firebase.

    Args:
        url: where Firebase is.
        tls: checks certificates; the system's authorities by default.
    """

    def __init__(
        self,
        account: FcmAccount,
        clock: Clock,
        *,
        url: str = _URL,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._account = account
        self._clock = clock
        self._url = f"{url}/v1/projects/{account.project_id}/messages:send"
        self._tls = tls
        self._opened = False

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        self._opened = True
        tls = self._tls or ssl.create_default_context()
        return httpx.AsyncClient(http2=True, verify=tls, timeout=_TIMEOUT, trust_env=False)

    @cached_property
    def _tokens(self) -> AccessTokens:
        return AccessTokens(self._account, self._client, self._clock)

    async def check(self, target: Target) -> None:
        """Only the provider knows."""

    async def send(self, target: Target, push: Push) -> None:
        now = self._clock.now()
        seconds = max(0, (push.expires_at - now) // 1000)
        message = fitted(push, lambda fitting: _message(target, fitting, seconds), _LIMIT)
        body = msgspec.json.encode(
            {"message": {"token": target.token, **msgspec.json.decode(message, type=dict[str, Any])}}
        )
        token = await self._tokens.get()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise PushDelayed(type(error).__name__, unreachable=True) from error
        if answer.status_code == 401:
            self._tokens.refused(token)
        if answer.status_code != 200:
            raise _failure(answer, now)

    async def close(self) -> None:
        if self._opened:
            await self._client.aclose()


def _message(target: Target, push: Push, seconds: int) -> Mapping[str, Any]:
    data = {**push.data, "delivery_id": push.push_id, "kind": push.kind, "badge": str(push.badge)}
    android: dict[str, Any] = {"priority": "HIGH" if push.urgent else "NORMAL", "ttl": f"{seconds}s"}
    headers = {
        "apns-priority": "10" if push.urgent or not push.quiet else "5",
        "apns-expiration": str(push.expires_at // 1000),
    }
    if push.topic is not None:
        # No `collapse_key`: Firebase keeps four of them per device and drops what has a fifth.
        headers["apns-collapse-id"] = push.topic
    message: dict[str, Any] = {"data": data, "android": android}
    if push.quiet:
        data |= {"title": push.title, "body": push.body}
    else:
        message["notification"] = {"title": push.title, "body": push.body}
        android["notification"] = {"notification_count": push.badge}
        if push.topic is not None:
            android["notification"]["tag"] = push.topic
    if target.platform == "ios":
        aps: dict[str, Any] = {"badge": push.badge}
        if push.quiet:
            aps |= {"alert": {"title": push.title, "body": push.body}, "sound": "default"}
        message["apns"] = {"headers": headers, "payload": {"aps": aps}}
    return message


def _failure(answer: httpx.Response, now: int) -> PushGone | PushRefused | PushDelayed:
    try:
        error = msgspec.json.decode(answer.content, type=_Failure).error
    except msgspec.DecodeError:
        error = _Error()
    status = answer.status_code
    codes = {detail.error_code for detail in error.details} - {""}
    code = min(codes, default=error.status) or str(status)
    reason = f"FCM answered {status} {code}" if code != str(status) else f"FCM answered {status}"
    if codes & _NOT_OURS:
        return PushGone(reason)
    named = {violation.field for detail in error.details for violation in detail.field_violations}
    if status == 400 and "message.token" in named:
        return PushGone(reason)
    after = retry_after(answer.headers.get("retry-after"), now)
    if status == 429:
        return PushDelayed(reason, after or _QUOTA_WAIT)
    # 401 and 403 are about our credentials, 404 without a code about our project: the operator can mend it.
    if status >= 500 or status in {401, 403, 404, 408}:
        return PushDelayed(reason, after, unreachable=True)
    return PushRefused(reason)
