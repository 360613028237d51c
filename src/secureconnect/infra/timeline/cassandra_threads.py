"""Reading threads, versions, reactions and expiries from Cassandra."""

from typing import Final

from secureconnect.infra.timeline.base import Reacted, StoredMessage, Version
from secureconnect.infra.timeline.cassandra_draft import HOUR
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_rows import Bare, complete, messages_at, reactions_of

__all__ = ["expired", "reactions", "thread", "thread_senders", "thread_unread", "versions"]

_PAGE: Final = 500
_PASSED: Final = 2  # hours after which an hour is looked at for the last time

_REPLIES = Cql(
    "SELECT",
    "thread_index",
    "SELECT seq, conversation_id, message_id, sender_id FROM thread_index WHERE thread_root_id = ?"
    " AND seq > ? LIMIT ?",
)
_SENDERS = Cql("SELECT", "thread_index", "SELECT sender_id FROM thread_index WHERE thread_root_id = ?")
_VERSIONS = Cql(
    "SELECT",
    "message_versions",
    "SELECT version, content, metadata, e2ee, edited_at FROM message_versions WHERE message_id = ?"
    " AND version > ? LIMIT ?",
)
_HOURS = Cql("SELECT", "expiry_hours", "SELECT hour FROM expiry_hours WHERE part = 0 AND hour <= ?")
_DUE = Cql(
    "SELECT",
    "message_expiries",
    "SELECT message_id FROM message_expiries WHERE hour = ? AND expires_at <= ? LIMIT ?",
)
_PASS = Cql("DELETE", "expiry_hours", "DELETE FROM expiry_hours WHERE part = 0 AND hour = ?")


async def thread(
    link: Link, root_id: str, after_seq: int, limit: int, viewer_id: str | None
) -> list[StoredMessage]:
    """See `Timeline.thread`."""
    return await complete(link, await _replies(link, root_id, after_seq, limit), viewer_id)


async def _replies(link: Link, root_id: str, after_seq: int, limit: int) -> list[Bare]:
    found: list[Bare] = []
    while len(found) < limit:
        size = limit - len(found)
        rows = await link.rows(_REPLIES, root_id, after_seq, size)
        if rows:
            # Retention may have taken some of them.
            messages = await messages_at(link, rows[0][1], [row[0] for row in rows])
            found += [messages[row[0]] for row in rows if row[0] in messages]
            after_seq = rows[-1][0]
        if len(rows) < size:
            break
    return found


async def thread_senders(link: Link, root_id: str) -> list[str]:
    """See `Timeline.thread_senders`."""
    found: dict[str, None] = {}
    async for page in link.pages(_SENDERS, root_id, size=_PAGE):
        found.update((row[0], None) for row in page if row[0] is not None)
    return list(found)


async def thread_unread(link: Link, root_id: str, user_id: str, after_seq: int, cap: int) -> int:
    """See `Timeline.thread_unread`."""
    count = 0
    while count < cap:
        found = await _replies(link, root_id, after_seq, _PAGE)
        count += sum(one.message.sender_id != user_id and one.message.deleted_at is None for one in found)
        if len(found) < _PAGE:
            break
        after_seq = found[-1].message.seq
    return min(count, cap)


async def versions(link: Link, message_id: str, after: int, limit: int) -> list[Version]:
    """See `Timeline.versions`."""
    rows = await link.rows(_VERSIONS, message_id, after, limit)
    return [Version(row[0], row[1] or "", row[2] or {}, row[3], row[4]) for row in rows]


async def reactions(
    link: Link, message_id: str, emoji: str | None, after: Reacted | None, limit: int
) -> list[Reacted]:
    """See `Timeline.reactions`. Reads all reactions of the message."""
    found = sorted(
        (at, user_id, name)
        for (user_id, name), at in (await reactions_of(link, message_id)).items()
        if emoji is None or name == emoji
    )
    start = None if after is None else (after.reacted_at, after.user_id, after.emoji)
    return [
        Reacted(user_id, name, at)
        for at, user_id, name in found
        if start is None or (at, user_id, name) > start
    ][:limit]


async def expired(link: Link, reader: Reader, now: int, limit: int) -> list[StoredMessage]:
    """See `Timeline.expired`."""
    found: list[StoredMessage] = []
    for (hour,) in await link.rows(_HOURS, now // HOUR):
        rows = await link.rows(_DUE, hour, now, limit - len(found))
        if not rows and hour < now // HOUR - _PASSED:
            await link.run(_PASS, hour)
        messages = await reader.messages_by_id(link, [row[0] for row in rows], None)
        due = [one for one in messages.values() if one.expires_at is not None and one.expires_at <= now]
        found += sorted(due, key=lambda one: one.expires_at or 0)
        if len(found) >= limit:
            break
    return found
