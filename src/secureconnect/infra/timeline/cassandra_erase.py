"""Erasing the log of a conversation that exists for nobody any more, a batch at a time."""

from secureconnect.infra.timeline.cassandra_claims import Claims
from secureconnect.infra.timeline.cassandra_draft import Draft
from secureconnect.infra.timeline.cassandra_head import remove
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.cassandra_retention import drop, look

__all__ = ["erase"]

_EVER = 2**62

_UNMARK = Cql("DELETE", "timeline_projected", "DELETE FROM timeline_projected WHERE conversation_id = ?")


async def erase(link: Link, claims: Claims, conversation_id: str, limit: int) -> int:
    """See `Timeline.erase`."""
    await claims.lanes.take(conversation_id)
    try:
        base = await claims.claim(link, conversation_id)
        if base is None:
            return 0
        old = await look(link, claims.reader, conversation_id, _EVER, 0, limit)
        if not old.trimmed.events:
            await remove(link, conversation_id, base.claim)
            await link.run(_UNMARK, conversation_id)
            return 0
        draft = Draft(conversation_id, base)
        drop(draft, old, sends_too=True)
        await claims.carry_out(link, draft.plan())
        if old.trimmed.events < limit:
            base = await claims.claim(link, conversation_id)
            if base is not None:
                await remove(link, conversation_id, base.claim)
                await link.run(_UNMARK, conversation_id)
        return old.trimmed.events
    finally:
        claims.lanes.give(conversation_id)
