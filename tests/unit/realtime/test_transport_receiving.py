"""What a peer may send, and what happens when it sends something else."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secureconnect.edge.realtime.transport import (
    SocketTransport,
    TransportLimits,
    transport_factory,
)
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.edge.realtime.wire import text_frame
from tests.unit.serving import Door, FakeClock, Line, Visit, frame, serving, until

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SHORT = TransportLimits(close_timeout=0.05)


async def test_messages_up_to_the_limit() -> None:
    door = Door()
    door.max_frame_bytes = 262_144
    async with serving(door=door) as place:
        line = await place.line()
        await line.upgrade()
        messages = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65_536, "ü€😀".encode(), b"e" * 262_144]
        for message in messages:
            line.send(frame(TEXT, message))
        visit = await place.visit()
        await until(lambda: len(visit.texts) == len(messages))
        assert visit.texts == messages


@pytest.mark.parametrize(
    "parts",
    [
        [frame(TEXT, b"x" * 1_001)],
        [frame(TEXT, b"x" * 600, fin=False), frame(0, b"x" * 401)],
        [frame(TEXT, b"x" * 600, fin=False), frame(0, b"x" * 300, fin=False), frame(0, b"x" * 101)],
        [b"\x81\xff" + (1 << 40).to_bytes(8) + b"abcd"],  # only announced
    ],
)
async def test_a_message_over_the_limit(parts: list[bytes]) -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"first"))
        line.send(b"".join(parts))
        assert await line.read_close() == (4009, b'{"code":"frame_too_large"}')
        # The server says its end at once and reads on, so that nothing destroys the close frame on its way.
        assert await line.ended() == b""
        line.send(b"x" * 100_000)
        await line.hang_up()
        visit = await place.visit()
        await until(lambda: visit.codes)
        assert (visit.texts, visit.codes) == ([b"first"], [4009])


async def test_a_peer_that_goes_on_sending_after_a_violation_is_cut_off() -> None:
    async with serving(limits=SHORT) as place:
        line = await place.line()
        await line.upgrade()
        line.send(b"\xff" * 1_000)
        assert (await line.read_close())[0] == 4007
        visit = await place.visit()
        await until(lambda: visit.codes)


async def test_fragments_with_control_frames_between_them() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        euro = "€".encode()
        line.send(frame(TEXT, b"a" + euro[:1], fin=False) + frame(PING, b"now?"))
        line.send(frame(0, euro[1:2], fin=False) + frame(PONG) + frame(0, b"", fin=False))
        line.send(frame(0, euro[2:] + b"b"))
        line.send(frame(TEXT, b"next"))
        assert await line.read_frame() == (PONG, b"now?")
        visit = await place.visit()
        await until(lambda: len(visit.texts) == 2)
        assert visit.texts == ["a€b".encode(), b"next"]


async def test_many_empty_fragments_cost_nothing() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"a", fin=False) + frame(0, b"", fin=False) * 20_000 + frame(0, b"z"))
        visit = await place.visit()
        await until(lambda: visit.texts)
        assert visit.texts == [b"az"]


@pytest.mark.parametrize(
    "wrong",
    [
        frame(BINARY, b"\x00"),
        frame(BINARY, b"\x00", fin=False) + frame(0, b"\x00"),
        frame(TEXT, b"\xff\xfe"),
        frame(TEXT, b"\xc3", fin=False) + frame(0, b"("),
        frame(TEXT, b"unmasked", mask=None),
        frame(TEXT, b"reserved", rsv=4),
        frame(3, b"no such opcode"),
        frame(0, b"continues nothing"),
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
        frame(PING, b"p" * 126),
        frame(PING, b"", fin=False),
        frame(CLOSE, b"\x03"),
        frame(CLOSE, b"\x03\xed"),  # 1005 must not be sent
        frame(CLOSE, b"\x03\xe8\xff"),
        frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03\xe8"),
    ],
)
async def test_violations(wrong: bytes) -> None:
    async with serving(limits=SHORT) as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"fine") + wrong + frame(TEXT, b"too late"))
        code, reason = await line.read_close()
        assert (code, json.loads(reason)) == (4007, {"code": "policy"})
        visit = await place.visit()
        line.send(frame(CLOSE, b"\x0f\xa7"))
        await until(lambda: visit.codes)
        assert (visit.texts, visit.codes) == ([b"fine"], [4007])


async def test_pings_are_answered() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(PING) + frame(PING, b"p" * 125) + frame(PONG, b"unasked"))
        assert await line.read_frame() == (PONG, b"")
        assert await line.read_frame() == (PONG, b"p" * 125)


def has_texts(visit: Visit, count: int) -> bool:
    return len(visit.texts) >= count


async def test_a_session_reads_at_its_own_pace() -> None:
    door = Door()
    door.on_text = lambda visit, _: visit.socket.pause_reading()
    async with serving(door=door) as place:
        line = await place.line()
        await line.upgrade()
        total = 3_000  # more than one read, and many frames in each
        line.send(b"".join(frame(TEXT, b"%d" % number) for number in range(total)))
        visit = await place.visit()
        for count in range(1, 21):
            await until(partial(has_texts, visit, count))
            await asyncio.sleep(0)
            assert len(visit.texts) == count
            visit.socket.resume_reading()
        visit.on_text = lambda visit, _: None
        visit.socket.resume_reading()
        await until(lambda: len(visit.texts) == total)
        assert [int(text) for text in visit.texts] == list(range(total))


async def test_a_paused_peer_is_not_read_without_bound() -> None:
    door = Door()
    door.on_text = lambda visit, _: visit.socket.pause_reading()
    async with serving(door=door) as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"stop"))
        visit = await place.visit()
        await until(lambda: visit.texts)
        connection: Any = visit.socket
        assert not connection.transport.is_reading()
        visit.socket.resume_reading()
        await until(connection.transport.is_reading)


async def test_a_violation_behind_a_pause_waits_for_its_turn() -> None:
    door = Door()
    door.on_text = lambda visit, _: visit.socket.pause_reading()
    async with serving(door=door, limits=SHORT) as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(3))
        visit = await place.visit()
        await until(lambda: visit.texts == [b"one"])
        visit.socket.resume_reading()
        await until(lambda: visit.texts == [b"one", b"two"])
        assert visit.socket.open
        visit.socket.resume_reading()
        assert (await line.read_close())[0] == 4007


async def test_a_paused_session_that_closes_hears_the_peers_answer() -> None:
    door = Door()
    door.on_text = lambda visit, _: visit.socket.pause_reading()
    async with serving(door=door) as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"one") + frame(TEXT, b"never delivered"))
        visit = await place.visit()
        await until(lambda: visit.texts)
        line.send(frame(CLOSE, b"\x03\xe8"))
        connection: Any = visit.socket
        connection.expired()
        assert (await line.read_close())[0] == 4504
        await until(lambda: visit.codes)
        assert (visit.texts, visit.codes) == ([b"one"], [4504])


async def test_a_session_that_breaks_is_closed() -> None:
    def broken(visit: Visit, payload: bytes) -> None:
        raise RuntimeError("broken")

    door = Door()
    door.on_text = broken
    async with serving(door=door) as place:
        line = await place.line()
        await line.upgrade()
        line.send(frame(TEXT, b"one") + frame(TEXT, b"two"))
        assert await line.read_close() == (4500, b'{"code":"internal_error"}')
        visit = await place.visit()
        assert visit.texts == [b"one"]


# Any bytes at all, without a network: the protocol class is driven as the event loop would drive it.


class Wire(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.ending = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.ending = True

    abort = close

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.ending

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class State:
    """What uvicorn shares among its connections."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.default_headers: list[tuple[bytes, bytes]] = []


