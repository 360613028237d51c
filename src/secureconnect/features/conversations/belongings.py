"""One person's places in conversations, and what becomes of the groups that it owns."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.views import joined_names
from secureconnect.features.conversations.store import Seat
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import BATCH, Page, pages, readable
from secureconnect.infra.timeline.base import NewEvent, StoredEvent, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.events import (
    ConversationCreated,
    EventData,
    MemberRemoved,
    MemberRoleChanged,
    decode_data,
    encode_data,
)
from secureconnect.kit.hints import ConversationGone, conversation_channel
from secureconnect.kit.ids import new_time_id

__all__ = ["Places"]

_CONVERSATIONS: Final = 200
_SHOWN = (
    "conversation_id",
    "role",
    "joined_at",
    "last_read_seq",
    "last_read_at",
    "archived",
    "muted_until",
)


class Places:
    """Implements `privacy.api.Belongings`.

    A group loses the member; one that it owned goes to the longest-serving admin, else to the longest-serving
    member, else it is deleted. A direct conversation keeps its two seats (docs/reference/rules.md §4): what
    is personal about this one goes, and the conversation itself once both are erased.
    """

    name = "memberships"
    tables = frozenset({"conversation_participants", "removed_members"})

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        facts: FactsCache,
        users: Users,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        purge: Callable[[], Any],
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._facts = facts
        self._users = users
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._purge = purge

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        seats = store.conversation_participants
        async for rows in pages(self._database, seats, seats.c.user_id == user_id):
            yield "memberships.json", await self._named(rows, user_id)

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`. What the person wrote is erased before: this is how that was found."""
        after: str | None = None
        while page := await self._page(user_id, after):
            after = page[-1]
            for conversation_id in page:
                yield await self._leave(user_id, conversation_id)
        removed = BATCH
        while removed == BATCH:
            removed = await self._database.write(lambda tx: store.forget_former(tx, user_id, BATCH))
            yield removed
        # Groups that are deleted still hold their logs for a while.
        while await self._purge():
            yield 0

    async def _page(self, user_id: str, after: str | None) -> list[str]:
        return await self._database.read(lambda conn: store.ever_in(conn, user_id, after, _CONVERSATIONS))

    async def _leave(self, user_id: str, conversation_id: str) -> int:
        first = await self._timeline.events(conversation_id, after_seq=0, before_seq=2, limit=1)
        return await self._database.write(lambda tx: self._leave_in(tx, user_id, conversation_id, first))

    def _leave_in(self, tx: WriteTx, user_id: str, conversation_id: str, first: Sequence[StoredEvent]) -> int:
        record, seat = store.find_seat(tx.conn, conversation_id, user_id)
        if record is None:
            return 0
        if first:
            self._unname_in(tx, user_id, first[0])
        if seat is None:
            return 0
        if seat.record.direct_key is not None:
            return self._empty_in(tx, user_id, seat)
        self._facts.changed_in(tx, conversation_id)
        if seat.member.is_owner and not self._hand_over_in(tx, user_id, conversation_id):
            self._end_in(tx, conversation_id)
            return 1
        self._tell_in(tx, conversation_id, MemberRemoved(user_id=user_id, by=None, reason="erased"))
        store.delete_member(tx, conversation_id, user_id)
        store.count_members(tx, conversation_id, -1)
        self._record_in(tx, "member_removed", conversation_id, {"user_id": user_id, "reason": "erased"})
        return 1

    def _hand_over_in(self, tx: WriteTx, user_id: str, conversation_id: str) -> bool:
        """Give the group to whoever comes next; False when there is nobody who can own it."""
        members = dict(store.heirs(tx.conn, conversation_id, user_id))
        people = self._users.many_in(tx.conn, members)
        able = (key for key in members if key in people and people[key].active and not people[key].is_bot)
        heir = next(able, None)
        if heir is None:
            return False
        store.change(tx, conversation_id, {"owner_id": heir})
        store.set_role(tx, conversation_id, heir, "admin")
        event = MemberRoleChanged(user_id=heir, role="admin", by=None, owner_id=heir)
        self._tell_in(tx, conversation_id, event)
        self._record_in(tx, "ownership_transferred", conversation_id, {"from": user_id, "to": heir})
        return True

    def _empty_in(self, tx: WriteTx, user_id: str, seat: Seat) -> int:
        """Forget what is personal about a seat of a direct conversation."""
        assert seat.record.direct_key is not None
        conversation_id = seat.record.conversation_id
        other = self._users.many_in(tx.conn, [rules.other_of(seat.record.direct_key, user_id)])
        self._facts.changed_in(tx, conversation_id)
        if all(record.state == "erased" for record in other.values()):
            self._end_in(tx, conversation_id)
            return 1
        blank = {"archived": False, "muted_until": None, "last_read_at": None, "hidden": False}
        store.set_flags(tx, conversation_id, user_id, blank)
        return 1

    def _end_in(self, tx: WriteTx, conversation_id: str) -> None:
        store.delete_conversation(tx, conversation_id, self._clock.now())
        self._record_in(tx, "conversation_deleted", conversation_id, {})
        gone = ConversationGone(conversation_id, "deleted")
        tx.after_commit(lambda: self._bus.publish(conversation_channel(conversation_id), gone))

    def _unname_in(self, tx: WriteTx, user_id: str, first: StoredEvent) -> None:
        """Take the person's name out of the event that tells how the conversation was called at first."""
        if first.kind != ConversationCreated.kind:
            return
        created: ConversationCreated = decode_data(first.kind, first.data)
        if created.conversation.title is not None or user_id not in created.members:
            return
        people = self._users.many_in(tx.conn, created.members)
        people.pop(user_id, None)  # whoever is not known is shown as deleted
        name = joined_names(people, created.members)
        shown = msgspec.structs.replace(created.conversation, name=name)
        data = encode_data(msgspec.structs.replace(created, conversation=shown))
        self._timeline.rewrite_in(tx, first.conversation_id, first.seq, data)

    def _tell_in(self, tx: WriteTx, conversation_id: str, data: EventData) -> None:
        now = self._clock.now()
        event = NewEvent(conversation_id, new_time_id(), data.kind, None, now, encode_data(data))
        self._timeline.append_in(tx, event)
        store.touch(tx, conversation_id, now)

    def _record_in(self, tx: WriteTx, event: str, conversation_id: str, details: Mapping[str, str]) -> None:
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_type="system",
                target_type="conversation",
                target_id=conversation_id,
                details=details,
            ),
        )

    async def _named(self, rows: Sequence[Mapping[str, Any]], user_id: str) -> list[Mapping[str, Any]]:
        ids = [row["conversation_id"] for row in rows]
        found = await self._database.read(lambda conn: store.find_seats(conn, user_id, ids))
        return [
            {
                "type": seat.record.type if (seat := found.get(row["conversation_id"])) else None,
                "title": seat.record.title if seat else None,
                **readable(row, _SHOWN),
            }
            for row in rows
        ]
