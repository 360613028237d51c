"""Reading the timeline from the relational store: every query of the `Timeline` port, portable SQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, func, literal_column, select, text

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import MESSAGE_KINDS, Head, StoredEvent, StoredMessage
from secureconnect.infra.timeline.relational_details import with_details
from secureconnect.infra.timeline.relational_rows import MESSAGE_COLUMNS, MESSAGE_NAMES, stored_message

__all__ = [
    "event_at",
    "events",
    "head",
    "heads",
    "last_messages",
    "message_by_id",
    "messages",
    "messages_by_id",
    "unread",
]

_e, _m, _h = tables.events.c, tables.messages.c, tables.heads.c

_KINDS = ", ".join(f"'{kind}'" for kind in MESSAGE_KINDS)

_EVENT_COLUMNS = (_e.conversation_id, _e.seq, _e.event_id, _e.kind, _e.actor_id, _e.sent_at, _e.data)
_EVENT_WIDTH = len(_EVENT_COLUMNS)
# The message that an event brings has the event's id.
_events = select(*_EVENT_COLUMNS, *MESSAGE_COLUMNS).select_from(
    tables.events.outerjoin(tables.messages, _m.message_id == func.coalesce(_e.target_id, _e.event_id))
)

# The statements that read pages are built once: to build one takes as long as to run it. Seqs that are not
# asked for are beyond all that there are.
_HIGHEST = 2**62

_AFTER = (
    _events.where(
        _e.conversation_id == bindparam("id"), _e.seq > bindparam("after"), _e.seq < bindparam("before")
    )
    .order_by(_e.seq)
    .limit(bindparam("most"))
)
_BEFORE = (
    _events.where(_e.conversation_id == bindparam("id"), _e.seq < bindparam("before"))
    .order_by(_e.seq.desc())
    .limit(bindparam("most"))
)
_NEWEST = (
    select(*MESSAGE_COLUMNS)
    .select_from(tables.events.join(tables.messages, _m.message_id == _e.event_id))
    .where(
        _e.conversation_id == bindparam("id"),
        _e.seq >= bindparam("from"),
        _e.seq < bindparam("before"),
        _e.kind.in_([literal_column(f"'{kind}'") for kind in MESSAGE_KINDS]),
    )
    .order_by(_e.seq.desc())
    .limit(bindparam("most"))
)

_heads = select(_h.conversation_id, _h.first_seq, _h.last_seq, _h.last_at, _h.guard)
_HEAD = _heads.where(_h.conversation_id == bindparam("id"))
_HEADS = _heads.where(_h.conversation_id.in_(bindparam("ids", expanding=True)))
_MESSAGE = select(*MESSAGE_COLUMNS).where(_m.message_id == bindparam("id"))
_MESSAGES = select(*MESSAGE_COLUMNS).where(_m.message_id.in_(bindparam("ids", expanding=True)))


def _stored_events(conn: Connection, rows: Sequence[Any]) -> list[StoredEvent]:
    brought = [stored_message(row[_EVENT_WIDTH:]) for row in rows if row[_EVENT_WIDTH] is not None]
    # Nobody's reactions are marked: an event says the same to everybody.
    complete = iter(with_details(conn, brought, None))
    return [
        StoredEvent(
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            row[6],
            next(complete) if row[_EVENT_WIDTH] is not None else None,
        )
        for row in rows
    ]


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
    params = {
        "id": conversation_id,
        "before": _HIGHEST if before_seq is None else before_seq,
        "most": limit,
    }
    if after_seq is not None:
        params["after"] = after_seq
    rows = conn.execute(_BEFORE if after_seq is None else _AFTER, params).all()
    found = _stored_events(conn, rows)
    if after_seq is None:
        found.reverse()
    return found


def event_at(conn: Connection, conversation_id: str, seq: int) -> StoredEvent | None:
    """The event at one place."""
    found = events(conn, conversation_id, seq - 1, seq + 1, 1)
    return found[0] if found else None


def messages(
    conn: Connection,
    conversation_id: str,
    from_seq: int,
    before_seq: int | None,
    limit: int,
    viewer_id: str | None,
) -> list[StoredMessage]:
    """See `Timeline.messages`."""
    params = {
        "id": conversation_id,
        "from": from_seq,
        "before": _HIGHEST if before_seq is None else before_seq,
        "most": limit,
    }
    found = [stored_message(row) for row in conn.execute(_NEWEST, params).all()]
    return with_details(conn, found, viewer_id)


def message_by_id(conn: Connection, message_id: str, viewer_id: str | None) -> StoredMessage | None:
    """See `Timeline.message`."""
    row = conn.execute(_MESSAGE, {"id": message_id}).first()
    return with_details(conn, [stored_message(row)], viewer_id)[0] if row is not None else None


def messages_by_id(
    conn: Connection, message_ids: Collection[str], viewer_id: str | None
) -> dict[str, StoredMessage]:
    """See `Timeline.messages_by_id`."""
    found = [
        stored_message(row)
        for chunk in _chunks(list(message_ids))
        for row in conn.execute(_MESSAGES, {"ids": chunk})
    ]
    return {message.message_id: message for message in with_details(conn, found, viewer_id)}


def last_messages(
    conn: Connection, first_visible: Mapping[str, int], viewer_id: str | None
) -> dict[str, StoredMessage]:
    """See `Timeline.last_messages`."""
    found: dict[str, StoredMessage] = {}
    for query, params in _per_conversation(_last_messages_sql, first_visible):
        for row in conn.execute(query, params):
            found[row[1]] = stored_message(row)
    return {message.conversation_id: message for message in with_details(conn, [*found.values()], viewer_id)}


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
    # The first pair says what the columns are; a server takes them for text otherwise.
    typed = "(CAST(:c0 AS VARCHAR), CAST(:s0 AS BIGINT))"
    return f"(VALUES {', '.join([typed, *(f'(:c{index}, :s{index})' for index in range(1, length))])}) AS v"


@cache
def _last_messages_sql(length: int) -> TextClause:
    columns = ", ".join(f"m.{name}" for name in MESSAGE_NAMES)
    return text(
        f"SELECT {columns} FROM {_values(length)}"  # noqa: S608 - names and placeholders of our own
        " JOIN messages AS m ON m.message_id = (SELECT e.event_id FROM timeline_events AS e"
        f" WHERE e.conversation_id = v.column1 AND e.seq >= v.column2 AND e.kind IN ({_KINDS})"
        " ORDER BY e.seq DESC LIMIT 1)"
    )


@cache
def _unread_sql(length: int) -> TextClause:
    return text(
        "SELECT v.column1, (SELECT count(*) FROM"  # noqa: S608 - placeholders of our own
        " (SELECT 1 FROM timeline_events AS e WHERE e.conversation_id = v.column1 AND e.seq > v.column2"
        f" AND e.kind IN ({_KINDS}) AND NOT e.uncounted"
        " AND (e.actor_id IS NULL OR e.actor_id <> :user_id) LIMIT :cap) AS above)"
        f" FROM {_values(length)}"
    )
