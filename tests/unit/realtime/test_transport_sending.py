"""Frames to one peer and to many, fast ones and slow ones."""

import asyncio
import socket
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.transport import TransportLimits
from secureconnect.edge.realtime.wire import close_frame, text_frame
from tests.unit.serving import Line, Serving, Visit, serving, until

OFFER = [Subprotocol("secureconnect.v1")]


def spy_on_writes(visit: Visit) -> list[int]:
    """The sizes of all writes from now on."""
    sizes: list[int] = []
    connection: Any = visit.socket
    real = connection.transport

    class Spy:
        def write(self, data: bytes) -> None:
            sizes.append(len(data))
            real.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    connection.transport = Spy()
    return sizes


async def test_frames_of_every_size() -> None:
    async with serving() as place, connect(place.url, subprotocols=OFFER, max_size=None) as client:
        visit = await place.visit()
        for size in (0, 1, 125, 126, 65_535, 65_536, 300_000):
            visit.socket.send(text_frame(b"x" * size))
            assert await client.recv() == "x" * size


def test_close_frames() -> None:
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
    assert close_frame(4008, b"{}") == b"\x88\x04\x0f\xa8{}"


async def test_frames_of_one_turn_leave_in_one_write_per_socket() -> None:
    async with serving() as place:
        lines = [await place.line() for _ in range(3)]
        for line in lines:
            await line.upgrade()
        visits = [await place.visit(number) for number in range(3)]
        writes = [spy_on_writes(visit) for visit in visits]
        for number in range(10):
            for visit in visits:
                visit.socket.send(text_frame(b"%d" % number))
        assert writes == [[], [], []]
        await asyncio.sleep(0)
        assert writes == [[30], [30], [30]]
        for line in lines:
            assert [await line.read_frame() for _ in range(10)] == [(1, b"%d" % n) for n in range(10)]


async def test_a_long_turn_is_written_in_portions() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        writes = spy_on_writes(visit)
        for number in range(100):
            visit.socket.send(text_frame(b"%03d" % number))
        await asyncio.sleep(0)
        assert writes == [64 * 5, 36 * 5]
        writes.clear()
        for _ in range(3):
            visit.socket.send(text_frame(b"x" * 30_000))
        await asyncio.sleep(0)
        assert writes[0] == 60_008
        for number in range(100):
            assert await line.read_frame() == (1, b"%03d" % number)
        for _ in range(3):
            assert await line.read_frame() == (1, b"x" * 30_000)


async def test_a_socket_that_fails_to_write_delays_nobody() -> None:
    async with serving() as place:
        lines = [await place.line() for _ in range(2)]
        for line in lines:
            await line.upgrade()
        first, second = [await place.visit(number) for number in range(2)]
        broken: Any = first.socket
        real = broken.transport

        class Broken:
            def write(self, data: bytes) -> None:
                raise RuntimeError("broken")

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        broken.transport = Broken()
        for visit in (first, second):
            visit.socket.send(text_frame(b"hello"))
        assert await lines[1].read_frame() == (1, b"hello")
        await until(lambda: first.codes)
        assert first.codes == [1006]


async def slow_peer(place: Serving, number: int = 0) -> tuple[Line, Visit, Any]:
    """A peer that reads nothing for now; line, session and its queue's owner."""
    line = await place.line(receive_buffer=4_096)
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of the client's transport
    line.send(line.request())
    visit = await place.visit(number)
    return line, visit, visit.socket


async def stuff(visit: Visit, queue: Any) -> None:
    """Fill what the kernel takes for this peer."""
    while not queue._paused:
        visit.socket.send(text_frame(b"s" * 8_000))
        await asyncio.sleep(0)


async def read_on(line: Line) -> None:
    line.writer.transport.resume_reading()  # type: ignore[attr-defined]  # of the client's transport
    await line.response_head()


async def test_the_kernel_does_not_hide_a_slow_peer() -> None:
    async with serving() as place:
        _, visit, queue = await slow_peer(place)
        kernel: socket.socket = queue.transport.get_extra_info("socket")
        # The kernel doubles what it is asked for, for its own bookkeeping.
        assert kernel.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 65_536
        sent = 0
        while not queue._paused:
            visit.socket.send(text_frame(b"s" * 1_000))
            await asyncio.sleep(0)
            sent += 1
        assert sent < 300
        assert queue.transport.get_write_buffer_size() <= 65_536 + 1_004


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (TransportLimits(send_buffer_frames=50, close_timeout=0.2), 100),
        (TransportLimits(send_buffer_bytes=50_000, close_timeout=0.2), 1_000),
    ],
)
async def test_a_slow_consumer_is_closed_and_others_are_not_delayed(
    limits: TransportLimits, size: int
) -> None:
    async with serving(limits=limits) as place:
        _, slow, queue = await slow_peer(place)
        fast = await place.line()
        await fast.upgrade()
        other = await place.visit(1)
        await stuff(slow, queue)
        total = 0
        while slow.socket.open:
            assert total <= 51
            for visit in (slow, other):
                visit.socket.send(text_frame(b"x" * size))
            total += 1
            assert await fast.read_frame() == (1, b"x" * size)
        assert total in (50, 51)
        assert not slow.codes  # its place is held until it is gone
        assert len(queue._frames) == 1  # the close frame; what waited is dropped
        await until(lambda: slow.codes)
        assert slow.codes == [4008]
        assert other.socket.open


