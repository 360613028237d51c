"""Cost of an acknowledged send with the timeline in Cassandra, beside the same statements by the bare driver.

    python -m bench.cassandra [--rounds N] [--senders N]

Both do the same four requests per send, one after the other: look for an earlier send, claim the head,
commit by a conditional write, write the projections. Each sender has a conversation of its own, so nothing is
shared. CPU is that of this process, the driver's threads included; the server runs beside it, so times are
those of a shared machine.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import acsylla
import uvloop

from bench.measure import median, table, versions
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.infra.timeline.base import NewEvent, NewMessage
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster
from secureconnect.infra.timeline.cassandra_migrate import migrate
from secureconnect.infra.timeline.cassandra_redo import MUTATIONS
from secureconnect.infra.timeline.cassandra_schema import slot_of
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner
from stack.cassandra import Cassandra

_TEXT = "x" * 200
_SENDS = 20  # per sender and round
_BARE = {
    "open": "INSERT INTO timeline_heads (conversation_id, revision, claim) VALUES (?, 0, '') IF NOT EXISTS",
    "claim": "UPDATE timeline_heads SET claim = ? WHERE conversation_id = ? IF revision = ? AND claim = ''",
    "look": "SELECT seq FROM send_dedup WHERE conversation_id = ? AND sender_id = ?"
    " AND client_message_id = ?",
    "commit": "UPDATE timeline_heads SET last_seq = ?, revision = ?, claim = '', tail = ?"
    " WHERE conversation_id = ? IF revision = ? AND claim = ?",
    "event": MUTATIONS["put_event"].text,
    "message": MUTATIONS["put_message"].text,
    "index": MUTATIONS["put_index"].text,
    "dedup": MUTATIONS["put_dedup"].text,
}


class Bare:
    """The statements of a send, and nothing else."""

    def __init__(self, session: Any, prepared: dict[str, Any]) -> None:
        self._session = session
        self._prepared = prepared
        self._revisions: dict[int, int] = {}
        self._ids = [new_id() for _ in range(1000)]

    @classmethod
    async def connect(cls, cluster: Cluster) -> "Bare":
        opened = acsylla.create_cluster(
            list(cluster.hosts),
            port=cluster.port,
            log_level="critical",
            consistency="LOCAL_QUORUM",
            serial_consistency="LOCAL_SERIAL",
        )
        session = await opened.create_session(cluster.keyspace)
        return cls(session, {name: await session.create_prepared(text) for name, text in _BARE.items()})

    async def send(self, sender: int) -> None:
        key, revision = self._ids[sender], self._revisions.get(sender, 0)
        if not revision:
            await self._run("open", key)
        self._revisions[sender] = after = revision + 1
        message_id, claim, cmid, at = new_time_id(), new_id(), os.urandom(8).hex(), 4 * after + 1
        await self._run("look", key, key, cmid)
        await self._run("claim", claim, key, revision)
        await self._run("commit", after, after, b"x" * 700, key, revision, claim)
        batch = acsylla.create_batch_unlogged()
        now = time.time_ns() // 1_000_000
        slot, shard = slot_of(message_id)
        batch.add_statement(
            self._bound("event", key, 0, after, message_id, "message_created", key, now, b"", None, None, at)
        )
        batch.add_statement(
            self._bound(
                "message", key, 0, after, message_id, key, cmid, _TEXT, False, "text", {}, None, now, at
            )
        )
        batch.add_statement(self._bound("index", slot, shard, message_id, key, after, at))
        batch.add_statement(self._bound("dedup", key, key, cmid, message_id, after, now, at))
        await self._session.execute_batch(batch)

    async def _run(self, name: str, *params: Any) -> None:
        await self._session.execute(self._bound(name, *params))

    def _bound(self, name: str, *params: Any) -> Any:
        statement = self._prepared[name].bind()
        statement.bind_list(list(params))
        return statement


class Ours:
    """`Timeline.append`."""

    def __init__(self, timeline: CassandraTimeline) -> None:
        self._timeline = timeline
        self._ids = [new_id() for _ in range(1000)]

    async def open(self, senders: int) -> None:
        for key in self._ids[:senders]:
            await self._timeline.database.write(lambda tx, key=key: self._timeline.open_in(tx, key))  # type: ignore[misc]

    async def send(self, sender: int) -> None:
        key = self._ids[sender]
        event = NewEvent(
            key,
            new_time_id(),
            "message_created",
            key,
            time.time_ns() // 1_000_000,
            message=NewMessage(key, os.urandom(8).hex(), _TEXT, False, "text", {}),
        )
        await self._timeline.append(event, guard=0)


async def load(send: Callable[[int], Awaitable[None]], senders: int) -> tuple[float, float]:
    """Wall and CPU seconds per send."""

    async def one(sender: int) -> None:
        for _ in range(_SENDS):
            await send(sender)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, range(senders)))
    count = senders * _SENDS
    return (time.perf_counter() - started) / count, (time.process_time() - cpu) / count


async def measure(cluster: Cluster, directory: Path, rounds: int, senders: int) -> str:
    """A table of medians."""
    await migrate(cluster)
    database = open_sqlite(directory / "bench.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    timeline = CassandraTimeline(database, cluster, SystemClock())
    bare, ours = await Bare.connect(cluster), Ours(timeline)
    await ours.open(senders)
    figures: dict[str, list[tuple[float, float]]] = {"bare driver": [], "timeline": []}
    for number in range(rounds + 1):
        for name, send in (("bare driver", bare.send), ("timeline", ours.send)):
            result = await load(send, senders)
            if number:  # the first one warms the server up
                figures[name].append(result)
    await timeline.close()
    await database.close()
    rows = [
        [name, f"{median([w for w, _ in found]) * 1e6:.0f}", f"{median([c for _, c in found]) * 1e6:.0f}"]
        for name, found in figures.items()
    ]
    share = median(
        [ours[1] - bare[1] for ours, bare in zip(figures["timeline"], figures["bare driver"], strict=True)]
    )
    rows.append(["our share", "", f"{share * 1e6:.0f}"])
    return table("A send, the timeline in Cassandra", ["per send", "wall µs", "CPU µs"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--senders", type=int, default=32)
    parser.add_argument("--port", type=int, help="of a node that runs; none: one is started")
    arguments = parser.parse_args()
    print(versions("acsylla", "uvloop"))
    with tempfile.TemporaryDirectory() as directory:
        if arguments.port:
            node = Cluster(("127.0.0.1",), arguments.port, "bench", "datacenter1", 1, timeout=30.0)
            print(uvloop.run(measure(node, Path(directory), arguments.rounds, arguments.senders)))
            return
        with Cassandra(Path(directory) / "cassandra") as server:
            node = Cluster(("127.0.0.1",), server.port, "bench", server.datacenter, 1, timeout=30.0)
            print(uvloop.run(measure(node, Path(directory), arguments.rounds, arguments.senders)))


if __name__ == "__main__":
    main()
