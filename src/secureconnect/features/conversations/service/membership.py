"""Coming and going: adding, removing, leaving."""

from collections.abc import Sequence

from msgspec import Struct

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.service.admission import Admission
from secureconnect.features.conversations.service.editing import Endings
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.service.reach import Reach
from secureconnect.features.conversations.service.seats import other_seat_in, seat_in
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.events import MemberRemoved

__all__ = ["Added", "Membership"]


class Added(Struct, frozen=True):
    """Who was added, and who was a member before."""

    added: list[str]
    already_members: list[str]


class Membership:
    """Who is in a group. One event per user that comes or goes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        facts: FactsCache,
        journal: Journal,
        reach: Reach,
        admission: Admission,
        endings: Endings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._facts = facts
        self._journal = journal
        self._reach = reach
        self._admission = admission
        self._endings = endings

    async def add(self, caller: Caller, conversation_id: str, user_ids: Sequence[str]) -> Added:
        """Bring users in, all or nothing apart from those who are members already.

        Raises:
            ApiError: `NOT_FOUND` for the conversation or a user; `FORBIDDEN` without invite permission,
                across a block, against a user's privacy, or for one that an admin removed; `CONFLICT` for a
                direct conversation; `LIMIT_REACHED`.
        """
        named = list(dict.fromkeys(user_ids))

        def work(tx: WriteTx) -> Added:
            seat = seat_in(tx.conn, conversation_id, caller.user_id)
            already = store.members_among(tx.conn, conversation_id, named)
            joining = [user_id for user_id in named if user_id not in already]
            people = self._reach.exist_in(tx.conn, joining)
            rules.check_may_add(seat.member, joining, store.put_out(tx.conn, conversation_id, joining))
            self._reach.open_in(tx.conn, caller.user_id, people)
            rules.check_group(seat.record.type)
            if joining:
                self._admission.admit_in(tx, caller, seat.record, joining, by=caller.user_id, via="added")
            return Added(joining, [user_id for user_id in named if user_id in already])

        return await self._database.write(work)

    async def remove(self, caller: Caller, conversation_id: str, user_id: str) -> None:
        """Put a member out, or leave when it is the caller.

        Raises:
            ApiError: `NOT_FOUND` for the conversation or the member, `FORBIDDEN`, or as `leave`.
        """

        def work(tx: WriteTx) -> None:
            actor = seat_in(tx.conn, conversation_id, caller.user_id).member
            target = other_seat_in(tx.conn, conversation_id, user_id).member
            if user_id == caller.user_id and actor.type == "group":
                self._leave_in(tx, caller, conversation_id)
                return
            rules.check_may_remove(actor, target)
            self._end_in(tx, caller, conversation_id, user_id)

        await self._database.write(work)

    async def leave(self, caller: Caller, conversation_id: str) -> None:
        """Leave a group; that of its last member ends it.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CONFLICT` for a direct conversation,
                `OWNERSHIP_TRANSFER_REQUIRED` for an owner of others.
        """
        await self._database.write(lambda tx: self._leave_in(tx, caller, conversation_id))

    def _leave_in(self, tx: WriteTx, caller: Caller, conversation_id: str) -> None:
        member = seat_in(tx.conn, conversation_id, caller.user_id).member
        if rules.check_may_leave(member):
            self._endings.delete_in(tx, caller, conversation_id)
        else:
            self._end_in(tx, caller, conversation_id, caller.user_id)

    def _end_in(self, tx: WriteTx, caller: Caller, conversation_id: str, user_id: str) -> None:
        """End a membership; its `member_removed` is the last event that the user sees (G7)."""
        now = self._clock.now()
        left = user_id == caller.user_id
        self._facts.changed_in(tx, conversation_id)
        event = MemberRemoved(user_id=user_id, by=caller.user_id, reason="left" if left else "removed")
        seq = self._journal.append_in(tx, conversation_id, caller.user_id, event, now)
        store.delete_member(tx, conversation_id, user_id)
        store.count_members(tx, conversation_id, -1)
        store.remember_removed(tx, conversation_id, user_id, now=now, seq=seq, by_admin=not left)
        details = {"user_id": user_id, "reason": event.reason}
        self._journal.record_in(tx, "member_removed", caller, conversation_id, details)
