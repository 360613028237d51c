"""Reading across all logs in Cassandra. What looks at every head is for rare jobs."""

import heapq
from collections.abc import Collection, Iterable
from typing import Any, Final

from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.infra.timeline.cassandra_head import head_row
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_schema import slot_of

__all__ = ["active_since", "changed_since", "count_messages", "older_messages"]

_PAGE: Final = 2000
_EVENTS: Final = 200
_SHARDS: Final = 16

_ACTIVE = Cql(
    "SELECT", "timeline_heads", "SELECT conversation_id, last_at, message_count FROM timeline_heads"
)
_SLOTS = Cql("SELECT", "message_slots", "SELECT slot FROM message_slots WHERE part = 0 AND slot <= ? LIMIT ?")
_INDEXED = Cql(
    "SELECT",
    "message_index",
    "SELECT message_id FROM message_index WHERE slot = ? AND shard = ? AND message_id < ? LIMIT ?",
)


async def _heads(link: Link) -> list[tuple[str, int, int]]:
    """Conversation, time of the last event, and count of messages, of every log."""
    return [
        (row[0], row[1] or 0, row[2] or 0) async for page in link.pages(_ACTIVE, size=_PAGE) for row in page
    ]


async def count_messages(link: Link) -> int:
    """See `Timeline.count_messages`."""
    return sum(count for _, _, count in await _heads(link))


async def active_since(link: Link, since: int, after: str | None, limit: int) -> list[str]:
    """See `Timeline.active_since`. Looks at every head."""
    found = (key for key, last_at, _ in await _heads(link) if last_at >= since and key > (after or ""))
    return heapq.nsmallest(limit, found)


async def changed_since(
    link: Link, reader: Reader, since: int, kinds: Collection[str], after: str | None, limit: int
) -> tuple[list[StoredMessage], str | None]:
    """See `Timeline.changed_since`."""
    active = await active_since(link, since, after, limit)
    found: dict[str, StoredMessage] = {}
    for key in active:
        changed = await _changed(link, reader, key, since, kinds)
        found.update(await reader.messages_by_id(link, sorted(changed), None))
    return list(found.values()), active[-1] if len(active) == limit else None


async def _changed(
    link: Link, reader: Reader, conversation_id: str, since: int, kinds: Collection[str]
) -> set[str]:
    changed: set[str] = set()
    head = await head_row(link, conversation_id)
    high = 0 if head is None else head.last_seq
    while head is not None and high >= head.first_seq:
        rows = await reader.rows(link, conversation_id, head.first_seq, high, _EVENTS, upwards=False)
        changed.update(row[6] or row[1] for row in rows if row[4] >= since and row[2] in kinds)
        if len(rows) < _EVENTS or rows[0][4] < since:
            break
        high = rows[0][0] - 1
    return changed


async def older_messages(link: Link, reader: Reader, before_id: str, limit: int) -> list[StoredMessage]:
    """See `Timeline.older_messages`."""
    found: list[StoredMessage] = []
    slot, below = slot_of(before_id)[0], before_id
    while len(found) < limit:
        slots = await link.rows(_SLOTS, slot, 1)
        if not slots:
            break
        slot = slots[0][0]
        ids = await _indexed(link, slot, below, limit - len(found))
        messages = await reader.messages_by_id(link, ids, None)
        found += [messages[key] for key in ids if key in messages]
        if len(ids) < limit - len(found) or not ids:
            slot -= 1
        else:
            below = ids[-1]
    return found


async def _indexed(link: Link, slot: int, below: str, limit: int) -> list[str]:
    parts: list[Iterable[Any]] = [
        [row[0] for row in await link.rows(_INDEXED, slot, shard, below, limit)] for shard in range(_SHARDS)
    ]
    return list(heapq.merge(*parts, reverse=True))[:limit]
