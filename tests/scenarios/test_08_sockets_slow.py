"""Sockets: scenario S16, a reader that does not read."""

import asyncio
import contextlib
import json
import time

import websockets

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.sockets import Idle, bearer, chat_url, close_reason
from tests.scenarios.steps import Person, direct, group, ws

MESSAGES, SENDERS, WINDOW = 5000, 4, 8


class Sender:
    """A socket that sends as fast as `window` unanswered messages allow, and notes how long each took."""

    def __init__(self, connection: websockets.ClientConnection, conversation_id: str, window: int) -> None:
        self._connection = connection
        self._conversation_id = conversation_id
        self._window = asyncio.Semaphore(window)
        self._sent_at: dict[str, float] = {}
        self.acks: list[float] = []

    async def run(self, keys: list[str], started: dict[str, float]) -> None:
        answers = asyncio.create_task(self._answers(len(keys)))
        for key in keys:
            await self._window.acquire()
            self._sent_at[key] = started[key] = time.monotonic()
            command = {
                "type": "message_send",
                "ref": key,
                "conversation_id": self._conversation_id,
                "content": key,
            }
            await self._connection.send(json.dumps(command))
        await answers

    async def _answers(self, count: int) -> None:
        while len(self.acks) < count:
            frame = json.loads(await self._connection.recv())
            assert frame["type"] == "ack", frame
            self.acks.append(time.monotonic() - self._sent_at[frame["ref"]])
            self._window.release()


class Reader:
    """A socket that notes when each message came."""

    def __init__(self, chat: websockets.ClientConnection, conversation_id: str) -> None:
        self._chat = chat
        self._conversation_id = conversation_id
        self.seqs: list[int] = []
        self.came: dict[str, float] = {}

    async def upto(self, seq: int) -> None:
        """Read until the event `seq`."""
        while not self.seqs or self.seqs[-1] < seq:
            frame = json.loads(await self._chat.recv())
            if frame["type"] == "event" and frame["conversation_id"] == self._conversation_id:
                self.seqs.append(frame["seq"])
                self.came[frame["data"]["message"]["content"]] = time.monotonic()


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


async def test_s16_who_does_not_read_delays_nobody(serve: Serve, reg: Register) -> None:
    """[resume_max_events=10000] B stops reading while A sends 5,000 messages: B is closed with 4008, A and C
    notice nothing, and B resumes and ends with all of them."""
    async with serve(realtime={"resume_max_events": 10_000}) as server, contextlib.AsyncExitStack() as stack:
        a, b, c = await reg("a", "b", "c", url=server.url)
        g = (await group(a, [b, c]))["conversation_id"]
        elsewhere = (await direct(a, c))["conversation_id"]
        last = 1 + MESSAGES

        async def connect(person: Person, query: str = "") -> websockets.ClientConnection:
            options = {**bearer(person), "compression": None, "max_queue": None}
            opened = await stack.enter_async_context(
                websockets.connect(chat_url(person.url, query), **options)
            )
            await opened.send('{"type":"hello","ref":"h"}')
            assert [json.loads(await opened.recv())["type"] for _ in range(2)] == ["welcome", "ack"]
            return opened

        slow = await stack.enter_async_context(Idle.of(b, server.port))
        slow.send(type="hello", ref="h", resume={g: 1})
        reader = Reader(await connect(c), g)
        # A's own sockets show another conversation, so that they carry acks alone.
        filtered = f"?conversation_id={elsewhere}"
        senders = [Sender(await connect(a, filtered), g, WINDOW) for _ in range(SENDERS)]
        keys, started = [f"m{n}" for n in range(MESSAGES)], dict[str, float]()
        tasks = [asyncio.create_task(each.run(keys[n::SENDERS], started)) for n, each in enumerate(senders)]
        await reader.upto(1500)  # by now more than B's buffers hold was sent to it
        rest = asyncio.create_task(reader.upto(last))
        got = [frame["seq"] async for frame in slow.frames() if frame["type"] == "event"]
        assert (slow.close_code, close_reason(slow.close_reason)) == (4008, {"code": "slow_consumer"})
        assert got == list(range(2, 2 + len(got)))
        assert len(got) < 1500

        async with ws(b, resume={g: got[-1]}) as chat:
            await chat.frame(type="event", conversation_id=g, seq=last, timeout=120)
            await asyncio.gather(rest, *tasks)
        assert [frame["seq"] for frame in chat.events(g)] == list(range(got[-1] + 1, last + 1))
        assert reader.seqs == list(range(2, last + 1))
        delivered = p99([reader.came[key] - started[key] for key in keys])
        acked = p99([took for sender in senders for took in sender.acks])
        assert max(delivered, acked) < 1, (delivered, acked)

        async def counted() -> bool:
            return await metric(server, "websocket_overflow_total") == 1

        await eventually(counted)
