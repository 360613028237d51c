"""What one person did in a conversation, for exports and erasure."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import MESSAGE_KINDS, Deeds

__all__ = ["deeds", "forget_sends", "rewrite"]

_e, _m, _d = tables.events.c, tables.messages.c, tables.send_dedup.c
_REACTED = "reaction_added"


def deeds(conn: Connection, conversation_id: str, user_id: str, after_seq: int, limit: int) -> Deeds:
    """See `Timeline.deeds`."""
    stretch = (
        select(_e.seq)
        .where(_e.conversation_id == conversation_id, _e.seq > after_seq)
        .order_by(_e.seq)
        .limit(limit)
    )
    seqs = list(conn.execute(stretch).scalars())
    if not seqs:
        return Deeds((), (), None)
    rows = conn.execute(
        select(_e.kind, _e.event_id, _e.target_id)
        .where(
            _e.conversation_id == conversation_id,
            _e.seq > after_seq,
            _e.seq <= seqs[-1],
            _e.actor_id == user_id,
            _e.kind.in_((*MESSAGE_KINDS, _REACTED)),
        )
        .order_by(_e.seq)
    ).all()
    return Deeds(
        tuple(row[1] for row in rows if row[0] in MESSAGE_KINDS),
        tuple(dict.fromkeys(row[2] for row in rows if row[0] == _REACTED and row[2] is not None)),
        seqs[-1] if len(seqs) == limit else None,
    )


def rewrite(tx: WriteTx, conversation_id: str, seq: int, data: bytes) -> None:
    """See `Timeline.rewrite_in`."""
    tx.conn.execute(
        update(tables.events).where(_e.conversation_id == conversation_id, _e.seq == seq).values(data=data)
    )


def forget_sends(tx: WriteTx, conversation_id: str, user_id: str, message_ids: Sequence[str]) -> None:
    """See `Timeline.forget_sends_in`."""
    sent = _m.message_id.in_(message_ids)
    named = select(_m.client_message_id).where(sent, _m.client_message_id.is_not(None))
    tx.conn.execute(
        delete(tables.send_dedup).where(
            _d.conversation_id == conversation_id, _d.sender_id == user_id, _d.client_message_id.in_(named)
        )
    )
    tx.conn.execute(
        update(tables.messages).where(sent, _m.client_message_id.is_not(None)).values(client_message_id=None)
    )
