"""What tests of push adapters share."""

import datetime
from typing import Any

from secureconnect.infra.push.base import Push

__all__ = ["NOW", "Time", "push"]

NOW = int(datetime.datetime(2027, 1, 15, 8, tzinfo=datetime.UTC).timestamp() * 1000)


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._now / 1000

    def move(self, seconds: float) -> None:
        self._now += int(seconds * 1000)


def push(**fields: Any) -> Push:
    """A push of a message."""
    values: dict[str, Any] = {
        "push_id": "0197-aa",
        "kind": "message",
        "title": "New message",
        "body": "New message from Anna",
        "data": {"conversation_id": "c1"},
        "badge": 3,
        "written_at": NOW,
        "expires_at": NOW + 86_400_000,
        **fields,
    }
    return Push(**values)
