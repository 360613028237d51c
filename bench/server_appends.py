"""Cost of an acknowledged send on a PostgreSQL server, beside the bare batched insert in the same run.

    python -m bench.server_appends [--rounds N] [--most-conversations N]

The server is started here, with its syncs on. Rows of one round run one after the other, rounds repeat, and
the median counts; ratios within a round hold on a machine whose speed changes.

* bare insert: asyncpg, 256 rows (a 200-byte text each) by one `unnest` per synced commit: the driver's limit.
* batched: `Timeline.append` by 256 concurrent senders, each with what rides along, answered after its commit.
* one by one: the same, each in a transaction of its own.
* CPU is that of this process: what a send costs us, the server's work apart.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import uvloop

from bench.measure import median, table, versions
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.timeline.base import NewEvent, NewMessage, Statement, Timeline
from secureconnect.infra.timeline.postgres import PostgresTimeline
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner
from stack.postgres import Postgres

_GROUP, _CONVERSATIONS = 256, 64
_TEXT = "x" * 200
_GOAL = 100e-6  # seconds of ours per acknowledged send

_HEADS = (
    "INSERT INTO timeline_heads (conversation_id, first_seq, last_seq, last_at, message_count, guard)"
    " SELECT gen_random_uuid(), 1, 0, 0, 0, 0 FROM generate_series(1, $1)"
)
_MEMBERS = (
    "INSERT INTO conversation_participants (conversation_id, user_id, role, joined_at, joined_seq,"
    " first_visible_seq, last_read_seq, last_delivered_seq, archived, cleared_seq, hidden)"
    " SELECT $1, gen_random_uuid(), 'member', 0, 0, 1, 0, 0, false, 0, false FROM generate_series(1, $2)"
)
_MARK = "UPDATE conversation_participants SET last_read_seq = ?1 WHERE conversation_id = ?2 AND user_id = ?3"
_BARE = "INSERT INTO bare (a, b, c) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"

Cost = tuple[float, float]


class Chat:
    """Conversations and senders of one database."""

    def __init__(self, url: str) -> None:
        self.database = PostgresDatabase(read_url(url), statement_timeout=300)
        self.batched = PostgresTimeline(self.database)
        self.one_by_one = RelationalTimeline(self.database)
        self.senders = [new_id() for _ in range(_GROUP)]
        self.conversations = [new_id() for _ in range(_CONVERSATIONS)]

    async def fill(self) -> None:
        await self.database.write(lambda tx: runner.upgrade(tx.conn))
        for each in self.conversations:
            await self.database.write(lambda tx, c=each: self.batched.open_in(tx, c))  # type: ignore[misc]

    async def send(self, timeline: Timeline, sender: int, conversation_id: str) -> None:
        sender_id = self.senders[sender]
        message = NewMessage(sender_id, os.urandom(8).hex(), _TEXT, False, "text", {})
        now = time.time_ns() // 1_000_000
        event = NewEvent(conversation_id, new_time_id(), "message_created", sender_id, now, message=message)
        also = (Statement(_MARK, (conversation_id, sender_id)),)
        await timeline.append(event, guard=0, also=also)

    async def many(self, timeline: Timeline, each: int, conversations: list[str]) -> None:
        async def sender(index: int) -> None:
            for _ in range(each):
                await self.send(timeline, index, conversations[index % len(conversations)])

        await asyncio.gather(*map(sender, range(_GROUP)))


async def cost(work: Callable[[], Awaitable[None]], rows: int) -> Cost:
    """Wall and CPU seconds per row."""
    started, cpu = time.perf_counter(), time.process_time()
    await work()
    return (time.perf_counter() - started) / rows, (time.process_time() - cpu) / rows


async def bare(connection: "asyncpg.Connection[asyncpg.Record]", groups: int) -> None:
    for _ in range(groups):
        ids = [new_time_id() for _ in range(_GROUP)]
        await connection.execute(_BARE, ids, ["sender"] * _GROUP, [_TEXT] * _GROUP)


async def compared(chat: Chat, url: str, rounds: int) -> None:
    """Print what a send costs, beside the bare insert."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE bare (a text, b text, c text)")
    found: dict[str, list[Cost]] = {}
    for number in range(rounds + 1):  # the first one warms up
        one = {
            "bare insert": await cost(lambda: bare(connection, 10), 10 * _GROUP),
            "batched": await cost(lambda: chat.many(chat.batched, 8, chat.conversations), 8 * _GROUP),
            "one by one": await cost(lambda: chat.many(chat.one_by_one, 1, chat.conversations), _GROUP),
        }
        for name, costs in one.items():
            if number:
                found.setdefault(name, []).append(costs)
    await connection.close()
    walls = {name: median([wall for wall, _ in costs]) for name, costs in found.items()}
    cpus = {name: median([cpu for _, cpu in costs]) for name, costs in found.items()}
    rows = [
        (name, walls[name] * 1e6, cpus[name] * 1e6, walls[name] / walls["bare insert"], cpus[name] / _GOAL)
        for name in found
    ]
    print(table("\nSends of 256 people, µs each", ("", "wall", "our CPU", "wall / bare", "CPU / goal"), rows))


async def grown(
    chat: Chat, url: str, rounds: int, most: int, timeline: Timeline, database: Database, heads: str = _HEADS
) -> None:
    """Print what a send costs as conversations, made by `heads`, and members become more."""
    connection = await asyncpg.connect(url)
    rows: list[tuple[str, float, float]] = []

    async def measured(name: str, conversations: list[str]) -> None:
        costs = [await cost(lambda: chat.many(timeline, 4, conversations), 4 * _GROUP) for _ in range(rounds)]
        rows.append(
            (name, median([wall for wall, _ in costs]) * 1e6, median([cpu for _, cpu in costs]) * 1e6)
        )

    there, count = _CONVERSATIONS, 1_000
    while count <= most:
        await connection.execute(heads, count - there, timeout=300)
        await connection.execute("ANALYZE")
        there = count
        await measured(f"{count:,} conversations", chat.conversations)
        count *= 10
    for members in (10, 100, 1_000, 10_000):
        conversation_id = new_id()
        await database.write(lambda tx, c=conversation_id: timeline.open_in(tx, c))  # type: ignore[misc]
        await connection.execute(
            "INSERT INTO conversations (conversation_id, type, created_by, settings, settings_version,"
            " member_count, created_at, updated_at) VALUES ($1, 'group', $1, '{}', 1, $2, 0, 0)",
            conversation_id,
            members,
        )
        await connection.execute("SET session_replication_role = replica")  # members need no accounts here
        await connection.execute(_MEMBERS, conversation_id, members)
        await measured(f"one group of {members:,}", [conversation_id])
    await connection.close()
    print(table("\nSends as there is more, µs each", ("", "wall", "our CPU"), rows))


async def run(rounds: int, most: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        server = await asyncio.to_thread(lambda: Postgres(Path(directory) / "postgres", fsync=True))
        await asyncio.to_thread(server.start)
        try:
            url = await asyncio.to_thread(server.create_database)
            chat = Chat(url)
            await chat.fill()
            print(versions("secureconnect", "asyncpg", "sqlalchemy", "uvloop"))
            await compared(chat, url, rounds)
            await grown(chat, url, rounds, most, chat.batched, chat.database)
            await chat.database.close()
        finally:
            await asyncio.to_thread(server.close)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most-conversations", type=int, default=1_000_000)
    arguments = parser.parse_args()
    uvloop.run(run(arguments.rounds, arguments.most_conversations))


if __name__ == "__main__":
    main()
