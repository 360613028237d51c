"""How much somebody has not read, over all conversations."""

from functools import partial

from secureconnect.features.conversations import store
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline

__all__ = ["Badges"]

_PAGE = 1000


class Badges:
    """Counts as each conversation's own `unread_count` does (docs/reference/realtime.md §7)."""

    def __init__(self, database: Database, timeline: Timeline, *, unread_cap: int) -> None:
        self._database = database
        self._timeline = timeline
        self._unread_cap = unread_cap

    async def unread(self, user_id: str) -> int:
        """The sum of all of the user's unread counts."""
        total, after = 0, ""
        while True:
            page = partial(store.overview_seats, user_id=user_id, after=after or None, limit=_PAGE)
            seats = await self._database.read(page)
            marks = {
                record.conversation_id: max(member.last_read_seq, member.visible_from - 1)
                for record, member, _ in seats
            }
            heads = await self._timeline.heads(marks)
            behind = {key: marks[key] for key, head in heads.items() if head.last_seq > marks[key]}
            if behind:
                counts = await self._timeline.unread(user_id, behind, cap=self._unread_cap)
                total += sum(counts.values())
            if len(seats) < _PAGE:
                return total
            after = seats[-1][0].conversation_id
