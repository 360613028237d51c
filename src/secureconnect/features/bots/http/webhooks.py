"""Webhooks of a conversation, for its admins."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.bots.service import SeenWebhook, WebhookService
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = ["HookName", "routes"]

_LIST = "webhooks"
_ADMINS = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)

HookName = Annotated[str, Meta(min_length=1, max_length=80, extra={"clean": "name"})]


class WebhookQuery(Struct):
    cursor: Cursor | None = None
    limit: Limit = 50


class CreateWebhook(Struct):
    """The name under which it posts."""

    name: HookName


class Webhook(Struct, frozen=True, kw_only=True):
    """A webhook. `url` is given only where its secret was just made."""

    webhook_id: Id
    conversation_id: Id
    name: str
    created_by: Id
    created_at: Time
    last_used_at: Time | None
    url: str | UnsetType = UNSET


class OneWebhook(Struct, frozen=True):
    """A webhook with its URL, which is shown this once."""

    webhook: Webhook


class WebhookPage(Listed, frozen=True, kw_only=True):
    """Webhooks, newest first."""

    webhooks: list[Webhook]


def routes(service: WebhookService, paging: Paging) -> list[Route]:
    """Making and ending webhooks."""

    async def create(call: Call[CreateWebhook, None]) -> Reply:
        seen = await service.create(call.caller, call.context, call.path["id"], call.body.name)
        return Reply(OneWebhook(_render(seen)), 201)

    async def listed(call: Call[None, WebhookQuery]) -> Reply:
        conversation_id = call.path["id"]
        after = paging.after(call, _LIST, conversation_id)
        page = await service.page(
            call.caller.user_id,
            conversation_id,
            after=(after[0], after[1]) if after else None,
            limit=call.query.limit,
        )
        shown = [_render(seen) for seen in page.items]
        return Reply(WebhookPage(webhooks=shown, **paging.end(call, page, _LIST, conversation_id)))

    async def rotate(call: Call[None, None]) -> Reply:
        seen = await service.rotate(call.caller, call.context, call.path["id"], call.path["webhook_id"])
        return Reply(OneWebhook(_render(seen)))

    async def delete(call: Call[None, None]) -> Reply:
        await service.delete(call.caller, call.context, call.path["id"], call.path["webhook_id"])
        return done("The webhook lets nobody in any more.")

    return [
        Route(
            method="POST",
            path="/v1/conversations/{id}/webhooks",
            handler=create,
            summary="Make a webhook; its URL is shown once",
            tag="webhooks",
            row="conversation",
            body=CreateWebhook,
            returns={201: OneWebhook},
            errors=(*_ADMINS, ErrorCode.E2EE_BLOCKED, ErrorCode.LIMIT_REACHED),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/conversations/{id}/webhooks",
            handler=listed,
            summary="Webhooks of a conversation",
            tag="webhooks",
            row="conversation",
            query=WebhookQuery,
            returns={200: WebhookPage},
            errors=_ADMINS,
        ),
        Route(
            method="POST",
            path="/v1/conversations/{id}/webhooks/{webhook_id}/rotate",
            handler=rotate,
            summary="Another URL for a webhook; the old one stops at once",
            tag="webhooks",
            row="conversation",
            returns={200: OneWebhook},
            errors=_ADMINS,
            replayable=False,
        ),
        Route(
            method="DELETE",
            path="/v1/conversations/{id}/webhooks/{webhook_id}",
            handler=delete,
            summary="End a webhook",
            tag="webhooks",
            row="conversation",
            returns={200: Done},
            errors=_ADMINS,
        ),
    ]


def _render(seen: SeenWebhook) -> Webhook:
    webhook = seen.webhook
    return Webhook(
        webhook_id=webhook.webhook_id,
        conversation_id=webhook.conversation_id,
        name=webhook.name,
        created_by=webhook.created_by,
        created_at=rfc3339(webhook.created_at),
        last_used_at=rfc3339(webhook.last_used_at) if webhook.last_used_at is not None else None,
        url=seen.url if seen.url is not None else UNSET,
    )
