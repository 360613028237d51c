"""Putting entries into inboxes: implements what other features call in their transactions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from secureconnect.features.notifications import store
from secureconnect.features.notifications.api import Notice, NoticeType, Pushes
from secureconnect.features.notifications.rules import DEFAULTS, Preferences, may_push, wants
from secureconnect.features.notifications.service.frames import Frames
from secureconnect.features.notifications.store import Entry
from secureconnect.features.users.api import SecurityEvent, UserRecord
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.ids import new_time_id

__all__ = ["NoticeMetrics", "Teller"]

_TITLE = 255
_BODY = 1000

# What a `security` entry says. What exactly happened, and from where, is in its data.
_SECURITY: Mapping[SecurityEvent, tuple[str, str]] = {
    "refresh_reuse": (
        "A session was ended",
        "Its credentials were used twice, as if somebody had copied them. Log in again on that device.",
    ),
    "new_device": ("New login", "Somebody logged in to your account from a device that was not used before."),
    "password_changed": ("Password changed", "The password of your account was changed."),
    "account_locked": ("Account locked", "Too many wrong passwords were tried on your account."),
    "email_change_requested": (
        "E-mail change requested",
        "Somebody asked to change the e-mail address of your account.",
    ),
    "email_changed": ("E-mail changed", "The e-mail address of your account was changed."),
    "second_factor_changed": ("Second factor changed", "The second factor of your account was changed."),
}


class NoticeMetrics(Protocol):
    """Counts entries."""

    def notified(self, type_: str) -> None:
        """One entry, or one more folded into it."""


class Teller:
    """Implements `Notifications`, and what users, friends and messages call."""

    def __init__(self, frames: Frames, pushes: Pushes | None, metrics: NoticeMetrics, clock: Clock) -> None:
        self._frames = frames
        self._pushes = pushes
        self._metrics = metrics
        self._clock = clock

    def tell_in(self, tx: WriteTx, notice: Notice) -> None:
        preferences = self.preferences_in(tx, [notice.user_id])
        self.tell_known_in(tx, notice, preferences[notice.user_id], online=False, preview=None)

    def preferences_in(self, tx: WriteTx, user_ids: Collection[str]) -> dict[str, Preferences]:
        """What each of these users wants."""
        found = store.preferences_in(tx, user_ids)
        return {user_id: found.get(user_id, DEFAULTS) for user_id in user_ids}

    def tell_known_in(
        self, tx: WriteTx, notice: Notice, preferences: Preferences, *, online: bool, preview: str | None
    ) -> None:
        """Like `tell_in`, with preferences that were read in this transaction.

        `online`: the user is there and needs no push of messages. `preview` is what the message says.
        """
        if not wants(preferences, notice.type):
            return
        now = self._clock.now()
        entry = Entry(
            notification_id=new_time_id(),
            user_id=notice.user_id,
            type=notice.type,
            title=notice.title[:_TITLE],
            body=notice.body[:_BODY],
            data=msgspec.json.encode(dict(notice.data)).decode(),
            fold_key=notice.fold_key,
            conversation_id=notice.conversation_id,
            seq=notice.seq,
            count=notice.count,
            is_read=False,
            is_pushed=False,
            created_at=now,
            updated_at=now,
            read_at=None,
        )
        kept = store.put_entry(tx, entry)
        if kept is None:
            return
        pushed = (
            self._pushes is not None
            and notice.push
            and may_push(preferences, notice.type, now, online=online)
            and self._pushes.push_in(
                tx, notice, kept.notification_id, preview=preview if preferences.message_preview else None
            )
        )
        if pushed and not kept.is_pushed:
            store.mark_pushed(tx, kept.notification_id)
            kept = msgspec.structs.replace(kept, is_pushed=True)
        # Most who are told of something are not there: nobody counts for them.
        unread = store.unread_in(tx, notice.user_id) if self._frames.heard(notice.user_id) else None
        tx.deliver(self._told, (kept, unread))

    def _told(self, entries: Sequence[tuple[Entry, int | None]]) -> None:
        for entry, unread in entries:
            self._metrics.notified(entry.type)
            if unread is not None:
                self._frames.tell(entry, unread)

    def pushable_in(self, tx: WriteTx, user_ids: Collection[str], type_: NoticeType) -> set[str]:
        """See `Notifications`."""
        now = self._clock.now()
        return {
            user_id
            for user_id, preferences in self.preferences_in(tx, user_ids).items()
            if wants(preferences, type_) and may_push(preferences, type_, now, online=False)
        }

    def read_in(self, tx: WriteTx, user_id: str, conversation_id: str, seq: int) -> None:
        store.read_upto(tx, user_id, conversation_id, seq, self._clock.now())

    def security_in(self, tx: WriteTx, user_id: str, event: SecurityEvent, data: Mapping[str, str]) -> None:
        title, body = _SECURITY[event]
        self.tell_in(
            tx,
            Notice(
                user_id=user_id,
                type="security",
                title=title,
                body=body,
                data={"event": event, **data},
            ),
        )

    def schedule_failed_in(
        self, tx: WriteTx, user_id: str, scheduled_id: str, conversation_id: str, code: ErrorCode
    ) -> None:
        self.tell_in(
            tx,
            Notice(
                user_id=user_id,
                type="system",
                title="Scheduled message not sent",
                body="A message that you scheduled could not be sent.",
                data={"scheduled_id": scheduled_id, "conversation_id": conversation_id, "code": code.name},
            ),
        )

    def friend_requested_in(self, tx: WriteTx, user_id: str, asker: UserRecord) -> None:
        """See `friends.api.FriendNotices`."""
        self.tell_in(
            tx,
            Notice(
                user_id=user_id,
                type="friend_request",
                title="Friend request",
                body=f"{asker.display_name} wants to be your friend",
                data={"user_id": asker.user_id},
            ),
        )
