"""How far members have read and received."""

from secureconnect.features.conversations.api import Conversations, Marks, MyState
from secureconnect.features.messages.api import MessageNotices
from secureconnect.features.messages.rules import check_member, shows_receipts
from secureconnect.features.messages.service.receipts import Receipt, ReceiptKind, Receipts
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal

__all__ = ["MarkService"]


class MarkService:
    """Moves read and delivered marks; they never go back, and never beyond the head."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        users: Users,
        receipts: Receipts,
        clock: Clock,
        notices: MessageNotices | None = None,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._users = users
        self._receipts = receipts
        self._clock = clock
        self._notices = notices

    async def read(
        self, caller: Principal, conversation_id: str, seq: int, *, connection_id: str | None = None
    ) -> MyState:
        """Everything up to `seq` was read; a lower mark than the stored one changes nothing.

        Other members get a receipt, the caller's own other sockets its `my_state`. `connection_id` is the
        acting socket, when it was one.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        seq = await self._reached(caller, conversation_id, seq)
        now = self._clock.now()
        marks = await self._database.write(
            lambda tx: self._read_in(tx, conversation_id, caller.user_id, seq, now), brief=True
        )
        if not _members_only(marks).moved:
            return await self._conversations.my_state(conversation_id, caller.user_id)
        await self._receipt("read", caller, conversation_id, seq, now, connection_id)
        return await self._conversations.tell_my_state(
            conversation_id, caller.user_id, except_connection=connection_id
        )

    def _read_in(self, tx: WriteTx, conversation_id: str, user_id: str, seq: int, now: int) -> Marks | None:
        marks = self._conversations.advance_read_in(tx, conversation_id, user_id, seq, now)
        if marks is not None and marks.moved and self._notices is not None:
            self._notices.read_in(tx, user_id, conversation_id, marks.last_read_seq)
        return marks

    async def read_message(self, caller: Principal, conversation_id: str, message_id: str) -> MyState:
        """Like `read`, up to a message of the conversation.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        member = await self._conversations.member(conversation_id, caller.user_id)
        message = await self._timeline.message(message_id)
        if message is None or message.conversation_id != conversation_id:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such message in this conversation.")
        if message.seq < member.visible_from:
            raise ApiError(ErrorCode.FORBIDDEN, "This message is not open to you.")
        return await self.read(caller, conversation_id, message.seq)

    async def delivered(
        self, caller: Principal, conversation_id: str, seq: int, *, connection_id: str | None = None
    ) -> int:
        """Everything up to `seq` has arrived; returns the delivered mark.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        seq = await self._reached(caller, conversation_id, seq)
        marks = _members_only(
            await self._database.write(
                lambda tx: self._conversations.advance_delivered_in(tx, conversation_id, caller.user_id, seq)
            )
        )
        if marks.moved:
            now = self._clock.now()
            await self._receipt("delivered", caller, conversation_id, seq, now, connection_id)
        return marks.last_delivered_seq

    async def _reached(self, caller: Principal, conversation_id: str, seq: int) -> int:
        """`seq`, cut to the head, of a conversation that exists and that the caller takes part in."""
        check_member(await self._conversations.facts(conversation_id), caller.user_id)
        head = await self._timeline.head(conversation_id)
        if head is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such conversation.")
        return min(seq, head.last_seq)

    async def _receipt(
        self,
        kind: ReceiptKind,
        caller: Principal,
        conversation_id: str,
        seq: int,
        at: int,
        connection_id: str | None,
    ) -> None:
        facts = await self._conversations.facts(conversation_id)
        user = await self._users.get(caller.user_id)
        if facts is None or user is None:
            return
        if shows_receipts(facts, send_read_receipts=user.privacy.send_read_receipts):
            self._receipts.tell(Receipt(kind, conversation_id, caller.user_id, seq, at, connection_id))


def _members_only(marks: Marks | None) -> Marks:
    """The permission itself: the write happened only if the caller was a member in the same transaction."""
    if marks is None:
        raise ApiError(ErrorCode.FORBIDDEN, "Not a member of this conversation.")
    return marks
