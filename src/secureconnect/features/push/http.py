"""Routes of pushes (docs/reference/http.md)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.edge.validation import Opaque
from secureconnect.features.push.api import Platform, Provider, PushKind
from secureconnect.features.push.rules import key_bytes
from secureconnect.features.push.service import Devices, PushQueue, Receipts
from secureconnect.features.push.service.devices import Device
from secureconnect.features.push.store import Delivery, Token
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.objects import Id, Time

__all__ = ["routes"]

_LIST = "push_deliveries"
_Token = Annotated[Opaque, Meta(min_length=1, max_length=4096)]


class Keys(Struct):
    """What a browser's subscription names so, base64url."""

    p256dh: Annotated[Opaque, Meta(min_length=1, max_length=200)]
    auth: Annotated[Opaque, Meta(min_length=1, max_length=64)]


class RegisterToken(Struct):
    """A device. For `webpush` (`web` means the same) the token is the subscription's endpoint, and it needs
    the keys."""

    token: _Token
    type: Literal["fcm", "apns", "webpush", "web"]
    device_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    platform: Platform | None = None
    keys: Keys | None = None


class RemoveToken(Struct):
    token: _Token


class TestPush(Struct):
    """What to show on the caller's own devices."""

    title: Annotated[str, Meta(min_length=1, max_length=100, extra={"clean": "name"})]
    body: Annotated[str, Meta(min_length=1, max_length=500)]


class DeliveryQuery(Struct):
    cursor: Cursor | None = None
    limit: Limit = 20


class Registered(Struct, frozen=True):
    """The token takes pushes."""

    message: str
    token_id: Id


class PushToken(Struct, frozen=True, kw_only=True):
    """A device; of its token only the first and last eight characters."""

    token_id: Id
    type: Provider
    token: str
    device_id: str | None
    platform: Platform | None
    active: bool
    last_success_at: Time | None
    last_error: str | None
    created_at: Time
    updated_at: Time


class PushTokens(Struct, frozen=True):
    """All of them, those that take no pushes any more too."""

    tokens: list[PushToken]
    count: int


class ActiveTokens(Struct, frozen=True):
    """How many take pushes."""

    active_tokens_count: int


class Deleted(Struct, frozen=True):
    """How many were removed."""

    deleted: int


class Queued(Struct, frozen=True):
    """How many devices it goes to."""

    queued: int


class PushDelivery(Struct, frozen=True, kw_only=True):
    """What became of one push to one device."""

    delivery_id: Id
    token_id: Id
    kind: PushKind
    status: Literal["queued", "sent", "acked", "failed", "expired"]
    attempts: int
    last_error: str | None
    created_at: Time
    updated_at: Time


class DeliveryPage(Listed, frozen=True, kw_only=True):
    """Deliveries, newest first."""

    deliveries: list[PushDelivery]


class PublicKey(Struct, frozen=True):
    """The application server key of browsers' subscriptions, base64url."""

    public_key: str


