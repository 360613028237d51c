"""Forgetting what is kept about messages that left the log."""

from collections.abc import Sequence

from sqlalchemy import delete

from secureconnect.features.messages.store.tables import hidden_messages, mentions, pins, thread_followers
from secureconnect.infra.database.base import WriteTx

__all__ = ["forget_messages"]


def forget_messages(tx: WriteTx, conversation_id: str, message_ids: Sequence[str], upto_seq: int) -> None:
    """Forget mentions up to a seq, and pins, hidings and followers of these messages."""
    m, p, h, f = mentions.c, pins.c, hidden_messages.c, thread_followers.c
    for statement in (
        delete(mentions).where(m.conversation_id == conversation_id, m.seq <= upto_seq),
        delete(pins).where(p.conversation_id == conversation_id, p.message_id.in_(message_ids)),
        delete(hidden_messages).where(h.message_id.in_(message_ids)),
        delete(thread_followers).where(f.thread_root_id.in_(message_ids)),
    ):
        tx.conn.execute(statement)
