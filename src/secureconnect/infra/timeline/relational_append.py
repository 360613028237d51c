"""Appending to the timeline inside a transaction of the relational store.

Plain SQL on the driver: this runs once per message. A send is five statements by primary key and those that
ride along; `UPDATE … RETURNING` would save one and cost more, since SQLite collects its rows in a table of
their own. The transaction excludes other writers (or is serializable), so that reading the head and then
moving it is the compare-and-set of invariant I2.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import (
    AlreadySent,
    Appended,
    GuardChanged,
    NewEvent,
    NewMessage,
    Statement,
    StoredEvent,
    StoredMessage,
    brought,
)
from secureconnect.infra.timeline.relational_changes import attach
from secureconnect.infra.timeline.relational_details import QUOTED, quote_from
from secureconnect.infra.timeline.relational_read import event_at, message_by_id
from secureconnect.infra.timeline.relational_rows import metadata_text

__all__ = ["append", "append_in", "open_log", "raise_guard"]

Sink = Callable[[Sequence[Any]], None]

_HEAD = "SELECT last_seq, guard FROM timeline_heads WHERE conversation_id = ?"
_OPEN = (
    "INSERT INTO timeline_heads (conversation_id, first_seq, last_seq, last_at, message_count, guard)"
    " VALUES (?, 1, 0, 0, 0, 0)"
)
_MOVE = (
    "UPDATE timeline_heads SET last_seq = ?, last_at = ?, message_count = message_count + ?"
    " WHERE conversation_id = ?"
)
_RAISE_GUARD = "UPDATE timeline_heads SET guard = guard + 1 WHERE conversation_id = ?"
_EVENT = (
    "INSERT INTO timeline_events (conversation_id, seq, event_id, kind, actor_id, sent_at, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_MESSAGE = (
    "INSERT INTO messages (conversation_id, seq, message_id, sender_id, client_message_id, content,"
    " is_encrypted, message_type, metadata, e2ee, sent_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# A plain message leaves the columns out that it has nothing in: their defaults are the same.
_RICH = (
    "INSERT INTO messages (conversation_id, seq, message_id, sender_id, client_message_id, content,"
    " is_encrypted, message_type, metadata, e2ee, sent_at, sender_name, reply_to_message_id, thread_root_id,"
    " mentions, mention_all, mention_here, forwarded, silent, attachment_count, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ABOUT = "UPDATE timeline_events SET target_id = ? WHERE conversation_id = ? AND seq = ?"
_REPLY = "INSERT INTO thread_index (thread_root_id, seq, message_id, sender_id) VALUES (?, ?, ?, ?)"
_QUOTE = f"{QUOTED} WHERE message_id = ?"
_COUNT_REPLY = "UPDATE messages SET reply_count = reply_count + 1 WHERE message_id = ?"
_REMEMBER = (
    "INSERT INTO send_dedup (conversation_id, sender_id, client_message_id, message_id, seq, created_at)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_FIRST = "SELECT seq FROM send_dedup WHERE conversation_id = ? AND sender_id = ? AND client_message_id = ?"
_FORGET = "DELETE FROM send_dedup WHERE conversation_id = ? AND sender_id = ? AND client_message_id = ?"


def open_log(tx: WriteTx, conversation_id: str) -> None:
    """Create the empty log of a conversation."""
    tx.run(_OPEN, (conversation_id,))


def raise_guard(tx: WriteTx, conversation_id: str) -> None:
    """Make the facts about a conversation stale."""
    tx.run(_RAISE_GUARD, (conversation_id,))


def append(event: NewEvent, guard: int, also: Sequence[Statement], sink: Sink, tx: WriteTx) -> Appended:
    """Append under a guard; see `Timeline.append`."""
    rows = tx.run(_HEAD, (event.conversation_id,))
    if not rows or rows[0][1] != guard:
        first = _first_result(tx, event)
        if first is None:
            raise GuardChanged
        return Appended(first, duplicate=True)
    seq = rows[0][0] + 1
    if not _remember(tx, event, seq):
        first = _first_result(tx, event)
        if first is not None:
            return Appended(first, duplicate=True)
        # Retention removed the first message since: there is no result to repeat, so this is a new send.
        assert event.message is not None
        tx.run(_FORGET, _dedup_key(event, event.message))
        _remember(tx, event, seq)
    stored = _store(tx, event, seq)
    for statement in also:
        tx.run(statement.sql, (seq, *statement.params))
    tx.deliver(sink, stored)
    return Appended(stored)


def append_in(event: NewEvent, also: Sequence[Statement], sink: Sink, tx: WriteTx) -> int:
    """Append whatever the guard is; see `Timeline.append_in`."""
    rows = tx.run(_HEAD, (event.conversation_id,))
    if not rows:
        raise GuardChanged
    seq: int = rows[0][0] + 1
    if event.message is not None:
        earlier = tx.run(_FIRST, _dedup_key(event, event.message))
        if earlier:
            raise AlreadySent(earlier[0][0])
        _remember(tx, event, seq)
    stored = _store(tx, event, seq)
    for statement in also:
        tx.run(statement.sql, (seq, *statement.params))
    tx.deliver(sink, stored)
    return seq


def _dedup_key(event: NewEvent, message: NewMessage) -> tuple[str, str | None, str | None]:
    return event.conversation_id, message.sender_id, message.client_message_id


def _remember(tx: WriteTx, event: NewEvent, seq: int) -> bool:
    """Take the client_message_id; False when it was taken before. Nothing to take counts as taken."""
    message = event.message
    if message is None or message.client_message_id is None or message.sender_id is None:
        return True
    try:
        tx.run(_REMEMBER, (*_dedup_key(event, message), event.event_id, seq, event.sent_at))
    except IntegrityError:
        return False
    return True


def _first_result(tx: WriteTx, event: NewEvent) -> StoredEvent | None:
    if event.message is None:
        return None
    rows = tx.run(_FIRST, _dedup_key(event, event.message))
    return event_at(tx.conn, event.conversation_id, rows[0][0]) if rows else None


def _store(tx: WriteTx, event: NewEvent, seq: int) -> StoredEvent:
    run = tx.run
    conversation_id, sent_at, message = event.conversation_id, event.sent_at, event.message
    run(_MOVE, (seq, sent_at, 0 if message is None else 1, conversation_id))
    data = event.data(seq) if callable(event.data) else event.data
    run(_EVENT, (conversation_id, seq, event.event_id, event.kind, event.actor_id, sent_at, data))
    stored: StoredMessage | None = None
    if message is not None:
        stored = _store_message(tx, event, message, seq)
    elif event.target_id is not None:
        run(_ABOUT, (event.target_id, conversation_id, seq))
        stored = message_by_id(tx.conn, event.target_id, None)
    return StoredEvent(
        conversation_id, seq, event.event_id, event.kind, event.actor_id, sent_at, data, stored
    )


def _store_message(tx: WriteTx, event: NewEvent, message: NewMessage, seq: int) -> StoredMessage:
    message_id = event.event_id
    plain = (
        event.conversation_id,
        seq,
        message_id,
        message.sender_id,
        message.client_message_id,
        message.content,
        message.is_encrypted,
        message.message_type,
        metadata_text(message.metadata),
        message.e2ee,
        event.sent_at,
    )
    if message.is_plain:
        tx.run(_MESSAGE, plain)
        return brought(event, seq)
    quote, mentions, root_id = message.quote, message.mentions, message.thread_root_id
    reply_to = quote.message_id if quote is not None else None
    tx.run(
        _RICH,
        (
            *plain,
            message.sender_name,
            reply_to,
            root_id,
            msgspec.json.encode(mentions).decode() if mentions else None,
            message.mention_all,
            message.mention_here,
            message.forwarded,
            message.silent,
            len(message.attachments),
            message.expires_at,
        ),
    )
    if message.attachments:
        attach(tx, message_id, message.attachments)
    if root_id is not None:
        tx.run(_REPLY, (root_id, seq, message_id, message.sender_id))
        tx.run(_COUNT_REPLY, (root_id,))
    if quote is not None:
        # It may have been edited or deleted since the sender saw it, in an event before this one.
        quoted = tx.run(_QUOTE, (quote.message_id,))
        quote = quote_from(quoted[0]) if quoted else None
    return brought(event, seq, quote)
