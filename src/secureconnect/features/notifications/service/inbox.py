"""The inbox of its owner."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET, Struct, UnsetType, structs

from secureconnect.features.notifications import store
from secureconnect.features.notifications.api import Notification
from secureconnect.features.notifications.rules import (
    DEFAULTS,
    Preferences,
    PreferencesObject,
    QuietHours,
    show_preferences,
)
from secureconnect.features.notifications.service.frames import show
from secureconnect.features.notifications.store import Entry
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["Inbox", "NotificationsPage", "PreferenceChange", "UnreadCount", "Updated"]

_PURGE = 1000
_DAY_MS = 24 * 3600 * 1000


class NotificationsPage(Struct, frozen=True):
    """Entries, the last changed first."""

    notifications: list[Notification]
    unread_count: int
    total_count: int
    next_cursor: str | None
    has_more: bool


class UnreadCount(Struct, frozen=True):
    """How many entries are unread."""

    unread_count: int


class Updated(Struct, frozen=True):
    """How many entries were changed."""

    updated: int


class PreferenceChange(Struct):
    """What is absent stays; null clears the quiet hours."""

    email_enabled: bool | UnsetType = UNSET
    push_enabled: bool | UnsetType = UNSET
    message_enabled: bool | UnsetType = UNSET
    mention_enabled: bool | UnsetType = UNSET
    reaction_enabled: bool | UnsetType = UNSET
    call_enabled: bool | UnsetType = UNSET
    friend_request_enabled: bool | UnsetType = UNSET
    conversation_enabled: bool | UnsetType = UNSET
    poll_enabled: bool | UnsetType = UNSET
    system_enabled: bool | UnsetType = UNSET
    message_preview: bool | UnsetType = UNSET
    quiet_hours: QuietHours | UnsetType | None = UNSET


class Inbox:
    """What users do with their own entries."""

    def __init__(
        self, database: Database, users: Users, cursors: Cursors, clock: Clock, *, kept_days: int
    ) -> None:
        self._database = database
        self._users = users
        self._cursors = cursors
        self._clock = clock
        self._kept_ms = kept_days * _DAY_MS

    async def list(
        self, caller: Principal, *, unread_only: bool, type_: str | None, cursor: str | None, limit: int
    ) -> NotificationsPage:
        """The caller's entries.

        Raises:
            ApiError: `VALIDATION_ERROR`.
        """
        user_id = caller.user_id
        scope = ("notifications", str(unread_only), type_ or "", user_id)
        after: tuple[int, str] | None = None
        if cursor is not None:
            updated_at, notification_id = self._cursors.decode(scope, cursor)
            after = updated_at, notification_id
        found, unread, total = await self._database.read(
            lambda conn: (
                store.list_entries(
                    conn, user_id, unread_only=unread_only, type_=type_, after=after, limit=limit + 1
                ),
                store.count_unread(conn, user_id),
                store.count_all(conn, user_id),
            )
        )
        page, has_more = found[:limit], len(found) > limit
        last = (page[-1].updated_at, page[-1].notification_id) if has_more else None
        return NotificationsPage(
            [show(entry) for entry in page],
            unread,
            total,
            self._cursors.encode(scope, last) if last is not None else None,
            has_more,
        )

    async def unread(self, caller: Principal) -> UnreadCount:
        """How many of the caller's entries are unread."""
        return UnreadCount(await self._database.lookup(lambda conn: store.count_unread(conn, caller.user_id)))

    async def read(self, caller: Principal, notification_id: str) -> None:
        """One entry was read.

        Raises:
            ApiError: `NOT_FOUND`.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> None:
            _own(store.find_entry(tx.conn, notification_id), caller)
            store.mark_read(tx, notification_id, now)

        await self._database.write(work, brief=True)

    async def read_all(self, caller: Principal) -> Updated:
        """All entries were read."""
        now = self._clock.now()
        return Updated(await self._database.write(lambda tx: store.mark_all_read(tx, caller.user_id, now)))

    async def remove(self, caller: Principal, notification_id: str) -> None:
        """Forget one entry.

        Raises:
            ApiError: `NOT_FOUND`.
        """

        def work(tx: WriteTx) -> None:
            _own(store.find_entry(tx.conn, notification_id), caller)
            store.remove_entry(tx, notification_id)

        await self._database.write(work, brief=True)

    async def preferences(self, caller: Principal) -> PreferencesObject:
        """What the caller wants to be told."""
        found = await self._database.lookup(lambda conn: store.find_preferences(conn, [caller.user_id]))
        if caller.user_id in found:
            return show_preferences(*found[caller.user_id])
        record = await self._users.get(caller.user_id)
        return show_preferences(DEFAULTS, record.created_at if record is not None else 0)

    async def change_preferences(self, caller: Principal, change: PreferenceChange) -> PreferencesObject:
        """Want something else.

        Raises:
            ApiError: `VALIDATION_ERROR`.
        """
        hours = change.quiet_hours
        if isinstance(hours, QuietHours):
            try:
                ZoneInfo(hours.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise invalid("quiet_hours.timezone", "is not a time zone of the IANA database") from None
        now = self._clock.now()
        wanted = {name: value for name, value in structs.asdict(change).items() if value is not UNSET}

        def work(tx: WriteTx) -> Preferences:
            found = store.find_preferences(tx.conn, [caller.user_id])
            before = found[caller.user_id][0] if caller.user_id in found else DEFAULTS
            after = structs.replace(before, **wanted)
            store.save_preferences(tx, caller.user_id, after, now)
            return after

        return show_preferences(await self._database.write(work), now)

    async def purge(self) -> int:
        """Forget old entries; returns how many."""
        before = self._clock.now() - self._kept_ms
        return await self._database.write(lambda tx: store.purge(tx, before, _PURGE))


def _own(entry: Entry | None, caller: Principal) -> Entry:
    if entry is None or entry.user_id != caller.user_id:
        raise ApiError(ErrorCode.NOT_FOUND, "There is no such notification.")
    return entry
