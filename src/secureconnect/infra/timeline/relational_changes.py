"""Changing messages that exist, inside a transaction of the relational store."""

from collections.abc import Collection

import msgspec
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import AttachedFile, Edit, GuardChanged, Reacted, StoredMessage
from secureconnect.infra.timeline.relational_read import message_by_id
from secureconnect.infra.timeline.relational_rows import metadata_text

__all__ = [
    "attach",
    "check_guard",
    "delete_message",
    "edit_message",
    "react",
    "set_attachment",
    "set_pinned",
    "unreact",
]

_GUARD = "SELECT guard FROM timeline_heads WHERE conversation_id = ?"
_REACT = "INSERT INTO message_reactions (message_id, user_id, emoji, reacted_at) VALUES (?, ?, ?, ?)"
_COUNT_REACTION = "UPDATE messages SET reaction_count = reaction_count + ? WHERE message_id = ?"
_UNREPLY = "UPDATE messages SET reply_count = reply_count - 1 WHERE message_id = ?"
# What a poll said stands in its event too.
_UNCOUNT = "UPDATE timeline_events SET uncounted = ?, data = ? WHERE conversation_id = ? AND seq = ?"

_m = tables.messages.c


def check_guard(tx: WriteTx, conversation_id: str, guard: int, *, locking: bool = False) -> None:
    """See `Timeline.check_guard_in`. `locking`: nobody moves the head before the transaction has ended."""
    rows = tx.run(f"{_GUARD} FOR UPDATE" if locking else _GUARD, (conversation_id,))
    if not rows or rows[0][0] != guard:
        raise GuardChanged


def attach(tx: WriteTx, message_id: str, files: Collection[AttachedFile]) -> None:
    """Store the files of a message that has none."""
    tx.conn.execute(
        insert(tables.attachments),
        [
            {"message_id": message_id, "position": position, **msgspec.structs.asdict(file)}
            for position, file in enumerate(files)
        ],
    )


def edit_message(tx: WriteTx, message: StoredMessage, edit: Edit) -> StoredMessage:
    """See `Timeline.edit_in`."""
    message_id, count = message.message_id, message.edit_count + 1
    tx.conn.execute(
        insert(tables.versions).values(
            message_id=message_id,
            version=count,
            content=message.content,
            metadata=metadata_text(message.metadata),
            e2ee=message.e2ee,
            edited_at=edit.edited_at,
        )
    )
    files = message.attachments if edit.attachments is None else edit.attachments
    if edit.attachments is not None and (message.attachments or files):
        tx.conn.execute(delete(tables.attachments).where(tables.attachments.c.message_id == message_id))
        if files:
            attach(tx, message_id, files)
    tx.conn.execute(
        update(tables.messages)
        .where(_m.message_id == message_id)
        .values(
            content=edit.content,
            metadata=metadata_text(edit.metadata),
            e2ee=edit.e2ee,
            mentions=msgspec.json.encode(edit.mentions).decode() if edit.mentions else None,
            attachment_count=len(files),
            edited_at=edit.edited_at,
            edit_count=count,
        )
    )
    return _now(tx, message_id)


def delete_message(
    tx: WriteTx, message: StoredMessage, at: int, by: str | None, reason: str
) -> StoredMessage:
    """See `Timeline.delete_in`."""
    message_id = message.message_id
    for table in (tables.attachments, tables.reactions, tables.versions):
        tx.conn.execute(delete(table).where(table.c.message_id == message_id))
    tx.conn.execute(
        update(tables.messages)
        .where(_m.message_id == message_id)
        .values(
            content="",
            metadata="{}",
            e2ee=None,
            reply_to_message_id=None,
            mentions=None,
            mention_all=False,
            mention_here=False,
            pinned=False,
            attachment_count=0,
            reaction_count=0,
            deleted_at=at,
            deleted_by=by,
            delete_reason=reason,
            expires_at=None,
        )
    )
    tx.run(_UNCOUNT, (True, b"", message.conversation_id, message.seq))
    if message.thread_root_id is not None:
        tx.run(
            "UPDATE messages SET reply_count = reply_count - 1 WHERE message_id = ?",
            (message.thread_root_id,),
        )
    return _now(tx, message_id)


def react(tx: WriteTx, message_id: str, reaction: Reacted) -> bool:
    """See `Timeline.react_in`."""
    try:
        tx.run(_REACT, (message_id, reaction.user_id, reaction.emoji, reaction.reacted_at))
    except IntegrityError:
        return False
    tx.run(_COUNT_REACTION, (1, message_id))
    return True


def unreact(tx: WriteTx, message_id: str, user_id: str, emoji: str) -> bool:
    """See `Timeline.unreact_in`."""
    reactions = tables.reactions.c
    gone = tx.conn.execute(
        delete(tables.reactions).where(
            reactions.message_id == message_id, reactions.user_id == user_id, reactions.emoji == emoji
        )
    )
    if gone.rowcount == 0:
        return False
    tx.run(_COUNT_REACTION, (-1, message_id))
    return True


def set_pinned(tx: WriteTx, message_id: str, pinned: bool) -> None:
    """See `Timeline.set_pinned_in`."""
    tx.run("UPDATE messages SET pinned = ? WHERE message_id = ?", (pinned, message_id))


def set_attachment(
    tx: WriteTx,
    message_ids: Collection[str],
    file_id: str,
    has_thumbnail: bool | None,
    available: bool | None,
) -> None:
    """See `Timeline.set_attachment_in`."""
    values = {
        name: value
        for name, value in (("has_thumbnail", has_thumbnail), ("available", available))
        if value is not None
    }
    attachments = tables.attachments.c
    for message_id in message_ids if values else ():
        tx.conn.execute(
            update(tables.attachments)
            .where(attachments.message_id == message_id, attachments.file_id == file_id)
            .values(**values)
        )


def _now(tx: WriteTx, message_id: str) -> StoredMessage:
    message = message_by_id(tx.conn, message_id, None)
    assert message is not None  # it was read in this transaction
    return message
