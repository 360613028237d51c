"""Webhooks (HTTP reference §15)."""

from secureconnect.client.api.messages import Metadata
from secureconnect.client.api.request import UNSET, Nothing, given, path
from secureconnect.client.errors import ConnectionLost, ProtocolError
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.bots import Posted, Webhook

__all__ = ["WebhooksApi"]


class WebhooksApi:
    """`client.webhooks`; all but `post` only for admins of the conversation."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(self, conversation_id: str, name: str) -> Webhook:
        """A new webhook with its URL, which nobody can show again."""
        route = path("/v1/conversations/{}/webhooks", conversation_id)
        return part(await self._http.call("POST", route, Json, json={"name": name}), "webhook", Webhook)

    async def list(
        self, conversation_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Webhook]:
        """The webhooks of a conversation, newest first."""
        route = path("/v1/conversations/{}/webhooks", conversation_id)
        return await self._http.page(route, "webhooks", Webhook, cursor=cursor, limit=limit)

    async def rotate(self, conversation_id: str, webhook_id: str) -> Webhook:
        """Another URL; the old one stops at once."""
        route = path("/v1/conversations/{}/webhooks/{}/rotate", conversation_id, webhook_id)
        return part(await self._http.call("POST", route, Json, json={}), "webhook", Webhook)

    async def delete(self, conversation_id: str, webhook_id: str) -> None:
        """End a webhook."""
        route = path("/v1/conversations/{}/webhooks/{}", conversation_id, webhook_id)
        await self._http.call("DELETE", route, Nothing)

    async def post(
        self, url: str, text: str, *, username: str | None = None, metadata: Metadata | None = None
    ) -> Posted:
        """Post through a webhook's URL; needs no login. A post without an answer may have been taken.

        Raises:
            NotFound: the webhook is no more, or the URL is an old one.
            Forbidden: the conversation is encrypted now.
        """
        body = given(text=text, username=username or UNSET, metadata=metadata or UNSET)
        try:
            return await self._http.call("POST", url, Posted, json=body, login=False)
        except ConnectionLost as error:  # their texts name the URL, which is a secret
            raise ConnectionLost("no answer to a post through a webhook", sent=error.sent) from None
        except ProtocolError:
            raise ProtocolError("the answer to a post through a webhook is not understood") from None
