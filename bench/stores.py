"""Cost of an acknowledged send on SQLite, PostgreSQL and Cassandra, side by side in one run.

    python -m bench.stores [--rounds N] [--grown]

Real servers are started here, with their syncs on. 256 senders share 64 conversations; each send moves the
sender's mark in the same transaction. Rows of one round run one after the other, rounds repeat, and the
median counts; ratios within a round hold on a machine whose speed changes.

* bare insert: the engine's batched insert through the same driver: 256 rows (a 200-byte text each) per synced
  commit; in Cassandra unlogged batches of 16 rows of one partition, 16 under way.
* same statements: those of a send in the same portions, without us. On Cassandra what is decided about all
  conversations in one transaction of PostgreSQL, where the product keeps everything else; then the rows of
  six conversations per request, then 32 heads per request.
* timeline: `Timeline.append`, answered after its commit.
* --grown: instead of that, a send to Cassandra as conversations and members become more.
* CPU is that of this process, the drivers' threads included: what a send costs us, the servers' work apart.
  It collects garbage as the product does.
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
import uvloop

from bench import group_commit, server_appends
from bench.cassandra import BATCH, Bare, cluster_of
from bench.measure import median, table, versions
from secureconnect.app.listening import collect_rarely
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_migrate import migrate
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id
from stack.cassandra import Cassandra
from stack.postgres import Postgres

_GROUP, _CONVERSATIONS, _EACH = 256, 64, 6
_TOGETHER = _GROUP // _CONVERSATIONS
_HEADS = (
    "INSERT INTO decided_heads SELECT CAST(gen_random_uuid() AS text), 1, 0, 0, 0, 0, 1"
    " FROM generate_series(1, $1)"
)
_HEAD = "INSERT INTO decided_heads VALUES ($1, 1, 0, 0, 0, 0, 0)"
_LOCK = "SELECT * FROM decided_heads WHERE conversation_id = ANY($1) ORDER BY conversation_id FOR UPDATE"
_LOOK = (
    "SELECT d.seq FROM unnest($1::varchar[], $2::varchar[], $3::text[]) AS s(c, u, m) JOIN send_dedup AS d"
    " ON d.conversation_id = s.c AND d.sender_id = s.u AND d.client_message_id = s.m"
)
_MOVE = (
    "UPDATE decided_heads AS h SET last_seq = h.last_seq + 4, revision = h.revision + 1"
    " FROM unnest($1::varchar[]) AS n(conversation_id) WHERE h.conversation_id = n.conversation_id"
)
_REMEMBER = (
    "INSERT INTO send_dedup (conversation_id, sender_id, client_message_id, message_id, seq, created_at)"
    " SELECT c, u, m, u, 1, 1 FROM unnest($1::varchar[], $2::varchar[], $3::text[]) AS s(c, u, m)"
)
_INTENT = (
    "INSERT INTO timeline_intents (event_id, claim_id, conversation_id, kind, payload, created_at, done_at)"
    " VALUES ($1, $1, $1, 'send', $2, 0, 0)"
)
_DONE = "DELETE FROM timeline_intents WHERE event_id = $1"
_MARK = "UPDATE conversation_participants SET last_read_seq = $1 WHERE conversation_id = $2 AND user_id = $3"

Cost = tuple[float, float]
Work = Callable[[], Awaitable[Cost]]


async def cost(work: Callable[[], Awaitable[object]], sends: int) -> Cost:
    """Wall and CPU seconds per send."""
    started, cpu = time.perf_counter(), time.process_time()
    await work()
    return (time.perf_counter() - started) / sends, (time.process_time() - cpu) / sends


async def of_sqlite(stack: contextlib.AsyncExitStack, directory: Path) -> dict[str, Work]:
    """What is measured there, by its name."""
    chat = group_commit.Chat(directory / "chat.db")
    await chat.fill()
    stack.push_async_callback(chat.database.close)

    async def alone(path: Path, statements: Callable[..., None]) -> Cost:
        return group_commit.bare(path, statements, _EACH)

    async def ours() -> Cost:
        return (await group_commit.many(chat, _EACH * _GROUP))[:2]

    return {
        "bare insert": partial(alone, directory / "bare.db", group_commit.one_insert),
        "same statements": partial(alone, chat.database.path, group_commit.same_statements(chat)),
        "timeline": ours,
    }


async def of_postgres(
    stack: contextlib.AsyncExitStack, server: Postgres
) -> tuple[server_appends.Chat, str, dict[str, Work]]:
    """The same there, with the conversations and the URL of the database."""
    url = await asyncio.to_thread(server.create_database)
    chat = server_appends.Chat(url)
    await chat.fill()
    stack.push_async_callback(chat.database.close)
    connection = await asyncpg.connect(url)
    stack.push_async_callback(connection.close)
    await connection.execute("CREATE TABLE bare (a text, b text, c text)")
    sends = _EACH * _GROUP
    return (
        chat,
        url,
        {
            "bare insert": lambda: cost(lambda: server_appends.bare(connection, _EACH), sends),
            "timeline": lambda: cost(lambda: chat.many(chat.batched, _EACH, chat.conversations), sends),
        },
    )


async def on_cassandra(
    stack: contextlib.AsyncExitStack, server: Cassandra, chat: server_appends.Chat
) -> CassandraTimeline:
    """A timeline there, beside the database of `chat` and with its conversations."""
    cluster = cluster_of(server)
    await migrate(cluster)
    timeline = CassandraTimeline(chat.database, cluster, SystemClock())
    timeline.start()
    stack.push_async_callback(timeline.close)
    for each in chat.conversations:
        await timeline.database.write(lambda tx, c=each: timeline.open_in(tx, c))  # type: ignore[misc]
    return timeline


async def of_cassandra(
    stack: contextlib.AsyncExitStack, server: Cassandra, chat: server_appends.Chat, url: str
) -> dict[str, Work]:
    """The same there, on the relational store of `chat`."""
    timeline = await on_cassandra(stack, server, chat)
    bare = await Bare.connect(cluster_of(server))
    stack.push_async_callback(bare.close)
    connection = await asyncpg.connect(url)
    stack.push_async_callback(connection.close)

    logs = [new_id() for _ in range(_CONVERSATIONS)]
    await connection.executemany(_HEAD, [(key,) for key in logs])

    async def same(sends: int) -> None:
        places = range(_CONVERSATIONS)
        rows, heads = ([list(places[start : start + size]) for start in places[::size]] for size in (6, 32))
        done: list[str] = []
        for _ in range(sends // _GROUP):
            keys = [new_id() for _ in places]
            named = [key for key in keys for _ in range(_TOGETHER)]
            columns = named, [new_id() for _ in named], [os.urandom(8).hex() for _ in named]
            async with connection.transaction():
                await connection.fetch(_LOCK, logs)
                await connection.fetch(_LOOK, *columns)
                await connection.execute(_MOVE, logs)
                await connection.execute(_REMEMBER, *columns)
                await connection.executemany(_MARK, [(1, key, key) for key in named])
                await connection.executemany(_INTENT, [(key, b"x" * 700 * _TOGETHER) for key in keys])
                await connection.executemany(_DONE, [(key,) for key in done])
            await asyncio.gather(*(bare.rows(some, _TOGETHER) for some in rows))
            await asyncio.gather(*map(bare.heads, heads))
            done = keys

    async def inserts(sends: int) -> None:
        async def worker(partition: int) -> None:
            for _ in range(sends // _GROUP):
                await bare.insert(partition)

        await asyncio.gather(*map(worker, range(_GROUP // BATCH)))

    sends = _EACH * _GROUP
    return {
        "bare insert": lambda: cost(lambda: inserts(sends), sends),
        "same statements": lambda: cost(lambda: same(sends), sends),
        "timeline": lambda: cost(lambda: chat.many(timeline, _EACH, chat.conversations), sends),
    }


async def measure(rounds: int, directory: Path, postgres: Postgres, cassandra: Cassandra) -> str:
    """A table of medians."""
    found: dict[tuple[str, str], list[Cost]] = {}
    async with contextlib.AsyncExitStack() as stack:
        chat, url, on_postgres = await of_postgres(stack, postgres)
        works = {
            "SQLite": await of_sqlite(stack, directory),
            "PostgreSQL": on_postgres,
            "Cassandra": await of_cassandra(stack, cassandra, chat, url),
        }
        for number in range(rounds + 1):  # the first one warms up
            for engine, named in works.items():
                for name, work in named.items():
                    result = await work()
                    if number:
                        found.setdefault((engine, name), []).append(result)
    rows = []
    for (engine, name), costs in found.items():
        bare = found[engine, "bare insert"]
        ratio = median([own[1] / other[1] for own, other in zip(costs, bare, strict=True)])
        share = median([own[1] - other[1] for own, other in zip(costs, bare, strict=True)])
        wall, cpu = (median([one[place] for one in costs]) * 1e6 for place in (0, 1))
        rows.append((f"{engine}, {name}", f"{wall:.0f}", f"{cpu:.1f}", f"{ratio:.1f}", f"{share * 1e6:.0f}"))
    head = ("", "wall", "CPU", "CPU / bare insert", "CPU above it")
    return table(f"A send of {_GROUP} people in {_CONVERSATIONS} conversations, µs", head, rows)


async def grow(rounds: int, postgres: Postgres, cassandra: Cassandra) -> None:
    """Print what a send to Cassandra costs as there is more."""
    async with contextlib.AsyncExitStack() as stack:
        chat, url, _ = await of_postgres(stack, postgres)
        timeline = await on_cassandra(stack, cassandra, chat)
        await server_appends.grown(chat, url, rounds, 1_000_000, timeline, timeline.database, _HEADS)


async def run(rounds: int, *, grown: bool) -> None:
    """Start what is needed, measure, and say it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with contextlib.ExitStack() as servers:
            postgres = Postgres(directory / "postgres", fsync=True)
            servers.callback(postgres.close)
            cassandra = Cassandra(directory / "cassandra")
            servers.callback(cassandra.close)
            await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(cassandra.start))
            collect_rarely()
            print(versions("asyncpg", "acsylla", "sqlalchemy", "uvloop"))
            if grown:
                await grow(rounds, postgres, cassandra)
            else:
                print(await measure(rounds, directory, postgres, cassandra))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--grown", action="store_true", help="with more conversations and members")
    arguments = parser.parse_args()
    uvloop.run(run(arguments.rounds, grown=arguments.grown))


if __name__ == "__main__":
    main()
