"""Cost of a durable append, beside what the disk and bare SQLite allow in the same run.

    python -m bench.group_commit [--directory DIR] [--rounds N] [--core N]

Rows of one round run one after the other, rounds repeat, and the median counts: a shared machine changes its
speed from minute to minute, ratios within a round hardly.

* sync: append 4 KiB to a file and fdatasync it.
* bare, one insert: sqlite3 in a loop, 256 rows (a 200-byte text each) per synced commit: SQLite's own limit.
* bare, same statements: the statements of an append and its riding one, nothing else: our schema's limit.
* timeline: `Timeline.append` by concurrent senders on an event loop, each answered after its sync.
* CPU is that of the whole process, writer's thread and kernel time included.
"""

import argparse
import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import uvloop

from bench.measure import median, table, versions
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.timeline.base import NewEvent, NewMessage, Statement, StoredEvent
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner

_GROUP = 256
_CONVERSATIONS = 64
_TEXT = "x" * 200
_READ_MARK = (
    "UPDATE conversation_participants SET last_read_seq = ? WHERE conversation_id = ? AND user_id = ?"
)
_JOIN = (
    "INSERT INTO conversation_participants (conversation_id, user_id, role, joined_at, joined_seq,"
    " first_visible_seq, last_read_seq, last_delivered_seq, archived, cleared_seq, hidden)"
    " VALUES (?, ?, 'member', 0, 0, 1, 0, 0, 0, 0, 0)"
)


class Commits:
    """Counts synced commits."""

    def __init__(self) -> None:
        self.count = 0

    def query(self, operation: str, table: str, seconds: float) -> None: ...

    def query_failed(self, operation: str, kind: str) -> None: ...

    def acquired(self, seconds: float) -> None: ...

    def acquire_timed_out(self) -> None: ...

    def committed(self, works: int, seconds: float) -> None:
        self.count += 1


class Chat:
    """A database with 64 conversations and 256 senders."""

    def __init__(self, path: Path) -> None:
        self.commits = Commits()
        self.database: SqliteDatabase = open_sqlite(path, metrics=self.commits)
        self.heard = 0
        self.timeline = RelationalTimeline(self.database, self._listen)
        self.senders = [new_id() for _ in range(_GROUP)]
        self.conversations = [new_id() for _ in range(_CONVERSATIONS)]

    def _listen(self, events: Sequence[StoredEvent]) -> None:
        self.heard += len(events)

    async def fill(self) -> None:
        await self.database.write(lambda tx: runner.upgrade(tx.conn))
        for conversation_id in self.conversations:
            await self.database.write(lambda tx, c=conversation_id: self.timeline.open_in(tx, c))  # type: ignore[misc]
        for index, sender_id in enumerate(self.senders):
            params = (self.conversation(index), sender_id)
            await self.database.write(lambda tx, p=params: tx.run(_JOIN, p))  # type: ignore[misc]

    def conversation(self, sender: int) -> str:
        return self.conversations[sender % _CONVERSATIONS]

    async def send(self, sender: int) -> None:
        conversation_id, sender_id = self.conversation(sender), self.senders[sender]
        event = NewEvent(
            conversation_id,
            new_time_id(),
            "message_created",
            sender_id,
            time.time_ns() // 1_000_000,
            message=NewMessage(
                sender_id=sender_id,
                client_message_id=os.urandom(8).hex(),
                content=_TEXT,
                is_encrypted=False,
                message_type="text",
                metadata={},
            ),
        )
        mark = Statement(_READ_MARK, (conversation_id, sender_id))
        await self.timeline.append(event, guard=0, also=(mark,))


