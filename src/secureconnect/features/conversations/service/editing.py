"""Title, description, picture, settings, and the end of a group."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.api import Conversation, Pictures
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.service.personal import Personal
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.service.views import Views
from secureconnect.features.conversations.store import Seat
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.events import ConversationUpdated, E2eeModeChanged
from secureconnect.kit.hints import ConversationGone, conversation_channel
from secureconnect.kit.objects import ConversationSettings

__all__ = ["Editing", "Endings"]

_MODE = "is_e2ee_enabled"


class Editing:
    """Changes that every member sees. What is the same already changes nothing and adds no event."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        facts: FactsCache,
        journal: Journal,
        views: Views,
        pictures: Pictures,
        *,
        allow_http: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._facts = facts
        self._journal = journal
        self._views = views
        self._pictures = pictures
        self._allow_http = allow_http

    async def edit(self, caller: Caller, conversation_id: str, given: Mapping[str, Any]) -> Conversation:
        """Change some of title, description and avatar_url; None clears. `avatar_file_id` instead of
        avatar_url shows a picture made of a file of the caller's.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` without edit permission or if direct.
        """
        rules.check_picture(given, allow_http=self._allow_http)
        wanted = dict(given)
        file_id: str | None = wanted.pop("avatar_file_id", None)
        if file_id is not None:
            await self._database.lookup(lambda conn: self._may_edit(conn, caller, conversation_id))
            await self._pictures.make(caller.principal, caller.context, file_id)
        if "avatar_file_id" in given:
            wanted["avatar_url"] = rules.picture_url(conversation_id, file_id)
        now = self._clock.now()

        def work(tx: WriteTx) -> Seat:
            seat = self._may_edit(tx.conn, caller, conversation_id)
            changed = {name: value for name, value in wanted.items() if getattr(seat.record, name) != value}
            if not changed:
                return seat
            if "avatar_url" in changed:
                self._picture_in(tx, conversation_id, file_id)
            store.change(tx, conversation_id, changed)
            self._updated_in(tx, caller, conversation_id, changed, now)
            return seat_in(tx.conn, conversation_id, caller.user_id)

        return await self._views.conversation(await self._database.write(work))

    async def set_settings(
        self, caller: Caller, conversation_id: str, wanted: Mapping[str, Any]
    ) -> ConversationSettings:
        """Change some settings; the encryption mode has an event and records of its own.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` for members who are not admins.
        """
        rules.check_settings(wanted)
        now = self._clock.now()

        def work(tx: WriteTx) -> ConversationSettings:
            seat = seat_in(tx.conn, conversation_id, caller.user_id)
            rules.check_admin(seat.member)
            settings, changed = rules.change_settings(seat.record.settings, wanted, rfc3339(now))
            if not changed:
                return settings
            store.set_settings(tx, conversation_id, settings)
            self._facts.changed_in(tx, conversation_id)
            if _MODE in changed:
                del changed[_MODE]
                self._mode_in(tx, caller, conversation_id, settings, now)
            if changed:
                self._updated_in(tx, caller, conversation_id, changed, now)
                details = {name: str(value) for name, value in changed.items()}
                self._journal.record_in(tx, "conversation_settings_changed", caller, conversation_id, details)
            return settings

        return await self._database.write(work)

    @staticmethod
    def _may_edit(conn: Connection, caller: Caller, conversation_id: str) -> Seat:
        seat = seat_in(conn, conversation_id, caller.user_id)
        rules.check_may_edit(seat.member)
        return seat

    def _picture_in(self, tx: WriteTx, conversation_id: str, file_id: str | None) -> None:
        before = store.avatar_file(tx.conn, conversation_id)
        store.change(tx, conversation_id, {"avatar_file_id": file_id})
        if before is not None and before != file_id:
            tx.after_commit(lambda: self._pictures.dropped(before))

    def _updated_in(
        self, tx: WriteTx, caller: Caller, conversation_id: str, changed: dict[str, Any], now: int
    ) -> None:
        event = ConversationUpdated(changed=changed, by=caller.user_id)
        self._journal.append_in(tx, conversation_id, caller.user_id, event, now)

    def _mode_in(
        self, tx: WriteTx, caller: Caller, conversation_id: str, settings: ConversationSettings, now: int
    ) -> None:
        event = E2eeModeChanged(is_e2ee_enabled=settings.is_e2ee_enabled, by=caller.user_id)
        self._journal.append_in(tx, conversation_id, caller.user_id, event, now)
        record = "e2ee_enabled" if settings.is_e2ee_enabled else "e2ee_disabled"
        self._journal.record_in(tx, record, caller, conversation_id)


class Endings:
    """Deletes groups: gone for everybody at once. No event tells it: nobody may read the log any more."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        facts: FactsCache,
        journal: Journal,
        personal: Personal,
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._facts = facts
        self._journal = journal
        self._personal = personal

    async def delete(self, caller: Caller, conversation_id: str) -> None:
        """Delete a group; a direct conversation is cleared for the caller only.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN` for strangers and unless the caller owns the group.
        """
        seat = await self._database.lookup(lambda conn: seat_in(conn, conversation_id, caller.user_id))
        if seat.record.type == "direct":
            await self._personal.clear(caller.user_id, conversation_id)
            return

        def work(tx: WriteTx) -> None:
            rules.check_owner(seat_in(tx.conn, conversation_id, caller.user_id).member)
            self.delete_in(tx, caller, conversation_id)

        await self._database.write(work)

    def delete_in(self, tx: WriteTx, caller: Caller, conversation_id: str) -> None:
        """Delete a group that the caller may delete; its sockets are told after the commit."""
        self._facts.changed_in(tx, conversation_id)
        store.delete_conversation(tx, conversation_id, self._clock.now())
        self._journal.record_in(tx, "conversation_deleted", caller, conversation_id)
        gone = ConversationGone(conversation_id, "deleted")
        tx.after_commit(lambda: self._bus.publish(conversation_channel(conversation_id), gone))
