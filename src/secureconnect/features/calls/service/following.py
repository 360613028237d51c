"""Who leaves a conversation leaves its calls."""

from collections.abc import Sequence

import msgspec

from secureconnect.edge.realtime.background import Background
from secureconnect.features.calls.service.reaping import Reaper
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.kit.events import MemberRemoved

__all__ = ["Followed"]


class _Removed(msgspec.Struct):
    user_id: str


class Followed:
    """Hears the commits of the timeline. Whatever is missed here is the reaper's."""

    def __init__(self, reaper: Reaper, background: Background) -> None:
        self._reaper = reaper
        self._background = background

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """See `CommitListener`."""
        for event in events:
            if event.kind == MemberRemoved.kind:
                user_id = msgspec.json.decode(event.data, type=_Removed).user_id
                self._background.start(self._reaper.withdraw(event.conversation_id, user_id))
