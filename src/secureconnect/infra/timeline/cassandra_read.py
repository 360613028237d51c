"""Reading logs and messages from Cassandra."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from secureconnect.infra.timeline.base import MESSAGE_KINDS, Head, StoredEvent, StoredMessage
from secureconnect.infra.timeline.cassandra_head import head_row, shown
from secureconnect.infra.timeline.cassandra_link import Cql, Link, Row
from secureconnect.infra.timeline.cassandra_rows import Bare, bare, complete, messages_at, place_of, select
from secureconnect.infra.timeline.cassandra_schema import BUCKET, bucket_of

__all__ = ["Reader"]

T = TypeVar("T")

_TOGETHER: Final = 32  # conversations asked at once
_PAGE: Final = 1000

_EVENTS = (
    "SELECT seq, event_id, kind, actor_id, sent_at, data, target_id, target_seq FROM timeline_events WHERE"
)
_UP = Cql(
    "SELECT",
    "timeline_events",
    f"{_EVENTS} conversation_id = ? AND bucket = ? AND seq >= ? AND seq <= ? LIMIT ?",
)
_DOWN = Cql(
    "SELECT",
    "timeline_events",
    f"{_EVENTS} conversation_id = ? AND bucket = ? AND seq >= ? AND seq <= ? ORDER BY seq DESC LIMIT ?",
)
_NEWEST = select("conversation_id = ? AND bucket = ? AND seq >= ? AND seq <= ? LIMIT ?")
_UNREAD = Cql(
    "SELECT",
    "messages",
    "SELECT sender_id, deleted_at, seq FROM messages WHERE conversation_id = ? AND bucket = ? AND seq >= ?"
    " AND seq <= ? ORDER BY seq ASC LIMIT ?",
)


class Reader:
    """Reads. What a head shows is in every other table."""

    async def head(self, link: Link, conversation_id: str) -> Head | None:
        """See `Timeline.head`."""
        head = await head_row(link, conversation_id)
        return None if head is None else shown(head)

    async def heads(self, link: Link, conversation_ids: Collection[str]) -> dict[str, Head]:
        """See `Timeline.heads`."""
        found = await self._each(conversation_ids, lambda key: self.head(link, key))
        return {key: head for key, head in found.items() if head is not None}

    async def events(
        self, link: Link, conversation_id: str, after_seq: int | None, before_seq: int | None, limit: int
    ) -> list[StoredEvent]:
        """See `Timeline.events`."""
        head = await head_row(link, conversation_id)
        if head is None:
            return []
        low = max(head.first_seq, (after_seq or 0) + 1)
        high = head.last_seq if before_seq is None else min(head.last_seq, before_seq - 1)
        rows = await self.rows(link, conversation_id, low, high, limit, upwards=after_seq is not None)
        return await self.told(link, conversation_id, rows)

    async def rows(
        self, link: Link, conversation_id: str, low: int, high: int, limit: int, *, upwards: bool = True
    ) -> list[Row]:
        """Rows of events from `low` to `high`, ascending: the first `limit` of them, or the last."""
        found: list[Row] = []
        buckets = range(bucket_of(low), bucket_of(high) + 1) if low <= high else range(0)
        for bucket in buckets if upwards else reversed(buckets):
            cql = _UP if upwards else _DOWN
            found += await link.rows(cql, conversation_id, bucket, low, high, limit - len(found))
            if len(found) >= limit:
                break
        return [row for row in (found if upwards else reversed(found)) if row[1] is not None]

    async def told(self, link: Link, conversation_id: str, rows: list[Row]) -> list[StoredEvent]:
        """Rows of events with the state of the messages that they brought or are about."""
        places = {row[0] for row in rows if row[2] in MESSAGE_KINDS}
        places |= {row[7] for row in rows if row[7] is not None}
        found = list((await messages_at(link, conversation_id, sorted(places))).values())
        by_id = {one.message_id: one for one in await complete(link, found, None)}
        return [
            StoredEvent(
                conversation_id,
                row[0],
                row[1],
                row[2],
                row[3],
                row[4],
                row[5] or b"",
                by_id.get(row[6] or row[1]),
            )
            for row in rows
        ]

    async def event_at(self, link: Link, conversation_id: str, seq: int) -> StoredEvent | None:
        """The event at one place, if retention has left it."""
        rows = await self.rows(link, conversation_id, seq, seq, 1)
        return (await self.told(link, conversation_id, rows))[0] if rows else None

    async def messages(
        self,
        link: Link,
        conversation_id: str,
        from_seq: int,
        before_seq: int | None,
        limit: int,
        viewer_id: str | None,
    ) -> list[StoredMessage]:
        """See `Timeline.messages`."""
        head = await head_row(link, conversation_id)
        if head is None:
            return []
        low = max(head.first_seq, from_seq)
        high = head.last_seq if before_seq is None else min(head.last_seq, before_seq - 1)
        found: list[Bare] = []
        for bucket in range(bucket_of(high), bucket_of(low) - 1, -1) if low <= high else ():
            rows = await link.rows(_NEWEST, conversation_id, bucket, low, high, limit - len(found))
            found += [one for row in rows if (one := bare(row)) is not None]
            if len(found) >= limit:
                break
        return await complete(link, found, viewer_id)

    async def message(self, link: Link, message_id: str, viewer_id: str | None) -> StoredMessage | None:
        """See `Timeline.message`."""
        return (await self.messages_by_id(link, [message_id], viewer_id)).get(message_id)

    async def messages_by_id(
        self, link: Link, message_ids: Collection[str], viewer_id: str | None
    ) -> dict[str, StoredMessage]:
        """See `Timeline.messages_by_id`."""
        places = await self._each(message_ids, lambda key: place_of(link, key))
        wanted: dict[str, list[int]] = {}
        for place in places.values():
            if place is not None:
                wanted.setdefault(place[0], []).append(place[1])
        pages = await self._each(wanted, lambda key: messages_at(link, key, wanted[key]))
        found = [one for page in pages.values() for one in page.values() if one.message.message_id in places]
        return {one.message_id: one for one in await complete(link, found, viewer_id)}

    async def last_messages(
        self, link: Link, first_visible: Mapping[str, int], viewer_id: str | None
    ) -> dict[str, StoredMessage]:
        """See `Timeline.last_messages`."""
        found = await self._each(
            first_visible, lambda key: self.messages(link, key, first_visible[key], None, 1, viewer_id)
        )
        return {key: page[0] for key, page in found.items() if page}

    async def unread(self, link: Link, user_id: str, marks: Mapping[str, int], cap: int) -> dict[str, int]:
        """See `Timeline.unread`."""
        return await self._each(marks, lambda key: self._unread(link, user_id, key, marks[key], cap))

    async def _unread(self, link: Link, user_id: str, conversation_id: str, mark: int, cap: int) -> int:
        head = await head_row(link, conversation_id)
        if head is None:
            return 0
        count, low = 0, max(mark + 1, head.first_seq)
        # Most pages are short: nobody's count goes far above the cap.
        page = min(cap + 32, _PAGE)
        while low <= head.last_seq:
            bucket = bucket_of(low)
            rows = await link.rows(_UNREAD, conversation_id, bucket, low, head.last_seq, page)
            count += sum(row[0] != user_id and row[1] is None for row in rows)
            if count >= cap:
                return cap
            low = rows[-1][2] + 1 if len(rows) == page else (bucket + 1) * BUCKET
        return count

    async def _each(self, keys: Collection[str], ask: Any) -> dict[str, Any]:
        """What `ask` says of each key, some at a time."""
        limit = asyncio.Semaphore(_TOGETHER)

        async def one(key: str) -> Any:
            async with limit:
                return await ask(key)

        ordered = list(dict.fromkeys(keys))
        return dict(zip(ordered, await asyncio.gather(*map(one, ordered)), strict=True))