def routes(
    devices: Devices, queue: PushQueue, receipts: Receipts, paging: Paging, *, public_key: str | None
) -> list[Route]:
    """Devices, deliveries, and the key of Web Push."""

    async def register(call: Call[RegisterToken, None]) -> Reply:
        return Reply(
            Registered("The device takes pushes.", await devices.register(call.caller, _device(call.body)))
        )

    async def listed(call: Call[None, None]) -> Reply:
        tokens = [_show_token(token) for token in await devices.list(call.caller)]
        return Reply(PushTokens(tokens, len(tokens)))

    async def count(call: Call[None, None]) -> Reply:
        return Reply(ActiveTokens(await devices.count(call.caller)))

    async def remove(call: Call[RemoveToken, None]) -> Reply:
        await devices.remove(call.caller, call.body.token)
        return done("The device takes no pushes any more.")

    async def remove_all(call: Call[None, None]) -> Reply:
        return Reply(Deleted(await devices.remove_all(call.caller)))

    async def test(call: Call[TestPush, None]) -> Reply:
        return Reply(Queued(await queue.test(call.caller, call.body.title, call.body.body)), 202)

    async def deliveries(call: Call[None, DeliveryQuery]) -> Reply:
        after = paging.after(call, _LIST)
        page = await receipts.page(call.caller, before=after[0] if after else None, limit=call.query.limit)
        shown = [_show_delivery(delivery) for delivery in page.items]
        return Reply(DeliveryPage(deliveries=shown, **paging.end(call, page, _LIST)))

    async def webpush_key(_: Call[None, None]) -> Reply:
        if public_key is None:
            raise ApiError(ErrorCode.FEATURE_DISABLED, "This server does not push by webpush.")
        return Reply(PublicKey(public_key))

    base = "/v1/push"
    return [
        Route(
            method="POST",
            path=f"{base}/tokens",
            handler=register,
            summary="Take pushes on this device",
            tag="push",
            row="push_tokens",
            body=RegisterToken,
            returns={200: Registered},
            errors=(ErrorCode.FEATURE_DISABLED, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="GET",
            path=f"{base}/tokens",
            handler=listed,
            summary="The caller's devices that take pushes, or did",
            tag="push",
            row="push_tokens",
            returns={200: PushTokens},
        ),
        Route(
            method="GET",
            path=f"{base}/tokens/count",
            handler=count,
            summary="How many of the caller's devices take pushes",
            tag="push",
            row="push_tokens",
            returns={200: ActiveTokens},
        ),
        Route(
            method="DELETE",
            path=f"{base}/tokens",
            handler=remove,
            summary="Take no pushes on a device any more",
            tag="push",
            row="push_tokens",
            body=RemoveToken,
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path=f"{base}/tokens/all",
            handler=remove_all,
            summary="Take no pushes on any device any more",
            tag="push",
            row="push_tokens",
            returns={200: Deleted},
        ),
        Route(
            method="POST",
            path=f"{base}/test",
            handler=test,
            summary="Push something to the caller's own devices",
            tag="push",
            row="push_test",
            body=TestPush,
            returns={202: Queued},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="GET",
            path=f"{base}/deliveries",
            handler=deliveries,
            summary="What became of the pushes to the caller, newest first",
            tag="push",
            row="push_tokens",
            query=DeliveryQuery,
            returns={200: DeliveryPage},
        ),
        Route(
            method="GET",
            path=f"{base}/webpush-key",
            handler=webpush_key,
            summary="The key that browsers subscribe with",
            tag="push",
            row="push_tokens",
            returns={200: PublicKey},
            errors=(ErrorCode.FEATURE_DISABLED,),
        ),
    ]


def _device(body: RegisterToken) -> Device:
    provider: Provider = "webpush" if body.type == "web" else body.type
    if provider == "webpush" and body.keys is None:
        raise invalid("keys", "is needed for webpush")
    keys = body.keys if provider == "webpush" else None
    return Device(
        provider=provider,
        token=body.token,
        device_id=body.device_id,
        platform=body.platform,
        p256dh=key_bytes(keys.p256dh) if keys is not None else b"",
        auth=key_bytes(keys.auth) if keys is not None else b"",
    )


def _show_token(token: Token) -> PushToken:
    return PushToken(
        token_id=token.token_id,
        type=token.type,
        token=token.token_hint,
        device_id=token.device_id,
        platform=token.platform,
        active=token.active,
        last_success_at=rfc3339(token.last_success_at) if token.last_success_at is not None else None,
        last_error=token.last_error,
        created_at=rfc3339(token.created_at),
        updated_at=rfc3339(token.updated_at),
    )


def _show_delivery(delivery: Delivery) -> PushDelivery:
    return PushDelivery(
        delivery_id=delivery.delivery_id,
        token_id=delivery.token_id,
        kind=delivery.kind,
        status=delivery.status,
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        created_at=rfc3339(delivery.created_at),
        updated_at=rfc3339(delivery.updated_at),
    )
