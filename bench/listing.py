"""What the newest messages of a conversation cost when it holds a thousand, and when it holds ten million.

    python -m bench.listing [--quick] [--messages N] [--directory DIR]

Two servers on one core, alike but for the length of one conversation, asked in turns for its newest page; CPU
is that of the server's process. The long conversation takes some 4 GB.
"""

import argparse
import asyncio
import http.client
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.corpus import Language, Room, fill, stores_of
from bench.measure import Process, cpu_seconds, median, table, versions
from bench.population import Account, populate
from bench.product import ENVIRONMENT, Product, running
from bench.requesters import request_bytes
from bench.verdict import Verdict
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.search.base import Progress
from secureconnect.kit.ids import new_id

_SHORT = 1_000
_PAGE = 50
_CONNECTIONS = 4
_START = 1_700_000_000_000
_STEP = 200_000  # messages per statement

# One message every 10 ms; made by SQLite itself.
_NUMBERS = (
    "WITH RECURSIVE numbers (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2),"
    f" rows (n, at, digits) AS (SELECT n, {_START} + 10 * n, printf('%012x', {_START} + 10 * n) FROM numbers)"
)
_ID = "substr(digits, 1, 8) || '-' || substr(digits, 9) || '-7000-8000-' || printf('%012x', n)"
_EVENTS = (
    "INSERT INTO timeline_events (conversation_id, seq, event_id, kind, actor_id, sent_at, data)"
    f" {_NUMBERS} SELECT ?3, n, {_ID}, 'message_created', ?4, at, x'' FROM rows"
)
_MESSAGES = (
    "INSERT INTO messages (conversation_id, seq, message_id, sender_id, content, is_encrypted, message_type,"
    f" metadata, sent_at) {_NUMBERS} SELECT ?3, n, {_ID}, ?4, 'This is message number ' || n, 0, 'text',"
    " '{}', at FROM rows"
)
_HEAD = "UPDATE timeline_heads SET last_seq = ?, last_at = ?, message_count = ? WHERE conversation_id = ?"


async def _talk(data_dir: Path, room: Room, count: int) -> None:
    """Messages 1 … `count`; the search index is told that it knows them."""
    async with stores_of(data_dir, ENVIRONMENT) as stores:
        for first in range(1, count + 1, _STEP):
            params = (first, min(first + _STEP - 1, count), room.conversation_id, room.members[0])

            def say(tx: WriteTx, params: tuple[int, int, str, str] = params) -> None:
                tx.run(_EVENTS, params)
                tx.run(_MESSAGES, params)

            await stores.database.write(say)
        last_at = _START + 10 * count
        head = (count, last_at, count, room.conversation_id)
        await stores.database.write(lambda tx: tx.run(_HEAD, head))
        await stores.search.begin(Progress(last_at, None))


def _prepared(data_dir: Path, count: int) -> tuple[Account, str]:
    """An account and its conversation with `count` messages."""
    one, other = populate(data_dir, ENVIRONMENT, 2)
    room = Room(new_id(), (one.user_id, other.user_id))
    fill(data_dir, ENVIRONMENT, [room], messages=0, spoken=[Language(["x"], " ")], seed=1)
    asyncio.run(_talk(data_dir, room, count))
    return one, room.conversation_id


def _timed(product: Product, path: str, token: str) -> Callable[[], float]:
    """Seconds of one request over a kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=60)

    def once() -> float:
        started = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200 or body.count(b'"message_id"') != _PAGE:
            raise RuntimeError(body.decode())
        return seconds

    return once


def measure(folder: Path, long: int, *, rounds: int, requests: int) -> list[Verdict]:
    """Print what was measured; what became of the target."""
    core = min(os.sched_getaffinity(0))
    short_dir, long_dir = folder / "short", folder / "long"
    started = time.perf_counter()
    prepared = [_prepared(short_dir, _SHORT), _prepared(long_dir, long)]
    print(f"{long:,} messages written in {time.perf_counter() - started:.0f} s", flush=True)
    cpu: list[list[float]] = [[], []]
    wall: list[list[float]] = [[], []]
    ratios: list[float] = []
    with (
        running(short_dir, core=core) as short_server,
        running(long_dir, core=core) as long_server,
        Process.running(Process.python("bench.requesters"), core=core) as clients,
    ):
        clients.hear()
        servers = (short_server, long_server)
        paths = [f"/v1/messages?conversation_id={key}&limit={_PAGE}" for _, key in prepared]
        tokens = [account.token for account, _ in prepared]
        timers = [_timed(*one) for one in zip(servers, paths, tokens, strict=True)]
        for turn in range(rounds + 1):
            costs = []
            for server, path, token in zip(servers, paths, tokens, strict=True):
                asked = request_bytes("GET", path, token=token).hex()
                before = cpu_seconds(server.pid)
                clients.ask(f"{server.port} {_CONNECTIONS} {requests} {asked}")
                costs.append((cpu_seconds(server.pid) - before) / requests)
            times = [median(timer() for _ in range(requests // 10)) for timer in timers]
            if turn:  # the first warms up
                for which in (0, 1):
                    cpu[which].append(costs[which])
                    wall[which].append(times[which])
                ratios.append(costs[1] / costs[0])
    rows = [
        [f"{count:,} messages", median(cpu[which]) * 1e6, median(wall[which]) * 1e3]
        for which, count in enumerate((_SHORT, long))
    ]
    print(table(f"\nGET /v1/messages, the newest {_PAGE}", ["", "CPU, µs", "p50 alone, ms"], rows))
    return [Verdict(f"CPU of the newest page, {long:,} messages / {_SHORT:,}", median(ratios), 1.1)]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.listing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="200,000 messages and few requests")
    parser.add_argument("--messages", type=int, help="how many the long conversation holds")
    parser.add_argument("--directory", type=Path, help="where the data go")
    arguments = parser.parse_args()
    long = arguments.messages or (200_000 if arguments.quick else 10_000_000)
    print(versions("secureconnect", "uvicorn", "sqlalchemy"), f"SQLite {sqlite3.sqlite_version}")
    folder = Path(tempfile.mkdtemp(prefix="secureconnect-bench-", dir=arguments.directory))
    try:
        verdicts = measure(
            folder, long, rounds=3 if arguments.quick else 15, requests=100 if arguments.quick else 400
        )
    finally:
        shutil.rmtree(folder)
    print()
    print(table("Targets", ["", "target", "reached", ""], [verdict.row() for verdict in verdicts]))


if __name__ == "__main__":
    main()
