"""Conversations as one of their members sees them: the same few queries for one and for a hundred."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import (
    Conversation,
    LatestMessages,
    Member,
    MyState,
)
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.store import Candidate, Record, Seat
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.objects import ConversationObject

__all__ = ["Views", "conversation_object", "joined_names", "muted_until"]

_NAMED = 3
_GONE = "Deleted user"


def conversation_object(record: Record, name: str, last_seq: int) -> ConversationObject:
    """A conversation without anything personal, unless its name is."""
    return ConversationObject(
        conversation_id=record.conversation_id,
        type=record.type,
        title=record.title,
        name=name,
        description=record.description,
        avatar_url=record.avatar_url,
        created_by=record.created_by,
        owner_id=record.owner_id,
        member_count=record.member_count,
        last_seq=last_seq,
        settings=record.settings,
        created_at=rfc3339(record.created_at),
        updated_at=rfc3339(record.updated_at),
    )


def joined_names(records: Mapping[str, UserRecord], user_ids: Iterable[str]) -> str:
    """The display names of the first three users."""
    names = []
    for user_id, _ in zip(user_ids, range(_NAMED), strict=False):
        record = records.get(user_id)
        names.append(_GONE if record is None or record.state == "erased" else record.display_name)
    return ", ".join(names)


def muted_until(member: Member, now: int) -> int | None:
    """When the mute ends, or None when it is over or was never set."""
    until = member.muted_until
    return until if until is not None and until > now else None


class Views:
    """Puts together what users, timeline and messages know about conversations."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        users: Users,
        latest: LatestMessages,
        clock: Clock,
        *,
        unread_cap: int,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._users = users
        self._latest = latest
        self._clock = clock
        self._unread_cap = unread_cap

    async def conversation(self, seat: Seat) -> Conversation:
        """One conversation.

        Raises:
            ApiError: `NOT_FOUND` or `FORBIDDEN` when it was deleted or the viewer left meanwhile.
        """
        member = seat.member
        seen = await self.conversations(member.user_id, [seat])
        if not seen:
            await self._database.lookup(lambda conn: seat_in(conn, member.conversation_id, member.user_id))
            raise rules.not_found()
        return seen[0]

    async def conversations(
        self, viewer_id: str, seats: Sequence[Seat], names: Mapping[str, str] | None = None
    ) -> list[Conversation]:
        """Conversations of one viewer in the same order; `names` when they are known already.

        Those that the viewer left meanwhile are left out, whatever was read of them (G7).
        """
        members = {seat.record.conversation_id: seat.member for seat in seats}
        if names is None:
            names = await self.names(viewer_id, [_called(seat.record) for seat in seats])
        latest = await self._latest.latest(
            viewer_id, {key: member.visible_from for key, member in members.items()}
        )
        states = await self._states(viewer_id, members)
        # After them, so that no message and no mark lies above the head.
        heads = await self._timeline.heads(members)
        still = await self._database.lookup(lambda conn: store.memberships_among(conn, viewer_id, members))
        seen = []
        for seat in seats:
            key = seat.record.conversation_id
            if key in heads and key in still:
                core = conversation_object(seat.record, names[key], heads[key].last_seq)
                fields = msgspec.structs.asdict(core)
                seen.append(Conversation(**fields, last_message=latest.get(key), my=states[key]))
        return seen

    async def listed(
        self, viewer_id: str, seats: Sequence[Seat], names: Mapping[str, str] | None = None
    ) -> list[Conversation]:
        """The same for a list, which is there without its logs too.

        While those cannot be read, nothing was said last, nothing is unread, and `last_seq` is how far the
        viewer is known to have come (docs/reference/operations.md §9).
        """
        if names is None:
            names = await self.names(viewer_id, [_called(seat.record) for seat in seats])
        try:
            return await self.conversations(viewer_id, seats, names)
        except ApiError as error:
            if error.code is not ErrorCode.TIMELINE_UNAVAILABLE:
                raise
        members = {seat.record.conversation_id: seat.member for seat in seats}
        still = await self._database.lookup(lambda conn: store.memberships_among(conn, viewer_id, members))
        now = self._clock.now()
        seen = []
        for record, member in ((seat.record, seat.member) for seat in seats):
            key = record.conversation_id
            if key in still:
                known = max(member.last_read_seq, member.last_delivered_seq, member.visible_from - 1)
                fields = msgspec.structs.asdict(conversation_object(record, names[key], known))
                seen.append(Conversation(**fields, last_message=None, my=_state(member, now)))
        return seen

    async def my_state(self, member: Member) -> MyState:
        """A member's own place."""
        states = await self._states(member.user_id, {member.conversation_id: member})
        return states[member.conversation_id]

    async def names(self, viewer_id: str, called: Iterable[Candidate]) -> dict[str, str]:
        """What each is called for the viewer: title, the other person, or up to three other members."""
        names: dict[str, str] = {}
        people: dict[str, list[str]] = {}
        untitled = []
        for one in called:
            if one.title is not None:
                names[one.conversation_id] = one.title
            elif one.direct_key is not None:
                people[one.conversation_id] = [rules.other_of(one.direct_key, viewer_id)]
            else:
                untitled.append(one.conversation_id)
        if untitled:
            people |= await self._database.read(lambda conn: store.first_members(conn, untitled, viewer_id))
        if people:
            wanted = {user_id for user_ids in people.values() for user_id in user_ids}
            records = await self._users.many(wanted | {viewer_id})
            for key, user_ids in people.items():
                names[key] = joined_names(records, user_ids or [viewer_id])
        return names

    async def _states(self, viewer_id: str, members: Mapping[str, Member]) -> dict[str, MyState]:
        now = self._clock.now()
        marks = {key: max(member.last_read_seq, member.visible_from - 1) for key, member in members.items()}
        unread = await self._timeline.unread(viewer_id, marks, cap=self._unread_cap)
        mentions = await self._latest.mention_counts(viewer_id, marks, cap=self._unread_cap)
        return {
            key: _state(member, now, unread=unread.get(key, 0), mentions=mentions.get(key, 0))
            for key, member in members.items()
        }


def _state(member: Member, now: int, *, unread: int = 0, mentions: int = 0) -> MyState:
    until = muted_until(member, now)
    return MyState(
        role=member.role,
        joined_at=rfc3339(member.joined_at),
        archived=member.archived,
        muted_until=rfc3339(until) if until is not None else None,
        first_visible_seq=member.visible_from,
        last_read_seq=member.last_read_seq,
        last_delivered_seq=member.last_delivered_seq,
        unread_count=unread,
        mention_count=mentions,
    )


def _called(record: Record) -> Candidate:
    return Candidate(record.conversation_id, record.title, record.direct_key, record.updated_at)
