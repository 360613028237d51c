"""What other features are told."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages import store
from secureconnect.features.messages.api import DeleteReason, Outgoing
from secureconnect.features.messages.rules import check_member, no_conversation
from secureconnect.features.messages.service.deleting import DeleteService, Eraser
from secureconnect.features.messages.service.posting import Poster
from secureconnect.features.messages.service.viewing import TimelineView
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.kit.objects import Message
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Neighbours"]


class Neighbours:
    """Implements `messages.api.Messages`."""

    def __init__(
        self,
        conversations: Conversations,
        poster: Poster,
        deleting: DeleteService,
        eraser: Eraser,
        view: TimelineView,
    ) -> None:
        self._conversations = conversations
        self._poster = poster
        self._deleting = deleting
        self._eraser = eraser
        self._view = view

    async def post(self, outgoing: Outgoing) -> Message:
        facts = await self._conversations.facts(outgoing.conversation_id)
        if outgoing.sender_id is not None:
            facts = check_member(facts, outgoing.sender_id)
        if facts is None:
            raise no_conversation()
        return (await self._poster.post(outgoing, facts)).message

    async def delete(self, caller: Principal, message_id: str, context: RequestContext) -> None:
        await self._deleting.for_everyone(caller, message_id, context)

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: DeleteReason
    ) -> int | None:
        return self._eraser.delete_in(tx, message, at=at, by=by, reason=reason)

    async def rendered(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[Message]:
        return await self._view.rendered(viewer_id, stored)

    def hidden_in(self, conn: Connection, user_id: str, message_ids: Collection[str]) -> set[str]:
        return set(store.hidden_among(conn, user_id, message_ids))

    def called_in(
        self, conn: Connection, conversation_id: str, first: int, last: int
    ) -> Mapping[int, set[str]]:
        return store.called(conn, conversation_id, first, last)
