"""New conversations."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import Conversation, Type
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.service.reach import Reach
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.service.views import (
    Views,
    conversation_object,
    joined_names,
)
from secureconnect.features.conversations.store import DirectExists, NewMember, Record, Seat
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.events import ConversationCreated
from secureconnect.kit.ids import new_id
from secureconnect.kit.objects import ConversationSettings

__all__ = ["Creation", "Wanted"]

_FIRST_SEQ = 1


class Wanted(Struct, frozen=True):
    """What a new conversation shall be; `settings` is a subset of ConversationSettings."""

    type: Type
    participant_ids: Sequence[str]
    title: str | None
    description: str | None
    settings: Mapping[str, Any]


class Creation:
    """Makes conversations."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        journal: Journal,
        reach: Reach,
        views: Views,
        limits: ConversationLimits,
    ) -> None:
        self._database = database
        self._clock = clock
        self._journal = journal
        self._reach = reach
        self._views = views
        self._limits = limits

    async def create(self, caller: Caller, wanted: Wanted) -> tuple[Conversation, bool]:
        """A new conversation, or the direct one that the pair has already, whatever else is wanted.

        Returns:
            The conversation as the caller sees it, and whether it is new.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND` for a user, `FORBIDDEN` across a block or against the
                privacy of a user, `LIMIT_REACHED`. Nothing was created.
        """
        members = rules.founders(wanted.type, caller.user_id, wanted.participant_ids)
        rules.check_settings(wanted.settings, "settings.")
        record = self._record(caller.user_id, members, wanted)

        def work(tx: WriteTx) -> tuple[Seat, bool]:
            if record.direct_key is not None:
                existing = store.find_direct(tx.conn, record.direct_key)
                if existing is not None:
                    return self._reopened_in(tx, existing, caller.user_id), False
            self._create_in(tx, caller, record, members)
            return seat_in(tx.conn, record.conversation_id, caller.user_id), True

        try:
            seat, new = await self._database.write(work)
        except DirectExists:  # another process made it between the look and the insert
            seat, new = await self._database.write(work)
        return await self._views.conversation(seat), new

    def _record(self, caller_id: str, members: Sequence[str], wanted: Wanted) -> Record:
        now = self._clock.now()
        direct = wanted.type == "direct"
        settings = ConversationSettings(updated_at=rfc3339(now))
        settings, _ = rules.change_settings(settings, wanted.settings, settings.updated_at)
        return Record(
            conversation_id=new_id(),
            type=wanted.type,
            title=None if direct else wanted.title,
            description=None if direct else wanted.description,
            avatar_url=None,
            created_by=caller_id,
            owner_id=None if direct else caller_id,
            direct_key=rules.direct_key(*members) if direct else None,
            settings=settings,
            member_count=len(members),
            created_at=now,
            updated_at=now,
        )

    def _create_in(self, tx: WriteTx, caller: Caller, record: Record, members: Sequence[str]) -> None:
        people = self._reach.check_in(tx.conn, caller.user_id, members[1:])
        people |= self._reach.records_in(tx.conn, [caller.user_id])
        counts = store.count_conversations(tx.conn, members)
        rules.check_room(0, members, counts, self._limits)
        key, now = record.conversation_id, record.created_at
        store.insert_conversation(tx, record)
        store.insert_members(tx, key, [self._founder(record, user_id) for user_id in members], now)
        self._journal.open_in(tx, key)
        name = record.title or joined_names(people, members)
        shown = conversation_object(record, name, _FIRST_SEQ)
        created = ConversationCreated(conversation=shown, members=list(members))
        seq = self._journal.append_in(tx, key, caller.user_id, created, now)
        assert seq == _FIRST_SEQ
        self._journal.record_in(tx, "conversation_created", caller, key, {"type": record.type})

    def _founder(self, record: Record, user_id: str) -> NewMember:
        admin = record.type == "direct" or user_id == record.owner_id
        return NewMember(user_id, "admin" if admin else "member", _FIRST_SEQ, _FIRST_SEQ)

    def _reopened_in(self, tx: WriteTx, conversation_id: str, user_id: str) -> Seat:
        """The pair's conversation; the caller asked for it, so it is not hidden any more."""
        seat = seat_in(tx.conn, conversation_id, user_id)
        if seat.hidden:
            store.set_flags(tx, conversation_id, user_id, {"hidden": False})
        return seat
