"""What other features are told."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import Audience, Facts, Marks, Member, MyState, Overview, Reader
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.service.views import Views, muted_until
from secureconnect.features.conversations.store import Candidate
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import GuardChanged, Statement, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import UserFrame, user_channel

__all__ = ["Neighbours", "Place"]

T = TypeVar("T")

# Each attempt after the first reads the facts again: more are needed only while others change them.
_ATTEMPTS = 5

_FEW = 200  # conversations

#: The lowest seq that a user may read, and a head at which it was a member.
Place = tuple[int, int]


class Neighbours:
    """Implements `conversations.api.Conversations`."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        bus: Bus,
        clock: Clock,
        facts: FactsCache,
        views: Views,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._bus = bus
        self._clock = clock
        self._facts = facts
        self._views = views

    async def facts(self, conversation_id: str) -> Facts | None:
        return await self._facts.get(conversation_id)

    async def stale_facts(self, facts: Facts) -> Facts | None:
        return await self._facts.after(facts)

    async def act(self, conversation_id: str, user_id: str, work: Callable[[WriteTx, Facts], T]) -> T:
        facts = await self._facts.get(conversation_id)
        for _ in range(_ATTEMPTS):
            known = rules.check_insider(facts, user_id)

            def guarded(tx: WriteTx, known: Facts = known) -> T:
                self._timeline.check_guard_in(tx, conversation_id, known.guard)
                return work(tx, known)

            try:
                return await self._database.write(guarded)
            except GuardChanged:
                facts = await self._facts.after(known)
        raise ApiError(
            ErrorCode.TIMELINE_UNAVAILABLE,
            "The conversation keeps changing; nothing was stored.",
            retry_after=1,
        )

    async def act_unlogged(
        self, conversation_id: str, user_id: str, work: Callable[[WriteTx, Facts], T]
    ) -> T:
        def true_here(tx: WriteTx) -> T:
            facts = self._facts.read_in(tx.conn, conversation_id)
            return work(tx, rules.check_insider(facts, user_id))

        return await self._database.write(true_here)

    def touch_in(self, tx: WriteTx, conversation_id: str, now: int) -> None:
        store.touch(tx, conversation_id, now)

    async def member(self, conversation_id: str, user_id: str) -> Member:
        return await self._database.lookup(lambda conn: self.member_in(conn, conversation_id, user_id))

    def member_in(self, conn: Connection, conversation_id: str, user_id: str) -> Member:
        return seat_in(conn, conversation_id, user_id).member

    async def overviews(self, user_id: str, *, after: str | None, limit: int) -> list[Overview]:
        seats = await self._database.read(
            lambda conn: store.overview_seats(conn, user_id, after=after, limit=limit)
        )
        called = [Candidate(r.conversation_id, r.title, r.direct_key, r.updated_at) for r, _, _ in seats]
        names = await self._views.names(user_id, called)
        now = self._clock.now()
        return [
            Overview(
                conversation_id=record.conversation_id,
                type=record.type,
                name=names[record.conversation_id],
                updated_at=record.updated_at,
                role=member.role,
                visible_from=member.visible_from,
                last_read_seq=member.last_read_seq,
                last_delivered_seq=member.last_delivered_seq,
                archived=member.archived,
                muted_until=muted_until(member, now),
                is_e2ee_enabled=record.settings.is_e2ee_enabled,
            )
            for record, member, _ in seats
        ]

    async def ever_in(self, user_id: str, *, after: str | None, limit: int) -> list[str]:
        return await self._database.read(lambda conn: store.ever_in(conn, user_id, after, limit))

    async def memberships_among(self, user_id: str, conversation_ids: Collection[str]) -> set[str]:
        return await self._database.lookup(
            lambda conn: store.memberships_among(conn, user_id, conversation_ids)
        )

    def visible_from_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        return store.visible_among(conn, user_id, conversation_ids)

    async def readable(self, user_id: str) -> dict[str, int]:
        # Most people are in a few, which takes less time than to reach a thread.
        few = await self._database.lookup(lambda conn: store.readable(conn, user_id, _FEW + 1))
        if len(few) <= _FEW:
            return few
        return await self._database.read(lambda conn: store.readable(conn, user_id))

    def searchable_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        return store.searchable(conn, user_id, conversation_ids)

    def avatar_in(self, conn: Connection, conversation_id: str) -> str | None:
        return store.avatar_file(conn, conversation_id)

    def avatars_among_in(self, conn: Connection, file_ids: Collection[str]) -> set[str]:
        return store.avatars_among(conn, file_ids)

    def muted_in(self, conn: Connection, conversation_id: str, user_ids: Collection[str]) -> dict[str, int]:
        return store.muted_among(conn, conversation_id, user_ids)

    async def readers(self, conversation_id: str, *, after: str | None, limit: int) -> list[Reader]:
        return await self._database.read(
            lambda conn: store.readers(conn, conversation_id, after=after, limit=limit)
        )

    def audience_in(
        self, tx: WriteTx, conversation_id: str, *, after: str | None = None, limit: int | None = None
    ) -> Audience | None:
        return store.audience(tx, conversation_id, after, limit)

    async def my_state(self, conversation_id: str, user_id: str) -> MyState:
        return await self._views.my_state(await self.member(conversation_id, user_id))

    async def tell_my_state(
        self, conversation_id: str, user_id: str, *, except_connection: str | None = None
    ) -> MyState:
        state = await self.my_state(conversation_id, user_id)
        frame = json_frame({"type": "my_state", "conversation_id": conversation_id, "my": state})
        self._bus.publish(user_channel(user_id), UserFrame(user_id, frame, except_connection))
        return state

    def advance_read_in(
        self, tx: WriteTx, conversation_id: str, user_id: str, seq: int, now: int
    ) -> Marks | None:
        return store.advance_marks(tx, conversation_id, user_id, read=seq, delivered=seq, read_at=now)

    def advance_delivered_in(self, tx: WriteTx, conversation_id: str, user_id: str, seq: int) -> Marks | None:
        return store.advance_marks(tx, conversation_id, user_id, read=0, delivered=seq, read_at=None)

    def sent(
        self, conversation_id: str, sender_id: str | None, sent_at: int, *, wake: bool
    ) -> Sequence[Statement]:
        statements = [store.touch_conversation(conversation_id, sent_at)]
        if sender_id is not None:
            statements.append(store.move_marks(conversation_id, sender_id, sent_at))
        if wake:
            statements.append(store.wake_members(conversation_id, sent_at))
        return statements

    async def co_members(self, user_id: str, others: Collection[str]) -> set[str]:
        return await self._database.read(lambda conn: self.co_members_in(conn, user_id, others))

    def co_members_in(self, conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
        return store.co_members(conn, user_id, others)

    def pair_changed(self, tx: WriteTx, a: str, b: str) -> None:
        """A `friends.api.PairChanged`: a block decides about sends in the direct conversation of the two."""
        conversation_id = store.find_direct(tx.conn, rules.direct_key(a, b))
        if conversation_id is not None:
            self._facts.changed_in(tx, conversation_id)

    async def places(self, user_id: str) -> dict[str, Place]:
        """Every conversation that the user is a member of now.

        The membership is asked again after the heads were read: whoever follows a log from its head on meets
        every later removal there.
        """
        before = await self._database.read(lambda conn: store.visible(conn, user_id))
        heads = await self._timeline.heads(before)
        after = await self._database.read(lambda conn: store.visible(conn, user_id))
        places = {key: (first, heads[key].last_seq) for key, first in after.items() if key in heads}
        for key in after.keys() - heads.keys():
            place = await self.place(user_id, key)
            if place is not None:
                places[key] = place
        return places

    async def place_counts(self, user_ids: Collection[str]) -> dict[str, int]:
        """In how many conversations each user is, those in none left out."""
        return await self._database.read(lambda conn: store.membership_counts(conn, user_ids))

    async def place(self, user_id: str, conversation_id: str) -> Place | None:
        """One of them; None for strangers and unknown conversations."""
        head = await self._timeline.head(conversation_id)
        first = await self._database.lookup(lambda conn: store.visible(conn, user_id, conversation_id))
        if head is None or conversation_id not in first:
            return None
        return first[conversation_id], head.last_seq
