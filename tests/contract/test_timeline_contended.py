"""A conversation in which two processes change something at the same moment, on a server."""

import asyncio
import contextlib

import asyncpg
import pytest
from sqlalchemy.util import await_only

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.timeline.postgres import PostgresTimeline
from secureconnect.kit.ids import new_id
from tests.scenarios.patience import eventually

from .database_worlds import StartServer, migrated_copy
from .numbers import get, numbers, put
from .timeline_world import send

_REFUSE = "DO $$ BEGIN RAISE EXCEPTION 'somebody was faster' USING ERRCODE = '40001'; END $$"
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
_VOTE = "UPDATE numbers SET value = value + 1 WHERE name = 'votes'"


@pytest.fixture
async def url(postgres_server: StartServer) -> str:
    return await asyncio.to_thread(lambda: migrated_copy(postgres_server()))


async def test_two_changes_never_wait_for_each_other(url: str) -> None:
    """What runs again locks the head first. So does what runs for the first time: in another order, both
    would wait until the server finds out, a second later.
    """
    async with contextlib.AsyncExitStack() as stack:
        first, second = PostgresDatabase(read_url(url)), PostgresDatabase(read_url(url))
        for database in (first, second):
            stack.push_async_callback(database.close)
        here, there = PostgresTimeline(first), PostgresTimeline(second)
        conversation_id = new_id()
        await first.write(lambda tx: here.open_in(tx, conversation_id))
        await first.write(lambda tx: numbers.create(tx.conn))
        await first.write(put("votes", 0))
        locked, voted = asyncio.Event(), asyncio.Event()
        runs: list[str] = []
        found: list[Exception] = []

        async def other_has_voted_or_waits() -> None:
            watching = await asyncpg.connect(url)

            async def it_does() -> bool:
                return voted.is_set() or await watching.fetchval(_WAITING) > 0

            await eventually(it_does)
            await watching.close()

        def again(tx: WriteTx) -> None:
            runs.append("again")
            here.check_guard_in(tx, conversation_id, 0)
            if len(runs) == 1:
                tx.run(_REFUSE)
            locked.set()
            await_only(other_has_voted_or_waits())
            vote(here, tx)

        def for_the_first_time(tx: WriteTx) -> None:
            there.check_guard_in(tx, conversation_id, 0)
            vote(there, tx)

        def vote(timeline: PostgresTimeline, tx: WriteTx) -> None:
            try:
                tx.run(_VOTE)
                voted.set()
                timeline.append_in(tx, send(conversation_id))
            except asyncpg.DeadlockDetectedError as error:
                found.append(error)
                raise

        repeated = asyncio.create_task(first.write(again))
        await locked.wait()
        await second.write(for_the_first_time)
        await repeated
        assert await first.read(get("votes")) == 2
        assert [event.seq for event in await here.events(conversation_id, after_seq=0, limit=10)] == [1, 2]
        assert found == []