async def test_a_slow_consumer_that_wakes_up_learns_why() -> None:
    async with serving(limits=TransportLimits(send_buffer_frames=20)) as place:
        line, visit, queue = await slow_peer(place)
        await stuff(visit, queue)
        for _ in range(21):
            visit.socket.send(text_frame(b"x"))
        assert not visit.socket.open
        await read_on(line)
        assert await line.read_close() == (4008, b'{"code":"slow_consumer"}')
        line.send(b"\x88\x82abcd" + bytes((0x0F ^ ord("a"), 0xA8 ^ ord("b"))))
        await until(lambda: visit.codes)
        assert visit.codes == [4008]


async def test_a_burst_of_one_turn_over_the_limit() -> None:
    async with serving(limits=TransportLimits(send_buffer_bytes=200_000)) as place:
        _, visit, _ = await slow_peer(place)
        for _ in range(200):
            visit.socket.send(text_frame(b"x" * 10_000))
        await until(lambda: not visit.socket.open)


async def test_ephemeral_frames_go_first() -> None:
    limits = TransportLimits(send_buffer_frames=100)
    async with serving(limits=limits) as place:
        line, visit, queue = await slow_peer(place)
        await stuff(visit, queue)
        for number in range(100):
            visit.socket.send(text_frame(b"durable %d" % number))
            visit.socket.send(text_frame(b"ephemeral"), ephemeral=True)
            if len(queue._frames) == 100:
                break
        await read_on(line)
        got: list[bytes] = []
        while len([text for text in got if text.startswith(b"durable")]) <= number:
            _, payload = await line.read_frame()
            if not payload.startswith(b"s"):
                got.append(payload)
        assert got.count(b"ephemeral") == 25  # up to half of the buffer, then none
        durable = [text for text in got if text != b"ephemeral"]
        assert durable == [b"durable %d" % n for n in range(number + 1)]
        assert visit.socket.open


async def test_a_replay_is_paced_by_its_reader() -> None:
    limits = TransportLimits(send_buffer_frames=100, send_buffer_bytes=200_000)
    async with serving(limits=limits) as place:
        line, visit, queue = await slow_peer(place)
        total = 2_000
        most = 0

        async def replay() -> None:
            nonlocal most
            for number in range(total):
                visit.socket.send(text_frame(b"%d " % number + b"x" * 1_000))
                await visit.socket.drained()
                most = max(most, len(queue._frames))

        replaying = asyncio.create_task(replay())
        await until(lambda: queue._paused)
        await asyncio.sleep(0)
        assert not replaying.done()
        await read_on(line)
        for number in range(total):
            _, payload = await line.read_frame()
            assert payload.startswith(b"%d " % number)
        await replaying
        assert visit.socket.open
        assert most <= 70


async def test_a_replay_ends_when_the_socket_does() -> None:
    async with serving(limits=TransportLimits(close_timeout=0.05)) as place:
        _, visit, queue = await slow_peer(place)
        await stuff(visit, queue)
        waiting = asyncio.create_task(visit.socket.drained())
        given_up = asyncio.create_task(visit.socket.drained())
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        visit.socket.close(CloseCode.SESSION_REVOKED)
        await waiting
        await visit.socket.drained()
        await until(lambda: visit.codes)
        assert visit.codes == [4003]


async def test_after_close_nothing_is_sent() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        visit.socket.send(text_frame(b"last"))
        visit.socket.close(CloseCode.RATE_LIMITED, retry_after_ms=10_000)
        visit.socket.send(text_frame(b"too late"))
        visit.socket.close(CloseCode.POLICY)
        assert await line.read_frame() == (1, b"last")
        assert await line.read_close() == (4529, b'{"code":"rate_limited","retry_after_ms":10000}')
        line.send(b"\x88\x80abcd")
        assert await line.ended() == b""
        await until(lambda: visit.codes)
        assert visit.codes == [4529]
