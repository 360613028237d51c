"""Every way in which a socket can end, and that its session hears of it exactly once."""

from functools import partial

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.transport import TransportLimits
from tests.unit.serving import FakeClock, Serving, Visit, frame, serving, until

CLOSE, PING, PONG = 8, 9, 10
OFFER = [Subprotocol("secureconnect.v1")]
SHORT = TransportLimits(close_timeout=0.05)


async def test_the_server_closes() -> None:
    async with serving() as place, connect(place.url, subprotocols=OFFER) as client:
        visit = await place.visit()
        visit.socket.close(CloseCode.TOKEN_EXPIRED)
        assert not visit.socket.open
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4002, '{"code":"token_expired"}')
        await until(lambda: visit.codes)
        assert visit.codes == [4002]
        assert not place.server.server_state.connections


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x03\xe8", 1000), (b"\x03\xe9going", 1001), (b"", 1005), (b"\x0f\xa0", 4000)]
)
async def test_the_peer_closes(payload: bytes, code: int) -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        line.send(frame(CLOSE, payload) + frame(1, b"too late"))
        assert await line.read_close() == (code, b"")
        assert await line.ended() == b""
        await until(lambda: visit.codes)
        assert (visit.codes, visit.texts) == ([code], [])


async def test_both_close_at_once() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        visit.socket.close(CloseCode.REMOVED)
        line.send(frame(CLOSE, b"\x03\xe8"))
        assert (await line.read_close())[0] == 4005
        assert await line.ended() == b""
        await until(lambda: visit.codes)
        assert visit.codes == [4005]


async def test_a_peer_that_never_answers_the_close() -> None:
    async with serving(limits=SHORT) as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        visit.socket.close(CloseCode.BANNED)
        line.send(frame(1, b"still talking") + frame(PING))
        await until(lambda: visit.codes)
        assert (visit.codes, visit.texts) == ([4004], [])


async def test_garbage_instead_of_an_answer_to_the_close() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        visit.socket.close(CloseCode.BANNED)
        line.send(b"\xff\xff\xff\xff")
        await until(lambda: visit.codes)
        assert visit.codes == [4004]


async def test_a_peer_that_only_stops_sending() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        line.writer.write_eof()
        await until(lambda: visit.codes)
        assert visit.codes == [1006]
        assert not visit.socket.open
        assert await line.ended() == b""


async def test_a_peer_that_disappears() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        line.reset()
        await until(lambda: visit.codes)
        assert visit.codes == [1006]
        visit.socket.close(CloseCode.NORMAL)
        visit.socket.pause_reading()
        visit.socket.resume_reading()
        await visit.socket.drained()
        assert visit.codes == [1006]


async def test_the_server_stops() -> None:
    async with serving() as place, connect(place.url, subprotocols=OFFER) as client:
        visit = await place.visit()
        await place.server.shutdown()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4501
        assert closed.value.rcvd.reason.startswith('{"code":"shutting_down","retry_after_ms":')
        assert visit.codes == [4501]


async def test_the_server_stops_while_a_peer_is_deaf() -> None:
    async with serving(limits=SHORT) as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        visit.socket.close(CloseCode.SHUTTING_DOWN, retry_after_ms=1)
        await place.server.shutdown()  # waits until nobody is left
        assert visit.codes == [4501]


def has_heard(visit: Visit, text: bytes) -> bool:
    return text in visit.texts


def is_open(visit: Visit) -> bool:
    return visit.socket.open


async def pass_time(place: Serving, clock: FakeClock, seconds: float) -> None:
    """In steps as the timer would."""
    for _ in range(int(seconds)):
        clock.time += 1.0
        place.heartbeat.beat()


async def test_a_silent_peer_is_pinged_and_then_closed() -> None:
    clock = FakeClock()
    async with serving(clock=clock) as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        await pass_time(place, clock, 25)
        assert await line.read_frame() == (PING, b"")
        await pass_time(place, clock, 34)
        assert is_open(visit)
        await pass_time(place, clock, 2)
        assert not is_open(visit)
        assert await line.read_close() == (4504, b'{"code":"idle_timeout"}')


async def test_a_pong_is_a_sign_of_life() -> None:
    clock = FakeClock()
    async with serving(clock=clock) as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        for number in range(6):
            await pass_time(place, clock, 25)
            assert await line.read_frame() == (PING, b"")
            line.send(frame(PONG) + frame(1, b"%d" % number))
            await until(partial(has_heard, visit, b"%d" % number))
        assert visit.socket.open


async def test_half_a_frame_is_no_sign_of_life() -> None:
    clock = FakeClock()
    async with serving(clock=clock) as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        whole = frame(1, b"x" * 100)
        for byte in whole[:61]:
            line.send(bytes([byte]))
            await pass_time(place, clock, 1)
        assert (await line.read_close())[0] == 4504
        assert visit.texts == []


async def test_a_peer_that_we_do_not_read_is_not_silent() -> None:
    clock = FakeClock()
    async with serving(clock=clock) as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()
        visit.socket.pause_reading()
        await pass_time(place, clock, 200)
        assert is_open(visit)
        visit.socket.resume_reading()
        await pass_time(place, clock, 61)
        assert not is_open(visit)


async def test_a_session_that_breaks_while_closing() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade()
        visit = await place.visit()

        def broken(code: int) -> None:
            visit.codes.append(code)
            raise RuntimeError("broken")

        visit.closed = broken  # type: ignore[method-assign]
        line.reset()
        await until(lambda: not place.server.server_state.connections)
        assert visit.codes == [1006]
