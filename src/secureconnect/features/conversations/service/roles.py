"""Who administers and who owns a group."""

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import Conversation, Member, Role
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.service.participants import Participants, SeenParticipant
from secureconnect.features.conversations.service.reach import Reach
from secureconnect.features.conversations.service.seats import other_seat_in, seat_in
from secureconnect.features.conversations.service.views import Views
from secureconnect.features.conversations.store import Seat
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.events import MemberRoleChanged

__all__ = ["Roles"]


class Roles:
    """Changes roles and the owner."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        facts: FactsCache,
        journal: Journal,
        reach: Reach,
        views: Views,
        participants: Participants,
    ) -> None:
        self._database = database
        self._clock = clock
        self._facts = facts
        self._journal = journal
        self._reach = reach
        self._views = views
        self._participants = participants

    async def set_role(
        self, caller: Caller, conversation_id: str, user_id: str, role: Role
    ) -> SeenParticipant:
        """Give a member a role; the one it has already changes nothing.

        Raises:
            ApiError: `NOT_FOUND` for the conversation or the member, `FORBIDDEN`.
        """

        def work(tx: WriteTx) -> Member:
            actor = seat_in(tx.conn, conversation_id, caller.user_id).member
            target = other_seat_in(tx.conn, conversation_id, user_id).member
            rules.check_may_set_role(actor, target, role)
            if target.role == role:
                return target
            self._facts.changed_in(tx, conversation_id)
            self._set_in(tx, caller, target, role, target.owner_id)
            details = {"user_id": user_id, "role": role}
            self._journal.record_in(tx, "member_role_changed", caller, conversation_id, details)
            return seat_in(tx.conn, conversation_id, user_id).member

        return await self._participants.one(caller.user_id, await self._database.write(work))

    async def transfer(self, caller: Caller, conversation_id: str, user_id: str) -> Conversation:
        """Give the group to another member, who becomes admin; the old owner stays one.

        Raises:
            ApiError: `NOT_FOUND` for the conversation or the member, `FORBIDDEN` unless the caller owns it,
                `VALIDATION_ERROR` for a bot.
        """

        def work(tx: WriteTx) -> Seat:
            seat = seat_in(tx.conn, conversation_id, caller.user_id)
            target = other_seat_in(tx.conn, conversation_id, user_id).member
            rules.check_owner(seat.member)
            rules.check_may_own(is_bot=self._reach.records_in(tx.conn, [user_id])[user_id].is_bot)
            if target.is_owner:
                return seat
            self._facts.changed_in(tx, conversation_id)
            store.change(tx, conversation_id, {"owner_id": user_id})
            self._set_in(tx, caller, target, "admin", user_id)
            details = {"from": caller.user_id, "to": user_id}
            self._journal.record_in(tx, "ownership_transferred", caller, conversation_id, details)
            return seat_in(tx.conn, conversation_id, caller.user_id)

        return await self._views.conversation(await self._database.write(work))

    def _set_in(self, tx: WriteTx, caller: Caller, target: Member, role: Role, owner_id: str | None) -> None:
        event = MemberRoleChanged(user_id=target.user_id, role=role, by=caller.user_id, owner_id=owner_id)
        store.set_role(tx, target.conversation_id, target.user_id, role)
        self._journal.append_in(tx, target.conversation_id, caller.user_id, event, self._clock.now())
