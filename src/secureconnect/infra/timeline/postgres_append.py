"""Many appends as one transaction of a PostgreSQL or CockroachDB server.

One statement locks the heads of all conversations concerned, in the order of their ids so that two processes
never wait for each other, leaves out sends whose guard is stale and those that were sent before, gives each
of the others its seq, and writes everything. What rides along follows, each kind of statement in one round
trip. What was left out is told by its absence; whoever asks for it decides why.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from secureconnect.infra.database.base import BatchTx
from secureconnect.infra.timeline.base import (
    NewEvent,
    Quote,
    Statement,
    StoredEvent,
    brought,
)
from secureconnect.infra.timeline.relational_details import QUOTED, quote_from
from secureconnect.infra.timeline.relational_rows import metadata_text

__all__ = ["Send", "append_all", "is_batchable", "repeated"]

_COLUMNS = (
    ("guard", "BIGINT"),
    ("conversation_id", "VARCHAR"),
    ("event_id", "VARCHAR"),
    ("kind", "TEXT"),
    ("actor_id", "VARCHAR"),
    ("sent_at", "BIGINT"),
    ("data", "BYTEA"),
    ("sender_id", "VARCHAR"),
    ("client_message_id", "TEXT"),
    ("content", "TEXT"),
    ("is_encrypted", "BOOLEAN"),
    ("message_type", "TEXT"),
    ("metadata", "TEXT"),
    ("e2ee", "BYTEA"),
    ("sender_name", "TEXT"),
    ("reply_to_message_id", "VARCHAR"),
    ("thread_root_id", "VARCHAR"),
    ("mentions", "TEXT"),
    ("mention_all", "BOOLEAN"),
    ("mention_here", "BOOLEAN"),
    ("forwarded", "BOOLEAN"),
    ("silent", "BOOLEAN"),
    ("attachment_count", "INTEGER"),
    ("expires_at", "BIGINT"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_OF_MESSAGE = ", ".join(name for name, _ in _COLUMNS[7:])
_ARRAYS = ", ".join(f"CAST(${number} AS {kind}[])" for number, (_, kind) in enumerate(_COLUMNS, start=2))

_APPEND = f"""
WITH sends AS (
    SELECT * FROM unnest(CAST($1 AS INTEGER[]), {_ARRAYS}) AS s(place, {_NAMES})
), heads AS (
    SELECT h.conversation_id, h.guard, h.last_seq FROM timeline_heads AS h
    WHERE h.conversation_id IN (SELECT conversation_id FROM sends)
    ORDER BY h.conversation_id FOR UPDATE
), fresh AS (
    SELECT s.*, h.last_seq + row_number() OVER (PARTITION BY s.conversation_id ORDER BY s.place) AS seq,
        row_number() OVER (PARTITION BY s.conversation_id ORDER BY s.place) AS number,
        count(*) OVER (PARTITION BY s.conversation_id) AS among
    FROM sends AS s JOIN heads AS h ON h.conversation_id = s.conversation_id AND h.guard = s.guard
    WHERE NOT EXISTS (
        SELECT 1 FROM send_dedup AS d WHERE d.conversation_id = s.conversation_id
        AND d.sender_id = s.sender_id AND d.client_message_id = s.client_message_id
    )
), remembered AS (
    INSERT INTO send_dedup (conversation_id, sender_id, client_message_id, message_id, seq, created_at)
    SELECT conversation_id, sender_id, client_message_id, event_id, seq, sent_at FROM fresh
    WHERE sender_id IS NOT NULL AND client_message_id IS NOT NULL
), brought AS (
    INSERT INTO timeline_events (conversation_id, seq, event_id, kind, actor_id, sent_at, data)
    SELECT conversation_id, seq, event_id, kind, actor_id, sent_at, data FROM fresh
), said AS (
    INSERT INTO messages (message_id, conversation_id, seq, sent_at, {_OF_MESSAGE})
    SELECT event_id, conversation_id, seq, sent_at, {_OF_MESSAGE} FROM fresh
), moved AS (
    UPDATE timeline_heads AS h SET last_seq = f.seq, last_at = f.sent_at,
        message_count = h.message_count + f.among
    FROM fresh AS f WHERE h.conversation_id = f.conversation_id AND f.number = f.among
)
SELECT place, seq FROM fresh
"""  # noqa: S608 - names of our own
_ATTACH = (
    "INSERT INTO message_attachments (message_id, position, file_id, file_name, content_type, file_size,"
    " is_encrypted, uploaded_at, has_thumbnail, available) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REPLY = "INSERT INTO thread_index (thread_root_id, seq, message_id, sender_id) VALUES (?, ?, ?, ?)"
# A second statement, so that it sees what was committed before the heads were locked.
_QUOTES = f"{QUOTED} WHERE message_id = ANY(CAST($1 AS VARCHAR[]))"
_COUNT_REPLY = "UPDATE messages SET reply_count = reply_count + 1 WHERE message_id = ?"


class Send(NamedTuple):
    """One append that waits."""

    event: NewEvent
    guard: int
    also: Sequence[Statement]


def is_batchable(event: NewEvent) -> bool:
    """Whether the event brings a message and says what it says whatever its seq will be."""
    return event.message is not None and not callable(event.data)


def repeated(send: Send) -> tuple[str, str | None, str] | None:
    """What an append has in common with one that repeats it."""
    message = send.event.message
    if message is None or message.client_message_id is None:
        return None
    return send.event.conversation_id, message.sender_id, message.client_message_id


def append_all(sends: Sequence[Send], tx: BatchTx) -> list[StoredEvent | None]:
    """Append those that can be, in this order; None in the place of each of the others.

    Raises:
        IntegrityError: something that rides along was refused, or another process is sending the same.
    """
    rows = [_row(send) for send in sends]
    columns = [list(column) for column in zip(*rows, strict=True)]
    found: list[StoredEvent | None] = [None] * len(sends)
    riding: dict[str, list[tuple[Any, ...]]] = {}
    placed = tx.run(_APPEND, (list(range(len(sends))), *columns))
    quotes = _quotes([sends[place].event for place, _ in placed], tx)
    for place, seq in placed:
        found[place] = _stored(sends[place].event, seq, quotes)
    for send, stored in zip(sends, found, strict=True):
        if stored is None:
            continue
        for sql, params in _parts(send.event, stored.seq):
            riding.setdefault(sql, []).append(params)
        for statement in send.also:
            riding.setdefault(statement.sql, []).append((stored.seq, *statement.params))
    for sql, params_of_each in riding.items():
        tx.run_many(sql, params_of_each)
    tx.works = len(sends) - found.count(None)
    return found


def _row(send: Send) -> tuple[Any, ...]:
    event, message = send.event, send.event.message
    assert message is not None
    mentions, quote = message.mentions, message.quote
    return (
        send.guard,
        event.conversation_id,
        event.event_id,
        event.kind,
        event.actor_id,
        event.sent_at,
        event.data,
        message.sender_id,
        message.client_message_id,
        message.content,
        message.is_encrypted,
        message.message_type,
        metadata_text(message.metadata),
        message.e2ee,
        message.sender_name,
        quote.message_id if quote is not None else None,
        message.thread_root_id,
        msgspec.json.encode(mentions).decode() if mentions else None,
        message.mention_all,
        message.mention_here,
        message.forwarded,
        message.silent,
        len(message.attachments),
        message.expires_at,
    )


def _parts(event: NewEvent, seq: int) -> list[tuple[str, tuple[Any, ...]]]:
    """What else belongs to a message: its files and its place in a thread."""
    message = event.message
    assert message is not None
    found: list[tuple[str, tuple[Any, ...]]] = [
        (
            _ATTACH,
            (
                event.event_id,
                position,
                file.file_id,
                file.file_name,
                file.content_type,
                file.file_size,
                file.is_encrypted,
                file.uploaded_at,
                file.has_thumbnail,
                file.available,
            ),
        )
        for position, file in enumerate(message.attachments)
    ]
    if message.thread_root_id is not None:
        found.append((_REPLY, (message.thread_root_id, seq, event.event_id, message.sender_id)))
        found.append((_COUNT_REPLY, (message.thread_root_id,)))
    return found


def _quotes(events: Iterable[NewEvent], tx: BatchTx) -> dict[str, Quote]:
    """What the messages answered say now: since their senders saw them, they may have been changed by events
    before these."""
    messages = [event.message for event in events if event.message is not None]
    answered = sorted({message.quote.message_id for message in messages if message.quote is not None})
    if not answered:
        return {}
    return {row[0]: quote_from(row) for row in tx.run(_QUOTES, (answered,))}


def _stored(event: NewEvent, seq: int, quotes: Mapping[str, Quote]) -> StoredEvent:
    message, data = event.message, event.data
    assert message is not None
    assert not callable(data)
    return StoredEvent(
        event.conversation_id,
        seq,
        event.event_id,
        event.kind,
        event.actor_id,
        event.sent_at,
        data,
        brought(event, seq, None if message.quote is None else quotes.get(message.quote.message_id)),
    )
