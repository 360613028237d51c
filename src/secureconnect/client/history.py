"""What a chat reads over HTTP: where it stands, and the events that the socket did not bring."""

from secureconnect.client.api.conversations import ConversationsApi
from secureconnect.client.api.messages import MessagesApi
from secureconnect.client.feed import Position
from secureconnect.client.models.base import walk
from secureconnect.client.models.conversations import Conversation
from secureconnect.client.models.messages import EventPage

__all__ = ["HttpHistory"]


class HttpHistory:
    """Implements `feed.History`. With `only`, the world is that one conversation."""

    def __init__(
        self, messages: MessagesApi, conversations: ConversationsApi, *, only: str | None = None
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._only = only

    async def survey(self) -> list[Position]:
        """Every conversation of the caller."""
        if self._only is not None:
            return [await self.position(self._only)]
        return [
            Position(
                conversation_id=entry.conversation_id,
                first_seq=entry.first_seq,
                last_seq=entry.last_seq,
                last_read_seq=entry.last_read_seq,
            )
            async for entry in walk(self._messages.sync, limit=1000)
        ]

    async def position(self, conversation_id: str) -> Position:
        """One of them."""
        conversation = await self.conversation(conversation_id)
        return Position(
            conversation_id=conversation_id,
            first_seq=conversation.my.first_visible_seq,
            last_seq=conversation.last_seq,
            last_read_seq=conversation.my.last_read_seq,
        )

    async def conversation(self, conversation_id: str) -> Conversation:
        """The whole object."""
        return await self._conversations.get(conversation_id)

    async def events(self, conversation_id: str, *, after_seq: int, limit: int) -> EventPage:
        """The next events above `after_seq`."""
        return await self._messages.events(conversation_id, after_seq=after_seq, limit=limit)
