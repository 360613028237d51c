"""Reading polls: one, those of a conversation, and who chose what."""

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.polls import store
from secureconnect.features.polls.rules import PollRecord
from secureconnect.features.polls.service.cards import Cards, Parts, read_parts
from secureconnect.features.polls.service.voting import no_poll
from secureconnect.features.polls.store import Vote
from secureconnect.features.users.api import PublicUser, Users
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.objects import Poll, Time
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["PollReadService", "PollsPage", "Voter", "VotersPage"]


class PollsPage(Struct, frozen=True):
    """Polls, newest first."""

    polls: list[Poll]
    next_cursor: str | None
    has_more: bool


class Voter(Struct, frozen=True):
    """Who chose an option, and when."""

    user: PublicUser
    voted_at: Time


class VotersPage(Struct, frozen=True):
    """Voters, earliest first."""

    voters: list[Voter]
    next_cursor: str | None
    has_more: bool


class PollReadService:
    """What members read about polls."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        users: Users,
        messages: Messages,
        cards: Cards,
        cursors: Cursors,
        clock: Clock,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._users = users
        self._messages = messages
        self._cards = cards
        self._cursors = cursors
        self._clock = clock

    async def poll(self, caller: Principal, poll_id: str) -> Poll:
        """One poll.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        cards = await self._cards.cards(caller.user_id, [poll_id])
        # Asked after the reading: who was removed meanwhile learns nothing of what came after (G7).
        await self._open_to(caller, poll_id)
        if poll_id not in cards:
            raise no_poll()
        return cards[poll_id]

    async def polls(
        self, caller: Principal, conversation_id: str, *, active: bool, cursor: str | None, limit: int
    ) -> PollsPage:
        """Polls of a conversation; with `active` those that take votes now.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`.
        """
        scope = ("active polls" if active else "polls", conversation_id, caller.user_id)
        before: int | None = None
        if cursor is not None:
            (before,) = self._cursors.decode(scope, cursor)
        open_at = self._clock.now() if active else None

        def query(conn: Connection) -> tuple[list[PollRecord], list[Parts]]:
            member = self._conversations.member_in(conn, conversation_id, caller.user_id)
            found = store.in_conversation(
                conn,
                conversation_id,
                first=member.visible_from,
                before=before,
                open_at=open_at,
                limit=limit + 1,
            )
            page = found[:limit]
            # The page is shorter by what the caller hid; the cursor counts it.
            hidden = self._messages.hidden_in(conn, caller.user_id, [poll.poll_id for poll in page])
            shown = [poll for poll in page if poll.poll_id not in hidden]
            return found, read_parts(conn, caller.user_id, shown)

        found, shown = await self._database.read(query)
        has_more = len(found) > limit
        return PollsPage(
            await self._cards.shown(shown),
            self._cursors.encode(scope, (found[limit - 1].seq,)) if has_more else None,
            has_more,
        )

    async def voters(
        self, caller: Principal, poll_id: str, option_id: str, *, cursor: str | None, limit: int
    ) -> VotersPage:
        """Who chose an option; of an anonymous poll nobody learns it.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`.
        """
        scope = ("voters", poll_id, option_id, caller.user_id)
        after: Vote | None = None
        if cursor is not None:
            voted_at, user_id = self._cursors.decode(scope, cursor)
            after = Vote(user_id, voted_at)
        poll = await self._open_to(caller, poll_id)
        options = await self._database.lookup(lambda conn: store.options_of(conn, [poll_id]))
        if option_id not in {option.option_id for option in options.get(poll_id, [])}:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such option in this poll.")
        if poll.anonymous:
            raise ApiError(ErrorCode.FORBIDDEN, "This poll is anonymous.")
        found = await self._database.read(
            lambda conn: store.voters(conn, option_id, after=after, limit=limit + 1)
        )
        # Asked again: who was removed meanwhile learns nothing of what came after (G7).
        await self._open_to(caller, poll_id)
        page, has_more = found[:limit], len(found) > limit
        people = await self._users.public(caller.user_id, [vote.user_id for vote in page])
        return VotersPage(
            [Voter(people[vote.user_id], rfc3339(vote.voted_at)) for vote in page],
            self._cursors.encode(scope, (page[-1].voted_at, page[-1].user_id)) if has_more else None,
            has_more,
        )

    async def _open_to(self, caller: Principal, poll_id: str) -> PollRecord:
        poll = await self._database.lookup(lambda conn: store.find(conn, poll_id))
        if poll is None:
            raise no_poll()
        member = await self._conversations.member(poll.conversation_id, caller.user_id)
        if poll.seq < member.visible_from:
            raise ApiError(ErrorCode.FORBIDDEN, "This poll is not open to you.")
        return poll
