"""The files of a conversation."""

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files import store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.store import Attached
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.pagination import Page

__all__ = ["AttachedFiles", "Sent"]


class Sent(Struct, frozen=True):
    """A file that somebody sent; `sender_id` is None for senders that are no users. `sent_at` in ms."""

    file: FileRecord
    message_id: str
    sender_id: str | None
    sent_at: int


class AttachedFiles:
    """What messages of a conversation attach."""

    def __init__(self, database: Database, timeline: Timeline, conversations: Conversations) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations

    async def listed(
        self,
        user_id: str,
        conversation_id: str,
        content_type: str | None,
        *,
        before: tuple[int, str] | None,
        limit: int,
    ) -> Page[Sent]:
        """Files of messages that the member can see, newest first, below `before` (seq, file_id).

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """

        def query(conn: Connection) -> list[Attached]:
            member = self._conversations.member_in(conn, conversation_id, user_id)
            return store.attached_in(
                conn,
                conversation_id,
                visible_from=member.visible_from,
                content_type=content_type,
                before=before,
                limit=limit + 1,
            )

        found = await self._database.read(query)
        page, more = found[:limit], len(found) > limit
        messages = await self._timeline.messages_by_id({one.message_id for one in page}) if page else {}
        sent = [
            Sent(one.file, one.message_id, message.sender_id, message.sent_at)
            for one in page
            if (message := messages.get(one.message_id)) is not None and message.deleted_at is None
        ]
        return Page(sent, (page[-1].seq, page[-1].file.file_id) if more else None)
