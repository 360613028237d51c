"""What a commit means for the tables beside the head: written after it, by whoever meets it undone.

Each write carries a timestamp that follows from the revision of its commit, so order among writes is that of
the commits, whatever clocks say and however often they are repeated.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.kit.errors import ApiError

__all__ = ["MUTATIONS", "Mutation", "Projector", "decode", "encode", "stamp"]

#: The name of a statement below, and its parameters with the timestamp.
Mutation = tuple[str, Sequence[Any]]

_KNOWN: Final = 100_000
_TOGETHER: Final = 64  # requests under way at once
_MARK_AFTER: Final = 0.05  # seconds
_CLOSING: Final = 1.0  # seconds

# One request carries so much: the servers warn of batches over more than ten partitions, or above 5 KiB.
_PARTITIONS: Final = 10
_BYTES: Final = 4_000

# In one commit, what removes a partition comes before what is put into it, and a new row before its new
# state.
_STEPS: Final = 4
_STEP = {"del": 0, "put": 1, "set": 2}


def stamp(revision: int, name: str) -> int:
    """The timestamp of a mutation."""
    return revision * _STEPS + _STEP[name[:3]]


def _put(table: str, *columns: str) -> Cql:
    marks = ", ".join("?" * len(columns))
    text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) USING TIMESTAMP ?"  # noqa: S608
    return Cql("INSERT", table, text, sparse=True)


def _set(table: str, *columns: str) -> Cql:
    return _put(table, *columns)._replace(operation="UPDATE", sparse=False)


def _del(table: str, where: str) -> Cql:
    return Cql("DELETE", table, f"DELETE FROM {table} USING TIMESTAMP ? WHERE {where}")  # noqa: S608


_PLACE = ("conversation_id", "bucket", "seq")

MUTATIONS: Final = {
    "put_event": _put(
        "timeline_events",
        *_PLACE,
        "event_id",
        "kind",
        "actor_id",
        "sent_at",
        "data",
        "target_id",
        "target_seq",
    ),
    "set_event_data": _set("timeline_events", *_PLACE, "data"),
    "del_events": _del("timeline_events", "conversation_id = ? AND bucket = ? AND seq <= ?"),
    "put_message": _put(
        "messages",
        *_PLACE,
        "message_id",
        "sender_id",
        "client_message_id",
        "content",
        "is_encrypted",
        "message_type",
        "metadata",
        "e2ee",
        "sent_at",
    ),
    "put_rich_message": _put(
        "messages",
        *_PLACE,
        "message_id",
        "sender_id",
        "client_message_id",
        "content",
        "is_encrypted",
        "message_type",
        "metadata",
        "e2ee",
        "sent_at",
        "sender_name",
        "reply_to_message_id",
        "reply_to_seq",
        "thread_root_id",
        "mentions",
        "mention_all",
        "mention_here",
        "forwarded",
        "silent",
        "attachment_count",
        "expires_at",
    ),
    "set_message": _set(
        "messages",
        *_PLACE,
        "client_message_id",
        "content",
        "metadata",
        "e2ee",
        "reply_to_message_id",
        "mentions",
        "mention_all",
        "mention_here",
        "pinned",
        "attachment_count",
        "reaction_count",
        "reply_count",
        "edited_at",
        "edit_count",
        "deleted_at",
        "deleted_by",
        "delete_reason",
        "expires_at",
    ),
    "del_messages": _del("messages", "conversation_id = ? AND bucket = ? AND seq <= ?"),
    "put_index": _put("message_index", "slot", "shard", "message_id", "conversation_id", "seq"),
    "del_index": _del("message_index", "slot = ? AND shard = ? AND message_id = ?"),
    "put_slot": _put("message_slots", "part", "slot"),
    "put_dedup": _put(
        "send_dedup", "conversation_id", "sender_id", "client_message_id", "message_id", "seq", "created_at"
    ),
    "del_dedup": _del("send_dedup", "conversation_id = ? AND sender_id = ? AND client_message_id = ?"),
    "put_attachment": _put(
        "message_attachments",
        "message_id",
        "position",
        "file_id",
        "file_name",
        "content_type",
        "file_size",
        "is_encrypted",
        "uploaded_at",
        "has_thumbnail",
        "available",
    ),
    "del_attachments": _del("message_attachments", "message_id = ?"),
    "put_reaction": _put("message_reactions", "message_id", "user_id", "emoji", "reacted_at"),
    "del_reaction": _del("message_reactions", "message_id = ? AND user_id = ? AND emoji = ?"),
    "del_reactions": _del("message_reactions", "message_id = ?"),
    "put_version": _put(
        "message_versions", "message_id", "version", "content", "metadata", "e2ee", "edited_at"
    ),
    "del_versions": _del("message_versions", "message_id = ?"),
    "put_reply": _put("thread_index", "thread_root_id", "seq", "conversation_id", "message_id", "sender_id"),
    "del_replies": _del("thread_index", "thread_root_id = ?"),
    "put_expiry": _put("message_expiries", "hour", "expires_at", "message_id"),
    "del_expiry": _del("message_expiries", "hour = ? AND expires_at = ? AND message_id = ?"),
    # Put long before the hour comes, and removed long after it: the servers' clocks are good enough.
    "put_hour": Cql("INSERT", "expiry_hours", "INSERT INTO expiry_hours (part, hour) VALUES (?, ?)"),
}

#: New rows of one commit are in one partition of these, but for the end of a bucket.
_SIDE_BY_SIDE: Final = ("timeline_events", "messages")

#: Rows that are the same for many messages: once per process will do.
_DIRECTORIES: Final = ("put_slot", "put_hour")

_TAIL = Cql("SELECT", "timeline_heads", "SELECT revision, tail FROM timeline_heads WHERE conversation_id = ?")
_TAIL_NOW = _TAIL._replace(serial=True)
_DONE = Cql(
    "SELECT", "timeline_projected", "SELECT revision FROM timeline_projected WHERE conversation_id = ?"
)
_MARK = Cql(
    "INSERT",
    "timeline_projected",
    "INSERT INTO timeline_projected (conversation_id, revision) VALUES (?, ?) USING TIMESTAMP ?",
)
_decoder = msgspec.msgpack.Decoder(list[tuple[str, list[Any]]])


def encode(mutations: Iterable[Mutation]) -> bytes:
    """As a tail, or as the payload of an intent."""
    return msgspec.msgpack.encode(list(mutations))


def decode(tail: bytes) -> list[Mutation]:
    """The other way round."""
    return list(_decoder.decode(tail)) if tail else []


class Projector:
    """Writes what commits mean, and remembers for which it has been done. May be used on any thread."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._directories: set[tuple[Any, ...]] = set()
        self._unmarked: dict[str, int] = {}
        self._marking: asyncio.Task[None] | None = None

    def known(self, conversation_id: str, revision: int) -> bool:
        """Whether what the revision means is known to be written."""
        return self._done.get(conversation_id, -1) >= revision

    async def project(
        self, link: Link, conversation_id: str, revision: int, mutations: Sequence[Mutation]
    ) -> None:
        """Write what a commit means; when this returns, everybody sees it."""
        await self.write(link, mutations)
        self._remember(conversation_id, revision)
        self._unmarked[conversation_id] = revision
        if self._marking is None or self._marking.done():
            self._marking = asyncio.create_task(self._mark(link))

    async def close(self) -> None:
        """Finish what was begun, if the cluster answers: a request that is cut off keeps its session from
        being closed."""
        if self._marking is not None:
            await asyncio.wait([self._marking], timeout=_CLOSING)
            self._marking.cancel()
            with contextlib.suppress(asyncio.CancelledError, ApiError):
                await self._marking

    async def _mark(self, link: Link) -> None:
        """Let other processes know, a little later and only of the last commit of each log: without it they
        do the same writes again.
        """
        while self._unmarked:
            await asyncio.sleep(_MARK_AFTER)
            marks, self._unmarked = self._unmarked, {}
            writes = [(_MARK, (key, at, at)) for key, at in marks.items()]
            with contextlib.suppress(ApiError):
                for start in range(0, len(writes), _PARTITIONS):
                    await link.together(writes[start : start + _PARTITIONS])

    async def write(self, link: Link, mutations: Sequence[Mutation]) -> None:
        """Write them, in no order, and remember nothing of it."""
        writes: list[tuple[Cql, Sequence[Any]]] = []
        unknown: dict[tuple[Any, ...], tuple[Cql, Sequence[Any]]] = {}
        for name, params in mutations:
            write = (MUTATIONS[name], params)
            if name not in _DIRECTORIES:
                writes.append(write)
            elif (key := (name, *params[:2])) not in self._directories:
                unknown[key] = write
        parts = list(_parts(writes))
        if len(parts) == 1 and not unknown:
            await link.together(parts[0])
            return
        limit = asyncio.Semaphore(_TOGETHER)

        async def some(part: list[tuple[Cql, Sequence[Any]]]) -> None:
            async with limit:
                await link.together(part)

        await asyncio.gather(*map(some, parts), *(link.run(cql, *params) for cql, params in unknown.values()))
        self._directories.update(unknown)

    async def settle(self, link: Link, conversation_id: str, revision: int) -> None:
        """Make sure that what everything up to `revision` means is written."""
        if self.known(conversation_id, revision):
            return
        done = await link.row(_DONE, conversation_id)
        if done is None or done[0] < revision:
            row = await link.row(_TAIL_NOW, conversation_id)
            if row is None or row[0] is None:
                return
            revision = row[0]
            await self.write(link, decode(row[1] or b""))
            await link.run(_MARK, conversation_id, revision, revision)
        self._remember(conversation_id, revision)

    def _remember(self, conversation_id: str, revision: int) -> None:
        if len(self._done) >= _KNOWN:
            self._done.clear()
        if self._done.get(conversation_id, -1) < revision:
            self._done[conversation_id] = revision


def _parts(writes: Sequence[tuple[Cql, Sequence[Any]]]) -> Iterator[list[tuple[Cql, Sequence[Any]]]]:
    """Neighbours that go in one request."""
    part: list[tuple[Cql, Sequence[Any]]] = []
    partitions: set[tuple[str, int | None]] = set()
    size = 0
    for write in writes:
        cql, params = write
        length = 0
        for value in params:
            if type(value) is str or type(value) is bytes:
                length += len(value)
        # All others are counted as if each row had a partition of its own.
        together = cql.operation == "INSERT" and cql.table in _SIDE_BY_SIDE
        where = (cql.table, None if together else len(part))
        full = where not in partitions and len(partitions) == _PARTITIONS
        if part and (full or size + length > _BYTES):
            yield part
            part, partitions, size = [], set(), 0
        part.append(write)
        partitions.add(where)
        size += length
    if part:
        yield part
