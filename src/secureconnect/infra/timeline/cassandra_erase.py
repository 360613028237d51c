"""Erasing the log of a conversation that exists for nobody any more, a batch at a time."""

from typing import Final

from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_retention import drop, look
from secureconnect.infra.timeline.cassandra_tx import LogTx
from secureconnect.infra.timeline.remembered_sends import forget_log

__all__ = ["erase"]

_EVER: Final = 2**62


def erase(tx: LogTx, reader: Reader, conversation_id: str, limit: int) -> int:
    """See `Timeline.erase`."""
    draft = tx.draft(conversation_id)
    if draft is None:
        return 0
    old = tx.read(draft, lambda link: look(link, reader, conversation_id, _EVER, 0, limit))
    if old.trimmed.events:
        drop(draft, old)
    if old.trimmed.events < limit:
        forget_log(tx, conversation_id)
        draft.end()
    return old.trimmed.events