async def opened(door: Door) -> tuple[SocketTransport, Wire, Visit]:
    """A socket on a `Wire`, past its handshake."""
    kind: Any = transport_factory(gate=door, heartbeat=Heartbeat(clock=FakeClock()))
    wire = Wire()
    protocol: SocketTransport = kind(config=None, server_state=State(), app_state={})
    protocol.connection_made(wire)
    protocol.data_received(Line.request())
    await until(lambda: wire.written)
    wire.written.clear()
    return protocol, wire, door.visits[-1]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at the given places (modulo its length)."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


MESSAGES = st.lists(st.tuples(st.text(max_size=300), st.lists(st.integers(0, 400), max_size=3)), max_size=8)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


def hesitate(visit: Visit, _: bytes) -> None:
    visit.socket.pause_reading()
    visit.socket.resume_reading()


@settings(max_examples=100, deadline=None)
@given(messages=MESSAGES, cuts=CUTS, pauses=st.booleans())
async def test_messages_arrive_whole_however_they_are_cut(
    messages: list[tuple[str, list[int]]], cuts: list[int], pauses: bool
) -> None:
    door = Door()
    door.max_frame_bytes = 1_200
    if pauses:
        door.on_text = hesitate
    protocol, _, visit = await opened(door)
    stream = bytearray()
    for text, places in messages:
        pieces = cut(text.encode(), places)
        for index, piece in enumerate(pieces):
            stream += frame(TEXT if index == 0 else 0, piece, fin=index == len(pieces) - 1)
            stream += frame(PING, b"between")
    for chunk in cut(bytes(stream), cuts):
        protocol.data_received(chunk)
    await until(lambda: len(visit.texts) == len(messages))
    assert visit.texts == [text.encode() for text, _ in messages]
    assert visit.socket.open
    protocol.connection_lost(None)
    assert visit.codes == [1006]


JUNK = st.one_of(
    st.binary(max_size=300),
    st.builds(
        frame,
        st.integers(0, 15),
        st.binary(max_size=300),
        fin=st.booleans(),
        mask=st.one_of(st.none(), st.binary(min_size=4, max_size=4)),
        rsv=st.sampled_from([0, 0, 0, 1, 4, 7]),
    ),
)


@settings(max_examples=200, deadline=None)
@given(junk=st.lists(JUNK, max_size=6), cuts=CUTS, lost=st.booleans())
async def test_no_bytes_whatsoever_break_it(junk: list[bytes], cuts: list[int], lost: bool) -> None:
    protocol, _, visit = await opened(Door())
    for chunk in cut(b"".join(junk), cuts):
        protocol.data_received(chunk)
    await asyncio.sleep(0)
    protocol.eof_received()
    protocol.connection_lost(OSError("reset") if lost else None)
    assert len(visit.codes) == 1
    assert visit.codes[0] == 1006 or visit.codes[0] == 1005 or 1000 <= visit.codes[0] < 5000
    for text in visit.texts:
        text.decode()
    protocol.data_received(b"late")
    visit.socket.send(text_frame(b"late"))
    assert not visit.socket.open
