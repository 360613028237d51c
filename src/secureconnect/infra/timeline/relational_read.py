"""Reading the timeline from the relational store: every query of the `Timeline` port, portable SQL."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, TextClause, and_, bindparam, select, text

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import Head, StoredEvent, StoredMessage

__all__ = ["event_at", "events", "head", "heads", "last_messages", "message_by_id", "messages", "unread"]

_metadata = msgspec.json.Decoder(dict[str, str])

_e, _m, _h = tables.events.c, tables.messages.c, tables.heads.c

_is_message = _e.kind == "message_created"

_MESSAGE_COLUMNS = (
    _m.message_id,
    _m.conversation_id,
    _m.seq,
    _m.sender_id,
    _m.client_message_id,
    _m.content,
    _m.is_encrypted,
    _m.message_type,
    _m.metadata,
    _m.e2ee,
    _m.sent_at,
)

_events = select(
    _e.conversation_id,
    _e.seq,
    _e.event_id,
    _e.kind,
    _e.actor_id,
    _e.sent_at,
    _e.data,
    *_MESSAGE_COLUMNS,
).select_from(tables.events.outerjoin(tables.messages, and_(_m.message_id == _e.event_id, _is_message)))
_EVENT_WIDTH = 7

_messages = (
    select(*_MESSAGE_COLUMNS)
    .select_from(tables.events.join(tables.messages, _m.message_id == _e.event_id))
    .where(_is_message)
    .order_by(_e.seq.desc())
)

_heads = select(_h.conversation_id, _h.first_seq, _h.last_seq, _h.last_at, _h.guard)
_HEAD = _heads.where(_h.conversation_id == bindparam("id"))
_HEADS = _heads.where(_h.conversation_id.in_(bindparam("ids", expanding=True)))
_MESSAGE = select(*_MESSAGE_COLUMNS).where(_m.message_id == bindparam("id"))


def _stored_message(row: Any) -> StoredMessage:
    metadata = row[8]
    return StoredMessage(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        bool(row[6]),
        row[7],
        {} if metadata == "{}" else _metadata.decode(metadata),
        row[9],
        row[10],
    )


def _stored_event(row: Any) -> StoredEvent:
    has_message = row[_EVENT_WIDTH] is not None
    message = _stored_message(row[_EVENT_WIDTH:]) if has_message else None
    return StoredEvent(row[0], row[1], row[2], row[3], row[4], row[5], row[6], message)


def head(conn: Connection, conversation_id: str) -> Head | None:
    """See `Timeline.head`."""
    row = conn.execute(_HEAD, {"id": conversation_id}).first()
    return Head(*row[1:]) if row is not None else None


def heads(conn: Connection, conversation_ids: Collection[str]) -> dict[str, Head]:
    """See `Timeline.heads`."""
    found: dict[str, Head] = {}
    for chunk in _chunks(list(conversation_ids)):
        for row in conn.execute(_HEADS, {"ids": chunk}):
            found[row[0]] = Head(*row[1:])
    return found


def events(
    conn: Connection, conversation_id: str, after_seq: int | None, before_seq: int | None, limit: int
) -> list[StoredEvent]:
    """See `Timeline.events`."""
    query = _events.where(_e.conversation_id == conversation_id)
    if before_seq is not None:
        query = query.where(_e.seq < before_seq)
    if after_seq is not None:
        query = query.where(_e.seq > after_seq).order_by(_e.seq)
    else:
        query = query.order_by(_e.seq.desc())
    found = [_stored_event(row) for row in conn.execute(query.limit(limit))]
    if after_seq is None:
        found.reverse()
    return found


def event_at(conn: Connection, conversation_id: str, seq: int) -> StoredEvent | None:
    """The event at one place."""
    found = events(conn, conversation_id, seq - 1, seq + 1, 1)
    return found[0] if found else None


def messages(
    conn: Connection, conversation_id: str, from_seq: int, before_seq: int | None, limit: int
) -> list[StoredMessage]:
    """See `Timeline.messages`."""
    query = _messages.where(_e.conversation_id == conversation_id, _e.seq >= from_seq)
    if before_seq is not None:
        query = query.where(_e.seq < before_seq)
    return [_stored_message(row) for row in conn.execute(query.limit(limit))]


def message_by_id(conn: Connection, message_id: str) -> StoredMessage | None:
    """See `Timeline.message`."""
    row = conn.execute(_MESSAGE, {"id": message_id}).first()
    return _stored_message(row) if row is not None else None


def last_messages(conn: Connection, first_visible: Mapping[str, int]) -> dict[str, StoredMessage]:
    """See `Timeline.last_messages`."""
    found: dict[str, StoredMessage] = {}
    for query, params in _per_conversation(_last_messages_sql, first_visible):
        for row in conn.execute(query, params):
            found[row[1]] = _stored_message(row)
    return found


def unread(conn: Connection, user_id: str, marks: Mapping[str, int], cap: int) -> dict[str, int]:
    """See `Timeline.unread`."""
    found: dict[str, int] = {}
    for query, params in _per_conversation(_unread_sql, marks):
        for row in conn.execute(query, {**params, "user_id": user_id, "cap": cap}):
            found[row[0]] = row[1]
    return found


# Queries about many conversations at once join a list of (conversation_id, seq) pairs. A few list lengths
# serve all, so that the statements stay in the caches; a shorter list repeats its last pair.
_LENGTHS = (1, 4, 16, 64, 256)


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _LENGTHS[-1]):
        yield items[start : start + _LENGTHS[-1]]


def _per_conversation(sql: Any, pairs: Mapping[str, int]) -> Iterator[tuple[TextClause, dict[str, Any]]]:
    for chunk in _chunks(list(pairs.items())):
        length = next(length for length in _LENGTHS if length >= len(chunk))
        params: dict[str, Any] = {}
        for index in range(length):
            conversation_id, seq = chunk[min(index, len(chunk) - 1)]
            params[f"c{index}"], params[f"s{index}"] = conversation_id, seq
        yield sql(length), params


def _values(length: int) -> str:
    return "(VALUES " + ", ".join(f"(:c{index}, :s{index})" for index in range(length)) + ") AS v"


@cache
def _last_messages_sql(length: int) -> TextClause:
    columns = ", ".join(f"m.{column.name}" for column in _MESSAGE_COLUMNS)
    return text(
        f"SELECT {columns} FROM {_values(length)}"  # noqa: S608 - names and placeholders of our own
        " JOIN messages AS m ON m.message_id = (SELECT e.event_id FROM timeline_events AS e"
        " WHERE e.conversation_id = v.column1 AND e.seq >= v.column2 AND e.kind = 'message_created'"
        " ORDER BY e.seq DESC LIMIT 1)"
    )


@cache
def _unread_sql(length: int) -> TextClause:
    return text(
        "SELECT v.column1, (SELECT count(*) FROM"  # noqa: S608 - placeholders of our own
        " (SELECT 1 FROM timeline_events AS e WHERE e.conversation_id = v.column1 AND e.seq > v.column2"
        " AND e.kind = 'message_created' AND (e.actor_id IS NULL OR e.actor_id <> :user_id)"
        " LIMIT :cap) AS above)"
        f" FROM {_values(length)}"
    )
