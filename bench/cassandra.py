"""Cost of an acknowledged send with the timeline in Cassandra, beside the bare driver in the same run.

    python -m bench.cassandra [--rounds N] [--senders N]

Each sender has a conversation of its own, so nothing is shared: the dearest case. `bench.stores` has
the one with several senders per conversation.

* bare insert: unlogged batches of 16 rows (a 200-byte text each) of one partition: the driver's limit.
* same requests: those of a send to Cassandra, one after the other: its rows, then the head that shows them.
  What is decided in the relational store before, here SQLite, is left out.
* CPU is that of this process, the driver's threads included; the server runs beside it, so times are those of
  a shared machine.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
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
from secureconnect.infra.timeline.cassandra_projection import MUTATIONS, SAID, SAID_EVENT
from secureconnect.infra.timeline.cassandra_schema import slot_of
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner
from stack.cassandra import Cassandra

__all__ = ["BATCH", "Bare", "cluster_of"]

#: Rows per bare batch; the server warns of more bytes.
BATCH = 16
_TEXT = "x" * 200
_SENDS = 20  # per sender and round
_BARE = {
    "insert": "INSERT INTO bare (a, b, c, d) VALUES (?, ?, ?, ?)",
    "head": MUTATIONS["put_head"].cql.text,
    "event": SAID_EVENT.text,
    "message": SAID.text,
    "index": MUTATIONS["put_index"].cql.text,
}


def cluster_of(server: Cassandra) -> Cluster:
    """How to reach the server."""
    return Cluster(("127.0.0.1",), server.port, "bench", server.datacenter, 1, timeout=30.0)


class Bare:
    """The statements of sends, and nothing else."""

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
        )
        session = await opened.create_session(cluster.keyspace)
        made = "CREATE TABLE IF NOT EXISTS bare (a text, b text, c text, d text, PRIMARY KEY (a, b))"
        await session.execute(acsylla.create_statement(made, timeout=60.0))
        return cls(session, {name: await session.create_prepared(text) for name, text in _BARE.items()})

    async def insert(self, partition: int) -> None:
        """A batch of rows."""
        batch, key = acsylla.create_batch_unlogged(), self._ids[partition]
        for _ in range(BATCH):
            batch.add_statement(self._bound("insert", key, new_time_id(), key, _TEXT))
        await self._session.execute_batch(batch)

    async def send(self, conversation: int, together: int = 1) -> None:
        """A commit of so many sends to one conversation."""
        await self.rows([conversation], together)
        await self.heads([conversation])

    async def rows(self, conversations: Sequence[int], together: int) -> None:
        """What they say."""
        batch = acsylla.create_batch_unlogged()
        for conversation in conversations:
            self._add(batch, conversation, together)
        await self._session.execute_batch(batch)

    def _add(self, batch: Any, conversation: int, together: int) -> None:
        key = self._ids[conversation]
        self._revisions[conversation] = revision = self._revisions.get(conversation, 0) + 1
        at = 4 * revision + 1
        now = time.time_ns() // 1_000_000
        for place in range(together):
            seq, message_id, client = revision * together + place, new_time_id(), os.urandom(8).hex()
            slot, shard = slot_of(message_id)
            for name, params in (
                ("event", (key, 0, seq, message_id, "message_created", key, now, b"", at)),
                (
                    "message",
                    (key, 0, seq, message_id, key, client, _TEXT, False, "text", {}, now, at),
                ),
                ("index", (slot, shard, message_id, key, seq, at)),
            ):
                batch.add_statement(self._bound(name, *params))

    async def heads(self, conversations: Sequence[int]) -> None:
        """Where these stand then."""
        batch = acsylla.create_batch_unlogged()
        for conversation in conversations:
            revision = self._revisions[conversation]
            head = (self._ids[conversation], 1, revision, revision, revision, 0, revision, 4 * revision + 1)
            batch.add_statement(self._bound("head", *head))
        await self._session.execute_batch(batch)

    async def close(self) -> None:
        """Give the connection up."""
        await self._session.close()

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


async def load(
    send: Callable[[int], Awaitable[None]], senders: int, each: int = 1, sends: int = _SENDS
) -> tuple[float, float]:
    """Wall and CPU seconds per send, when a call does `each`."""

    async def one(sender: int) -> None:
        for _ in range(sends):
            await send(sender)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, range(senders)))
    count = senders * sends * each
    return (time.perf_counter() - started) / count, (time.process_time() - cpu) / count


async def measure(cluster: Cluster, directory: Path, rounds: int, senders: int) -> str:
    """A table of medians."""
    await migrate(cluster)
    database = open_sqlite(directory / "bench.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    timeline = CassandraTimeline(database, cluster, SystemClock())
    bare, ours = await Bare.connect(cluster), Ours(timeline)
    await ours.open(senders)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds + 1):
        for name, send, each in (
            ("bare insert", bare.insert, BATCH),
            ("same requests", bare.send, 1),
            ("timeline", ours.send, 1),
        ):
            result = await load(send, senders, each)
            if number:  # the first one warms the server up
                found.setdefault(name, []).append(result)
    await timeline.close()
    await bare.close()
    await database.close()
    cpus = {name: [cpu for _, cpu in costs] for name, costs in found.items()}
    rows = [
        [name, f"{median([wall for wall, _ in costs]) * 1e6:.0f}", f"{median(cpus[name]) * 1e6:.0f}"]
        for name, costs in found.items()
    ]
    for name in ("same requests", "bare insert"):
        above = median([ours - bare for ours, bare in zip(cpus["timeline"], cpus[name], strict=True)])
        times = median([ours / bare for ours, bare in zip(cpus["timeline"], cpus[name], strict=True)])
        rows.append([f"above {name}", "", f"{above * 1e6:.0f}, × {times:.2f}"])
    return table("A send, the timeline in Cassandra", ["per send", "wall µs", "CPU µs"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
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
            print(
                uvloop.run(measure(cluster_of(server), Path(directory), arguments.rounds, arguments.senders))
            )


if __name__ == "__main__":
    main()
