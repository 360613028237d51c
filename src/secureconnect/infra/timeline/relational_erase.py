"""Erasing the log of a conversation that exists for nobody any more, a batch at a time."""

from sqlalchemy import delete, select

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables

__all__ = ["erase"]


def erase(tx: WriteTx, conversation_id: str, limit: int) -> int:
    """Remove at most `limit` events with their messages, lowest seq first; the head goes last.

    Returns how many events were removed; fewer than `limit` means that nothing is left.
    """
    events, messages = tables.events.c, tables.messages.c
    found = tx.conn.execute(
        select(events.seq, events.event_id)
        .where(events.conversation_id == conversation_id)
        .order_by(events.seq)
        .limit(limit)
    ).all()
    if found:
        # A message has the id of the event that brought it; that id is its key.
        ids = [row[1] for row in found]
        for table in (tables.attachments, tables.reactions, tables.versions):
            tx.conn.execute(delete(table).where(table.c.message_id.in_(ids)))
        tx.conn.execute(delete(tables.thread_index).where(tables.thread_index.c.thread_root_id.in_(ids)))
        tx.conn.execute(delete(tables.messages).where(messages.message_id.in_(ids)))
        tx.conn.execute(
            delete(tables.events).where(events.conversation_id == conversation_id, events.seq <= found[-1][0])
        )
    if len(found) < limit:
        for table in (tables.send_dedup, tables.heads):
            tx.conn.execute(delete(table).where(table.c.conversation_id == conversation_id))
    return len(found)
