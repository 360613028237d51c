"""Telling open sockets of new entries: at most one frame per second and user, the latest wins.

What replaces it before it is sent is never rendered.
"""

import msgspec

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.notifications.api import Notification
from secureconnect.features.notifications.store import Entry
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.hints import UserFrame, user_channel

__all__ = ["Frames", "show"]

_INTERVAL = 1.0

_data = msgspec.json.Decoder(dict[str, str])


def show(entry: Entry) -> Notification:
    """The entry as its owner sees it."""
    return Notification(
        notification_id=entry.notification_id,
        type=entry.type,
        title=entry.title,
        body=entry.body,
        data=_data.decode(entry.data),
        count=entry.count,
        is_read=entry.is_read,
        is_pushed=entry.is_pushed,
        created_at=rfc3339(entry.created_at),
        updated_at=rfc3339(entry.updated_at),
        read_at=rfc3339(entry.read_at) if entry.read_at is not None else None,
    )


class _Pace:
    """The last second of one user, and what waits for its end."""

    __slots__ = ("_frames", "due_tick", "user_id", "waiting")

    def __init__(self, frames: "Frames", user_id: str) -> None:
        self._frames = frames
        self.user_id = user_id
        self.due_tick = -1
        self.waiting: tuple[Entry, int] | None = None

    def due(self) -> None:
        self._frames.due(self)


class Frames:
    """Publishes `notification` frames, not too many of them."""

    def __init__(self, bus: Bus, timers: Timers) -> None:
        self._bus = bus
        self._timers = timers
        self._paces: dict[str, _Pace] = {}

    def heard(self, user_id: str) -> bool:
        """False when the user has no socket that could hear of an entry."""
        return self._bus.listened(user_channel(user_id))

    def tell(self, entry: Entry, unread_count: int) -> None:
        """Publish now or within a second, unless a later entry of the user replaces it."""
        user_id = entry.user_id
        pace = self._paces.get(user_id)
        if pace is not None:
            pace.waiting = entry, unread_count
            return
        pace = self._paces[user_id] = _Pace(self, user_id)
        self._timers.wake(pace, _INTERVAL)
        self._publish(entry, unread_count)

    def due(self, pace: _Pace) -> None:
        """A second has passed since the last frame."""
        if pace.waiting is None:
            del self._paces[pace.user_id]
            return
        entry, unread_count = pace.waiting
        pace.waiting = None
        self._timers.wake(pace, _INTERVAL)
        self._publish(entry, unread_count)

    def _publish(self, entry: Entry, unread_count: int) -> None:
        frame = json_frame(
            {"type": "notification", "notification": show(entry), "unread_count": unread_count}
        )
        self._bus.publish(user_channel(entry.user_id), UserFrame(entry.user_id, frame))
