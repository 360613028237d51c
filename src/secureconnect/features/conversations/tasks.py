"""Periodic work of conversations."""

from secureconnect.edge.module import Task
from secureconnect.features.conversations import store
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline

__all__ = ["erase_deleted", "tasks"]

_EVERY = 600.0
_BATCH = 1000


def tasks(database: Database, timeline: Timeline) -> list[Task]:
    """Erase what deleted groups held; they were gone for everybody at once."""

    async def erase() -> int:
        return await erase_deleted(database, timeline, batch=_BATCH)

    return [Task("deleted_conversations", _EVERY, erase)]


async def erase_deleted(database: Database, timeline: Timeline, *, batch: int) -> int:
    """Erase one batch of events of one deleted conversation, or its last rows; returns how many events.

    Content is gone before the row that remembers the deletion, so that a crash in between loses no work.
    """
    conversation_id = await database.read(store.find_deleted)
    if conversation_id is None:
        return 0
    erased = await timeline.erase(conversation_id, batch)
    if erased < batch:
        await database.write(lambda tx: store.forget_deleted(tx, conversation_id))
        return batch  # another deleted conversation may wait
    return erased
