"""Erasing the log of a conversation that exists for nobody any more, a batch at a time."""

from sqlalchemy import delete, select

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables

__all__ = ["erase"]


def erase(tx: WriteTx, conversation_id: str, limit: int) -> int:
    """Remove at most `limit` events with their messages, lowest seq first; the head goes last.

    Returns how many events were removed; fewer than `limit` means that nothing is left.
    """
    events, messages, dedup, heads = (
        tables.events.c,
        tables.messages.c,
        tables.send_dedup.c,
        tables.heads.c,
    )
    seqs = list(
        tx.conn.execute(
            select(events.seq)
            .where(events.conversation_id == conversation_id)
            .order_by(events.seq)
            .limit(limit)
        ).scalars()
    )
    if seqs:
        last = seqs[-1]
        for column, seq in ((events.conversation_id, events.seq), (messages.conversation_id, messages.seq)):
            tx.conn.execute(delete(column.table).where(column == conversation_id, seq <= last))
    if len(seqs) < limit:
        tx.conn.execute(delete(tables.send_dedup).where(dedup.conversation_id == conversation_id))
        tx.conn.execute(delete(tables.heads).where(heads.conversation_id == conversation_id))
    return len(seqs)
