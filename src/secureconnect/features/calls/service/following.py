"""Who leaves a conversation leaves its calls; and a block ends the call of the two."""

from collections.abc import Sequence

import msgspec

from secureconnect.edge.realtime.background import Background
from secureconnect.features.calls.service.reaping import Reaper
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.kit.events import MemberRemoved

__all__ = ["Followed"]


class _Removed(msgspec.Struct):
    user_id: str


class Followed:
    """Hears the commits of the timeline, and of blocks. Whatever is missed here is the reaper's."""

    def __init__(self, reaper: Reaper, background: Background) -> None:
        self._reaper = reaper
        self._background = background

    def pair_changed(self, tx: WriteTx, a: str, b: str) -> None:
        """See `PairChanged`. The block does not wait for the call: its timeline may be away."""
        tx.after_commit(lambda: self._part(a, b))

    def _part(self, a: str, b: str) -> None:
        self._background.start(self._reaper.part(a, b))

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """See `CommitListener`."""
        for event in events:
            if event.kind == MemberRemoved.kind:
                user_id = msgspec.json.decode(event.data, type=_Removed).user_id
                self._background.start(self._reaper.withdraw(event.conversation_id, user_id))