def syncs(directory: Path, count: int) -> list[float]:
    """Seconds that each of `count` synced 4 KiB appends took."""
    times = []
    file = os.open(directory / "sync.bin", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    block = os.urandom(4096)
    os.pwrite(file, block * 1024, 0)  # a write-ahead log is written over and over, not extended
    os.fsync(file)
    for index in range(count):
        started = time.perf_counter()
        os.pwrite(file, block, index % 1024 * 4096)
        os.fdatasync(file)
        times.append(time.perf_counter() - started)
    os.close(file)
    return times


def bare(path: Path, statements: Callable[[sqlite3.Connection], None], groups: int) -> tuple[float, float]:
    """Wall and CPU seconds per row of bare SQLite, 256 rows per synced commit."""
    with closing(sqlite3.connect(path, isolation_level=None, cached_statements=512)) as raw:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
            raw.execute(f"PRAGMA {pragma}").fetchall()
        raw.execute("PRAGMA cache_size = -32768")
        raw.execute("CREATE TABLE IF NOT EXISTS bare (a TEXT, b TEXT, c TEXT)")
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(groups):
            raw.execute("BEGIN IMMEDIATE")
            statements(raw)
            raw.execute("COMMIT")
        rows = groups * _GROUP
        return (time.perf_counter() - started) / rows, (time.process_time() - cpu) / rows


def one_insert(raw: sqlite3.Connection) -> None:
    for _ in range(_GROUP):
        raw.execute("INSERT INTO bare (a, b, c) VALUES (?, ?, ?)", (new_time_id(), "sender", _TEXT))


def same_statements(chat: Chat) -> Callable[[sqlite3.Connection], None]:
    def statements(raw: sqlite3.Connection) -> None:
        run = raw.execute
        for sender in range(_GROUP):
            conversation, user, message = chat.conversation(sender), chat.senders[sender], new_time_id()
            client_id = os.urandom(8).hex()
            head = "SELECT last_seq, guard FROM timeline_heads WHERE conversation_id = ?"
            seq = run(head, (conversation,)).fetchall()[0][0] + 1
            run(
                "INSERT INTO send_dedup (conversation_id, sender_id, client_message_id, message_id, seq,"
                " created_at) VALUES (?, ?, ?, ?, ?, 0)",
                (conversation, user, client_id, message, seq),
            )
            run(
                "UPDATE timeline_heads SET last_seq = ?, last_at = ?, message_count = message_count + 1"
                " WHERE conversation_id = ?",
                (seq, 0, conversation),
            )
            run(
                "INSERT INTO timeline_events (conversation_id, seq, event_id, kind, actor_id, sent_at, data)"
                " VALUES (?, ?, ?, 'message_created', ?, 0, x'')",
                (conversation, seq, message, user),
            )
            run(
                "INSERT INTO messages (message_id, conversation_id, seq, sender_id, client_message_id,"
                " content, is_encrypted, message_type, metadata, sent_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 0, 'text', '{}', 0)",
                (message, conversation, seq, user, client_id, _TEXT),
            )
            run(_READ_MARK, (seq, conversation, user))

    return statements


async def many(chat: Chat, sends: int) -> tuple[float, float, float]:
    """Wall and CPU seconds per send, and commits per send, of 256 senders at once."""

    async def sender(index: int) -> None:
        for _ in range(sends // _GROUP):
            await chat.send(index)

    commits = chat.commits.count
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(sender(index) for index in range(_GROUP)))
    return (
        (time.perf_counter() - started) / sends,
        (time.process_time() - cpu) / sends,
        (chat.commits.count - commits) / sends,
    )


async def alone(chat: Chat, sends: int) -> list[float]:
    """Seconds that each send of a lone sender took."""
    times = []
    for _ in range(sends):
        started = time.perf_counter()
        await chat.send(0)
        times.append(time.perf_counter() - started)
    return times


async def on_a_busy_loop(chat: Chat, sends: int) -> list[float]:
    """The same while another task leaves the event loop no idle moment."""
    done = False

    async def busy() -> None:
        while not done:
            sum(range(2000))
            await asyncio.sleep(0)

    task = asyncio.create_task(busy())
    times = await alone(chat, sends)
    done = True
    await task
    return times


def quantile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


async def measure(directory: Path, rounds: int) -> None:
    chat = Chat(directory / "chat.db")
    await chat.fill()
    wall: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    commits: list[float] = []
    lone: list[float] = []
    busy: list[float] = []
    disk: list[float] = []

    def note(name: str, seconds: float, cpu_seconds: float) -> None:
        wall.setdefault(name, []).append(seconds)
        cpu.setdefault(name, []).append(cpu_seconds)

    await many(chat, 10 * _GROUP)
    for _ in range(rounds):
        disk += syncs(directory, 200)
        note("bare, one insert", *bare(directory / "bare.db", one_insert, 20))
        note("bare, same statements", *bare(chat.database.path, same_statements(chat), 20))
        each, spent, share = await many(chat, 20 * _GROUP)
        note("timeline, 256 senders", each, spent)
        commits.append(share)
        lone += await alone(chat, 300)
        busy += await on_a_busy_loop(chat, 50)
    await chat.database.close()

    micro = 1e6
    reference = median(cpu["bare, one insert"])
    print(versions("secureconnect", "sqlalchemy", "uvloop"), f"SQLite {sqlite3.sqlite_version}")
    print(
        table(
            f"\nDurable rows in groups of {_GROUP}, µs each, median of {rounds} rounds",
            ("", "wall", "CPU", "CPU / one insert"),
            [
                (name, median(wall[name]) * micro, median(cpu[name]) * micro, median(cpu[name]) / reference)
                for name in wall
            ],
        )
    )
    print(f"commits (one sync each) per send: {median(commits):.4f}")
    print(
        table(
            "\nOne sender alone, ms",
            ("", "p50", "p99"),
            [
                ("sync", quantile(disk, 0.5) * 1e3, quantile(disk, 0.99) * 1e3),
                ("timeline", quantile(lone, 0.5) * 1e3, quantile(lone, 0.99) * 1e3),
                ("timeline, loop without idle moment", quantile(busy, 0.5) * 1e3, quantile(busy, 0.99) * 1e3),
            ],
        )
    )
    p99 = quantile(lone, 0.99)
    for name, share in (("median", 0.5), ("p99", 0.99)):
        bound = 1e-3 + 3 * quantile(disk, share)
        print(
            f"p99 of a lone sender within 1 ms + 3 {name} syncs ({bound * 1e3:.2f} ms): "
            + ("yes" if p99 <= bound else "no")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--directory", type=Path, help="on the file system to measure; default: temporary")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, help="pin everything to this core")
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        uvloop.run(measure(Path(directory), arguments.rounds))


if __name__ == "__main__":
    main()
