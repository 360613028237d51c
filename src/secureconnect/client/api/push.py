"""Pushes to the caller's devices (HTTP reference §14)."""

from secureconnect.client.api.request import UNSET, Nothing, given
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.push import PushDelivery, PushToken

__all__ = ["PushApi"]


class PushApi:
    """`client.push`. A device takes pushes for as long as the session lasts that registered it; when one
    arrives, `chat.acknowledge_push` says so."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def webpush_key(self) -> str:
        """The application server key that a browser subscribes with, base64url."""
        return part(await self._http.call("GET", "/v1/push/webpush-key", Json), "public_key", str)

    async def register(
        self, type_: str, token: str, *, device_id: str | None = None, platform: str | None = None
    ) -> str:
        """Take pushes on a device that `fcm` or `apns` know by this token; returns the token's id.

        Raises:
            Forbidden: the server does not push by them. Conflict: too many devices.
        """
        return await self._register(type_, token, device_id=device_id, platform=platform)

    async def register_browser(
        self, endpoint: str, *, p256dh: str, auth: str, device_id: str | None = None
    ) -> str:
        """Take pushes in a browser, by what its `PushSubscription` says; returns the token's id.

        Raises:
            InvalidRequest: nothing can be sent there. Conflict: too many devices.
        """
        keys = {"p256dh": p256dh, "auth": auth}
        return await self._register("webpush", endpoint, keys=keys, device_id=device_id, platform="web")

    async def tokens(self) -> list[PushToken]:
        """The caller's devices, those that take no pushes any more too."""
        return part(await self._http.call("GET", "/v1/push/tokens", Json), "tokens", list[PushToken])

    async def count(self) -> int:
        """How many of them take pushes."""
        return part(await self._http.call("GET", "/v1/push/tokens/count", Json), "active_tokens_count", int)

    async def remove(self, token: str) -> None:
        """Take no pushes on this device any more.

        Raises:
            NotFound: it is none of the caller's.
        """
        await self._http.call("DELETE", "/v1/push/tokens", Nothing, json={"token": token})

    async def remove_all(self) -> int:
        """Take none on any device; returns how many there were."""
        return part(await self._http.call("DELETE", "/v1/push/tokens/all", Json), "deleted", int)

    async def test(self, title: str, body: str) -> int:
        """Push this to the caller's own devices; returns how many there are.

        Raises:
            NotFound: there is none.
        """
        fields = {"title": title, "body": body}
        return part(
            await self._http.call("POST", "/v1/push/test", Json, json=fields, once=True), "queued", int
        )

    async def deliveries(self, *, cursor: str | None = None, limit: int | None = None) -> Page[PushDelivery]:
        """What became of the pushes to the caller, newest first."""
        return await self._http.page(
            "/v1/push/deliveries", "deliveries", PushDelivery, cursor=cursor, limit=limit
        )

    async def _register(self, type_: str, token: str, **fields: object) -> str:
        given_fields = {name: UNSET if value is None else value for name, value in fields.items()}
        body = given(type=type_, token=token, **given_fields)
        data = await self._http.call("POST", "/v1/push/tokens", Json, json=body, once=True)
        return part(data, "token_id", str)
