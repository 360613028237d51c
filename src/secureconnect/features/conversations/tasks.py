"""Periodic work of conversations."""

from collections.abc import Sequence

from secureconnect.edge.module import Task
from secureconnect.features.conversations import store
from secureconnect.features.conversations.api import Purged
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Timeline

__all__ = ["erase_deleted", "tasks"]

_EVERY = 600.0
_BATCH = 1000
_FOREVER = 2**62


def tasks(database: Database, timeline: Timeline, purged: Sequence[Purged]) -> list[Task]:
    """Erase what deleted groups held; they were gone for everybody at once."""

    async def erase() -> int:
        return await erase_deleted(database, timeline, purged, batch=_BATCH)

    return [Task("deleted_conversations", _EVERY, erase)]


async def erase_deleted(
    database: Database, timeline: Timeline, purged: Sequence[Purged], *, batch: int
) -> int:
    """Erase one batch of events of one deleted conversation, or its last rows; returns how many events.

    Content is gone before the row that remembers the deletion, so that a crash in between loses no work.
    """
    conversation_id = await database.read(store.find_deleted)
    if conversation_id is None:
        return 0

    def trim(tx: WriteTx) -> int:
        trimmed = timeline.trim_in(tx, conversation_id, _FOREVER, batch)
        for feature in purged:
            feature.purged_in(tx, trimmed)
        return trimmed.events

    erased = await database.write(trim)
    if erased < batch:
        await timeline.erase(conversation_id, batch)  # its head, and what is remembered of sends
        await database.write(lambda tx: store.forget_deleted(tx, conversation_id))
        return batch  # another deleted conversation may wait
    return erased
