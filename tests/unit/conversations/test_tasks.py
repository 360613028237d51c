"""What deleted groups held is erased, a batch at a time; nothing else is touched."""

from functools import partial

from sqlalchemy import Connection, Table, func, select

from secureconnect.features.conversations.store.tables import conversations
from secureconnect.features.conversations.tasks import erase_deleted
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import Trimmed
from tests.unit.conversations.world import World, caller


class Told:
    """A feature that keeps something about messages."""

    def __init__(self) -> None:
        self.conversations: set[str] = set()
        self.messages: list[tuple[str, ...]] = []

    def purged_in(self, tx: WriteTx, trimmed: Trimmed) -> None:
        self.conversations.add(trimmed.conversation_id)
        self.messages.append(trimmed.message_ids)


def _count(table: Table, conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


async def _rows(w: World) -> dict[str, int]:
    found = {}
    for table in (
        tables.events,
        tables.messages,
        tables.send_dedup,
        tables.heads,
        conversations,
    ):
        found[table.name] = await w.database.read(partial(_count, table))
    return found


async def test_a_deleted_group_is_erased(w: World) -> None:
    a, b = await w.people("a", "b")
    gone, kept = await w.group(a, b), await w.group(a, b)
    for _ in range(7):
        await w.send(b, gone)
    await w.send(b, kept)
    before = await _rows(w)

    await w.cases.endings.delete(caller(a), gone)
    batches, told = [], Told()
    while erased := await erase_deleted(w.database, w.timeline, [told], batch=3):
        batches.append(erased)

    after = await _rows(w)
    assert batches == [3, 3, 3]  # 8 events and the row
    assert {name: before[name] - after[name] for name in before} == {
        "timeline_events": 8,
        "messages": 7,
        "send_dedup": 0,
        "timeline_heads": 1,
        "conversations": 1,
    }
    assert [event.seq for event in await w.log(kept)] == [1, 2]
    assert [len(ids) for ids in told.messages] == [2, 3, 2]
    assert told.conversations == {gone}


async def test_nothing_deleted_is_nothing_to_do(w: World) -> None:
    a, b = await w.people("a", "b")
    await w.group(a, b)
    assert await erase_deleted(w.database, w.timeline, [], batch=3) == 0
