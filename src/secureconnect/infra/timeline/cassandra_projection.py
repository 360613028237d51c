"""What a commit means for the tables in Cassandra: written after it was decided, by whoever meets it undone.

Each write carries a timestamp that follows from the revision of its commit, so order among writes is that of
the commits, whatever clocks say and however often they are repeated.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from secureconnect.infra.timeline.base import MESSAGE_KINDS
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.cassandra_schema import slot_of
from secureconnect.infra.timeline.intents import Plan

__all__ = ["MUTATIONS", "SAID", "SAID_EVENT", "Mutation", "Projector", "stamp"]

#: The name of a statement below, and its parameters with the timestamp; `say` stands for the rows of a plain
#: message.
Mutation = tuple[str, Sequence[Any]]
#: A statement and its parameters.
Write = tuple[Cql, Sequence[Any]]

_KNOWN: Final = 100_000
_TOGETHER: Final = 64  # requests under way at once

# One request carries so much. Servers warn of batches over more than ten partitions or above 5 KiB unless
# they are told not to (docs/how-to/cluster.md), and refuse those above 50 KiB.
_PARTITIONS: Final = 32
_BYTES: Final = 16_000

# In one commit, what removes a partition comes before what is put into it, and a new row before its new
# state.
_STEPS: Final = 4
_STEP: Final = {"d": 0, "p": 1, "s": 2}


def stamp(revision: int, name: str) -> int:
    """The timestamp of a mutation."""
    return revision * _STEPS + _STEP[name[0]]


def _insert(operation: str, table: str, columns: Sequence[str]) -> Cql:
    marks = ", ".join("?" * len(columns))
    text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) USING TIMESTAMP ?"  # noqa: S608
    return Cql(operation, table, text)


def _put(table: str, *columns: str) -> "_Mutation":
    return _Mutation(_insert("INSERT", table, columns), columns)


def _set(table: str, *columns: str) -> "_Mutation":
    return _Mutation(_insert("UPDATE", table, columns))


def _del(table: str, where: str) -> "_Mutation":
    return _Mutation(Cql("DELETE", table, f"DELETE FROM {table} USING TIMESTAMP ? WHERE {where}"))  # noqa: S608


class _Mutation(NamedTuple):
    """A statement; those that put a new row name their columns, and leave out what there is nothing in."""

    cql: Cql
    columns: tuple[str, ...] = ()


_PLACE = ("conversation_id", "bucket", "seq")
_SAID_COLUMNS = (
    "message_id",
    "sender_id",
    "client_message_id",
    "content",
    "is_encrypted",
    "message_type",
    "metadata",
)

MUTATIONS: Final = {
    "put_head": _put(
        "timeline_heads",
        "conversation_id",
        "first_seq",
        "last_seq",
        "last_at",
        "message_count",
        "guard",
        "revision",
    ),
    "del_head": _del("timeline_heads", "conversation_id = ?"),
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
        *_SAID_COLUMNS,
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
    "put_hour": _Mutation(
        Cql("INSERT", "expiry_hours", "INSERT INTO expiry_hours (part, hour) VALUES (?, ?)")
    ),
}

_INDEX: Final = MUTATIONS["put_index"].cql
#: What a message says that has nothing but what every message has.
SAID_EVENT: Final = _insert(
    "INSERT", "timeline_events", (*_PLACE, "event_id", "kind", "actor_id", "sent_at", "data")
)
SAID: Final = _insert("INSERT", "messages", (*_PLACE, *_SAID_COLUMNS, "sent_at"))

#: Rows of these stand in one partition when conversation and bucket are the same: keys of partitions are
#: compared across tables.
_SIDE_BY_SIDE: Final = ("timeline_events", "messages")
#: How many columns make the partition key where it is not one.
_KEYS: Final = {"message_index": 2}

#: Rows that are the same for many messages: once per process will do.
_DIRECTORIES: Final = ("put_slot", "put_hour")


class Projector:
    """Writes what commits mean, and remembers for which it has been done. May be used on any thread."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._directories: set[tuple[Any, ...]] = set()

    def known(self, conversation_id: str, revision: int) -> bool:
        """Whether everything up to this commit is known to be written and shown."""
        return self._done.get(conversation_id, 0) >= revision

    async def project(self, link: Link, plans: Sequence[Plan]) -> None:
        """Write what commits mean and then let their heads show it. What came before them is written."""
        await self.write(link, [mutation for plan in plans for mutation in plan.mutations])
        newest = {plan.conversation_id: plan for plan in sorted(plans, key=_revision)}
        await self.write(link, [_head(plan) for plan in newest.values()])
        for key, plan in newest.items():
            self.remember(key, plan.revision)

    async def write(self, link: Link, mutations: Sequence[Mutation]) -> None:
        """Write them, in no order, and remember nothing of it."""
        writes: list[Write] = []
        unknown: dict[tuple[Any, ...], Write] = {}
        for name, params in mutations:
            if name == "say":
                slot = _say(writes, params)
                if ("put_slot", 0, slot) not in self._directories:
                    unknown["put_slot", 0, slot] = _write("put_slot", (0, slot, params[-1]))
            elif name not in _DIRECTORIES:
                writes.append(_write(name, params))
            elif (key := (name, *params[:2])) not in self._directories:
                unknown[key] = _write(name, params)
        parts = list(_parts(writes))
        if len(parts) == 1 and not unknown:
            await link.together(parts[0])
            return
        limit = asyncio.Semaphore(_TOGETHER)

        async def some(part: list[Write]) -> None:
            async with limit:
                await link.together(part)

        await asyncio.gather(*map(some, parts), *(link.run(cql, *params) for cql, params in unknown.values()))
        self._directories.update(unknown)

    def remember(self, conversation_id: str, revision: int) -> None:
        """Everything up to this commit is written and shown."""
        if len(self._done) >= _KNOWN:
            self._done.clear()
        if self._done.get(conversation_id, 0) < revision:
            self._done[conversation_id] = revision


