"""Who received and read a message."""

from msgspec import Struct

from secureconnect.features.conversations.api import Conversations, Reader
from secureconnect.features.messages.rules import no_message
from secureconnect.features.messages.service.reading import ReadService
from secureconnect.features.users.api import Users
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["MessageReceipt", "ReceiptsPage", "ReceiverService"]


class MessageReceipt(Struct, frozen=True):
    """How far one member is with a message. `read_at` is when its read mark last moved."""

    user_id: Id
    delivered: bool
    read: bool
    read_at: Time | None


class ReceiptsPage(Struct, frozen=True):
    """Receipts of members who send them, ascending by user id."""

    receipts: list[MessageReceipt]
    next_cursor: str | None
    has_more: bool


class ReceiverService:
    """Tells senders and admins who has read a message."""

    def __init__(
        self, conversations: Conversations, users: Users, reading: ReadService, cursors: Cursors
    ) -> None:
        self._conversations = conversations
        self._users = users
        self._reading = reading
        self._cursors = cursors

    async def receipts(
        self, caller: Principal, message_id: str, *, cursor: str | None, limit: int
    ) -> ReceiptsPage:
        """Who received and read a message, its sender left out.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` (neither its sender nor an admin).
        """
        scope = ("receipts", message_id, caller.user_id)
        after: str | None = None
        if cursor is not None:
            (after,) = self._cursors.decode(scope, cursor)
        message = await self._reading.opened(caller.user_id, message_id)
        member = await self._conversations.member(message.conversation_id, caller.user_id)
        if message.sender_id != caller.user_id and not member.is_admin:
            raise ApiError(ErrorCode.FORBIDDEN, "Only its sender and admins see who has read a message.")
        if message.deleted_at is not None:
            raise no_message()
        found = await self._conversations.readers(message.conversation_id, after=after, limit=limit + 1)
        page, has_more = found[:limit], len(found) > limit
        facts = await self._conversations.facts(message.conversation_id)
        people = await self._users.many([reader.user_id for reader in page])
        shown = [
            _receipt(reader, message.seq)
            for reader in page
            if reader.user_id != message.sender_id
            and reader.visible_from <= message.seq
            and not (facts is not None and facts.blocked)
            and (record := people.get(reader.user_id)) is not None
            and record.privacy.send_read_receipts
        ]
        return ReceiptsPage(
            shown, self._cursors.encode(scope, (page[-1].user_id,)) if has_more else None, has_more
        )


def _receipt(reader: Reader, seq: int) -> MessageReceipt:
    read = reader.last_read_seq >= seq
    at = reader.last_read_at if read else None
    return MessageReceipt(
        reader.user_id,
        reader.last_delivered_seq >= seq,
        read,
        rfc3339(at) if at is not None else None,
    )
