"""Looking at calls: one, one's own, and how they were."""

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.api import Call, ParticipantState
from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.service.rendering import render_call
from secureconnect.features.calls.store import Listed
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["CallReadService", "CallsPage", "ListedCall"]


class ListedCall(Call, frozen=True, kw_only=True):
    """A call of one's own history."""

    direction: str
    my_state: ParticipantState


class CallsPage(Struct, frozen=True):
    """Calls, newest first."""

    calls: list[ListedCall]
    next_cursor: str | None
    has_more: bool


class CallReadService:
    """What people see of calls. Implements `CallDoor` of the edge."""

    def __init__(
        self, database: Database, conversations: Conversations, users: Users, cursors: Cursors
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._users = users
        self._cursors = cursors

    async def call(self, caller: Principal, call_id: str) -> Call:
        """One call, for whoever was called or may read that it began.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        talk = await self._database.lookup(lambda conn: self.readable_in(conn, caller.user_id, call_id))
        return await self.shown(talk)

    def readable_in(self, conn: Connection, user_id: str, call_id: str) -> Talk:
        """Like `call`, within a transaction."""
        talk = store.find(conn, call_id)
        if talk is None:
            raise rules.no_call()
        person = talk.people.get(user_id)
        if person is not None and not person.withdrawn:
            return talk
        try:
            member = self._conversations.member_in(conn, talk.call.conversation_id, user_id)
        except ApiError as error:
            raise ApiError(ErrorCode.FORBIDDEN, "This call is not open to you.") from error
        if talk.call.seq < member.visible_from:
            raise ApiError(ErrorCode.FORBIDDEN, "This call is not open to you.")
        return talk

    async def require(self, user_id: str, call_id: str) -> None:
        """See `CallDoor`."""
        await self.signalable(user_id, call_id)

    async def signalable(self, user_id: str, call_id: str) -> Talk:
        """A call whose signaling socket the user may open.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """

        def query(conn: Connection) -> Talk:
            talk = store.find(conn, call_id)
            if talk is None:
                raise rules.no_call()
            rules.may_signal(talk, user_id)
            return talk

        talk = await self._database.lookup(query)
        facts = await self._conversations.facts(talk.call.conversation_id)
        if facts is None or user_id not in facts.members:
            raise ApiError(ErrorCode.FORBIDDEN, "You are not invited to this call.")
        return talk

    async def shown(self, talk: Talk) -> Call:
        """`talk` as a client sees it."""
        return render_call(talk, await self._users.many(list(talk.people)))

    async def history(
        self,
        caller: Principal,
        *,
        conversation_id: str | None,
        status: str | None,
        direction: str | None,
        cursor: str | None,
        limit: int,
    ) -> CallsPage:
        """The caller's own calls; with `conversation_id` those of a conversation that it is in.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`.
        """
        user_id = caller.user_id
        if conversation_id is not None:
            await self._conversations.member(conversation_id, user_id)
        scope = ("calls", user_id, conversation_id or "", status or "", direction or "")
        before: str | None = None
        if cursor is not None:
            (before,) = self._cursors.decode(scope, cursor)
        found = await self._database.read(
            lambda conn: store.history(
                conn,
                user_id,
                conversation_id=conversation_id,
                status=status,
                direction=direction,
                before=before,
                limit=limit + 1,
            )
        )
        page, has_more = found[:limit], len(found) > limit
        users = await self._users.many({each for listed in page for each in listed.talk.people})
        return CallsPage(
            [_listed(listed, render_call(listed.talk, users), user_id) for listed in page],
            self._cursors.encode(scope, (page[-1].talk.call.call_id,)) if has_more else None,
            has_more,
        )

    async def rate(self, caller: Principal, call_id: str, rating: int, comment: str | None) -> None:
        """How it was, once it is over; the last value counts.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`.
        """

        def work(tx: WriteTx) -> None:
            talk = store.find(tx.conn, call_id)
            if talk is None:
                raise rules.no_call()
            person = talk.people.get(caller.user_id)
            if person is None or person.joined_at is None:
                raise ApiError(ErrorCode.FORBIDDEN, "Only who was in the call may rate it.")
            if not talk.call.over:
                running = [Detail("call_id", "the call goes on")]
                raise ApiError(ErrorCode.CONFLICT, "The call is not over.", details=running)
            store.set_rating(tx, call_id, caller.user_id, rating, comment)
            store.rate_log(tx, caller.user_id, call_id, rating)

        await self._database.write(work)


def _listed(listed: Listed, call: Call, user_id: str) -> ListedCall:
    fields = {name: getattr(call, name) for name in Call.__struct_fields__}
    return ListedCall(**fields, direction=listed.direction, my_state=listed.talk.people[user_id].state)