def _revision(plan: Plan) -> int:
    return plan.revision


def _head(plan: Plan) -> Mutation:
    if plan.to is None:
        return "del_head", (stamp(plan.revision, "del_head"), plan.conversation_id)
    head = msgspec.structs.astuple(plan.to)
    return "put_head", (plan.conversation_id, *head, stamp(plan.revision, "put_head"))


def _say(writes: list[Write], params: Sequence[Any]) -> int:
    """The rows of a message that has nothing but what every message has; returns its slot in the index."""
    key, bucket, seq, message_id, sender_id, client_id, content, kind, metadata, sent_at, at = params
    slot, shard = slot_of(message_id)
    event = [key, bucket, seq, message_id, MESSAGE_KINDS[0], sender_id, sent_at, b"", at]
    said = [message_id, sender_id, client_id, content, False, kind, metadata, sent_at, at]
    index = [slot, shard, message_id, key, seq, at]
    writes += ((SAID_EVENT, event), (SAID, [key, bucket, seq, *said]), (_INDEX, index))
    return slot


def _write(name: str, params: Sequence[Any]) -> Write:
    if None in params and MUTATIONS[name].columns:
        given = tuple([value is not None for value in params])
        return _sparse(name, given), [value for value in params if value is not None]
    return MUTATIONS[name].cql, params


@lru_cache(maxsize=1024)
def _sparse(name: str, given: tuple[bool, ...]) -> Cql:
    """The statement without the columns that there is nothing for: None would be written as a tombstone."""
    cql, columns = MUTATIONS[name]
    return _insert(
        cql.operation, cql.table, [name for name, there in zip(columns, given, strict=False) if there]
    )


def _parts(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Neighbours that go in one request."""
    part: list[Write] = []
    partitions: set[tuple[Any, ...]] = set()
    size = 0
    for write in writes:
        cql, params = write
        length = len(msgspec.msgpack.encode(params))
        if cql.operation != "INSERT":
            where: tuple[Any, ...] = (len(part),)  # counted as if it had a partition of its own
        elif cql.table in _SIDE_BY_SIDE:
            where = (params[0], params[1])
        else:
            where = (cql.table, *params[: _KEYS.get(cql.table, 1)])
        full = where not in partitions and len(partitions) == _PARTITIONS
        if part and (full or size + length > _BYTES):
            yield part
            part, partitions, size = [], set(), 0
        part.append(write)
        partitions.add(where)
        size += length
    if part:
        yield part
