"""What one person did in a conversation in Cassandra, for exports and erasure."""

from collections.abc import Sequence
from typing import Final

from secureconnect.infra.timeline.base import MESSAGE_KINDS, Deeds
from secureconnect.infra.timeline.cassandra_head import head_row
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_schema import bucket_of
from secureconnect.infra.timeline.cassandra_tx import LogTx
from secureconnect.infra.timeline.remembered_sends import SendKey, forget

__all__ = ["deeds", "forget_sends", "rewrite"]

_REACTED: Final = "reaction_added"


async def deeds(
    link: Link, reader: Reader, conversation_id: str, user_id: str, after_seq: int, limit: int
) -> Deeds:
    """See `Timeline.deeds`."""
    head = await head_row(link, conversation_id)
    if head is None:
        return Deeds((), (), None)
    low = max(after_seq + 1, head.first_seq)
    rows = await reader.rows(link, conversation_id, low, head.last_seq, limit)
    mine = [row for row in rows if row[3] == user_id]
    return Deeds(
        tuple(row[1] for row in mine if row[2] in MESSAGE_KINDS),
        tuple(dict.fromkeys(row[6] for row in mine if row[2] == _REACTED and row[6] is not None)),
        rows[-1][0] if len(rows) == limit else None,
    )


def rewrite(tx: LogTx, conversation_id: str, seq: int, data: bytes) -> None:
    """See `Timeline.rewrite_in`."""
    draft = tx.draft(conversation_id)
    if draft is not None and draft.first_seq <= seq <= draft.last_seq:
        draft.write("set_event_data", conversation_id, bucket_of(seq), seq, data, key=3)


def forget_sends(tx: LogTx, conversation_id: str, user_id: str, message_ids: Sequence[str]) -> None:
    """See `Timeline.forget_sends_in`."""
    draft = tx.draft(conversation_id)
    for message_id in message_ids if draft is not None else ():
        locked = tx.locked(message_id)
        if locked is None or locked[0] is not draft:
            continue
        message = locked[1].message
        if message.client_message_id is not None:
            if message.sender_id == user_id:
                forget(tx, SendKey(conversation_id, user_id, message.client_message_id))
            draft.store(locked[1], client_message_id=None)
