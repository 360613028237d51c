"""Where the URLs of webhooks lead."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Call, Reply, Route
from secureconnect.features.bots.http.webhooks import HookName
from secureconnect.features.bots.service import HookService, Post
from secureconnect.features.messages.api import Metadata
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id

__all__ = ["routes"]

_Text = Annotated[str, Meta(min_length=1, max_length=10_000)]


class HookPost(Struct):
    """A post. `content` is another name for `text`; `username` stands in for the webhook's name."""

    text: _Text | None = None
    content: _Text | None = None
    username: HookName | None = None
    metadata: Metadata | None = None


class Posted(Struct, frozen=True):
    """The message that came of it."""

    message_id: Id
    seq: int


def routes(service: HookService) -> list[Route]:
    """Posting."""

    async def post(call: Call[HookPost, None]) -> Reply:
        body = call.body
        message = await service.post(
            call.path["webhook_id"],
            call.path["secret"],
            Post({"text": body.text, "content": body.content}, body.username, body.metadata),
            call.context,
        )
        return Reply(Posted(message.message_id, message.seq), 201)

    return [
        Route(
            method="POST",
            path="/v1/hooks/{webhook_id}/{secret}",
            handler=post,
            summary="Post through a webhook; its URL is the credential",
            tag="webhooks",
            access=Access.PUBLIC,
            row="hooks",
            limit_by="webhook_id",
            body=HookPost,
            returns={201: Posted},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.E2EE_BLOCKED, ErrorCode.TIMELINE_UNAVAILABLE),
        )
    ]
