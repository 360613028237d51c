"""Signaling between two processes over one bus: relays, places, replacement, and a bus in doubt (V26)."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, cast

import msgspec
import pytest

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import json_frame, payload_of
from secureconnect.edge.realtime.signaling.rooms import Rooms
from secureconnect.edge.realtime.signaling.session import SignalSession
from secureconnect.infra.bus.base import Doubt
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, SessionEnded
from secureconnect.kit.principal import Principal

_CALL = "c"


class DoubtfulBus(MemoryBus):
    """A bus that can say that others may not be heard."""

    def __init__(self) -> None:
        super().__init__()
        self.doubts: list[Doubt] = []

    def on_doubt(self, doubt: Doubt) -> None:
        self.doubts.append(doubt)

    def works(self, works: bool) -> None:
        for doubt in self.doubts:
            doubt(works)


class Stored:
    """The places and versions as they are stored."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.version = 1
        #: What happens while the places are read, one after the other.
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def places(self, call_id: str) -> Mapping[str, str]:
        assert call_id == _CALL
        found = dict(self.there)
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        return found

    async def versions(self, call_ids: Collection[str]) -> Mapping[str, int]:
        return dict.fromkeys(call_ids, self.version)


class Device:
    """A socket, as far as rooms see it."""

    def __init__(self, user_id: str, session_id: str = "") -> None:
        self.call_id, self.connection_id = _CALL, f"{user_id}{id(self)}"
        self.principal = Principal(user_id, session_id or f"session {user_id}", "j", "user", 0)
        self.joined = self.leaving = False
        self.heard: list[Any] = []
        self.closed: CloseCode | None = None

    def reply(self, frame: bytes) -> None:
        self.heard.append(msgspec.json.decode(payload_of(frame)))

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        self.closed = code


def session(device: Device) -> SignalSession:
    return cast("SignalSession", device)


class House:
    """Two processes."""

    def __init__(self) -> None:
        self.bus, self.stored = DoubtfulBus(), Stored()
        self.first, self.second = (Rooms(self.bus, self.stored, process_id=name) for name in ("p1", "p2"))

    async def open(self) -> "House":
        await self.first.open()
        await self.second.open()
        return self

    async def seat(self, rooms: Rooms, device: Device) -> Device:
        rooms.attach(session(device))
        await rooms.follow(_CALL)
        self.stored.there[device.principal.user_id] = rooms.process_id
        rooms.place(session(device))
        return device


def said(number: int) -> bytes:
    return json_frame({"n": number})


async def test_frames_reach_the_other_process_in_order() -> None:
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    b = await house.seat(house.second, Device("b"))
    c = await house.seat(house.second, Device("c"))
    for number in range(3):
        house.first.relay(session(a), "b", said(number))
    house.first.relay(session(a), None, said(3))
    assert b.heard == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}]
    assert c.heard == [{"n": 3}]
    assert a.heard == []
    house.second.relay(session(b), "a", said(4))
    assert a.heard == [{"n": 4}]


async def test_a_room_knows_who_was_there_before_it() -> None:
    """Who comes later reads the places, and hears of those who come after."""
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    b = await house.seat(house.second, Device("b"))
    house.second.relay(session(b), "a", said(1))
    assert a.heard == [{"n": 1}]
    house.second.leave(session(b))
    with pytest.raises(ApiError) as refused:
        house.first.relay(session(a), "b", said(2))
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_a_socket_elsewhere_replaces_the_one_here() -> None:
    house = await House().open()
    old = await house.seat(house.first, Device("a", "s1"))
    b = await house.seat(house.first, Device("b"))
    new = await house.seat(house.second, Device("a", "s2"))
    assert (old.closed, old.joined) == (CloseCode.REPLACED, False)
    assert house.first.leave(session(old)) is False
    house.first.relay(session(b), "a", said(1))
    assert (old.heard, new.heard) == ([], [{"n": 1}])


async def test_what_is_told_reaches_all_but_those_it_is_not_for() -> None:
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    b = await house.seat(house.second, Device("b"))
    idle = Device("b", "another")
    house.second.attach(session(idle))
    house.first.tell(_CALL, [said(1)], except_user="a")
    house.first.tell(_CALL, user_id="b", except_session=b.principal.session_id, close=CloseCode.REPLACED)
    assert (a.heard, b.heard, idle.heard) == ([], [{"n": 1}], [{"n": 1}])
    assert (b.closed, idle.closed) == (None, CloseCode.REPLACED)
    house.second.tell(_CALL, [said(2)], close=CloseCode.CALL_ENDED)
    assert (a.heard, a.closed) == ([{"n": 2}], CloseCode.CALL_ENDED)


async def test_a_bus_in_doubt_refuses_what_is_for_others_alone() -> None:
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    here = await house.seat(house.first, Device("h"))
    there = await house.seat(house.second, Device("t"))
    house.bus.works(False)
    house.first.relay(session(a), "h", said(1))
    for target in ("t", None):
        with pytest.raises(ApiError) as refused:
            house.first.relay(session(a), target, said(2))
        assert refused.value.code is ErrorCode.SERVICE_UNAVAILABLE
    assert (here.heard, there.heard) == ([{"n": 1}], [])
    house.first.noted(_CALL, house.stored.version)
    assert list(await house.first.stale()) == []
    house.bus.works(True)
    assert list(await house.first.stale()) == [_CALL]
    del house.stored.there["t"]
    await house.first.refresh(_CALL, house.stored.version)
    with pytest.raises(ApiError) as refused:
        house.first.relay(session(a), "t", said(3))
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert list(await house.first.stale()) == []


async def test_who_joins_while_the_places_are_read_is_there() -> None:
    """What a hint says is not overwritten by what was read before it."""
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    b = Device("b")
    house.stored.meanwhile = [lambda: house.seat(house.second, b)]
    await house.first.refresh(_CALL, house.stored.version)
    house.first.relay(session(a), "b", said(1))
    assert b.heard == [{"n": 1}]

    house.first.noted(_CALL, house.stored.version)
    house.stored.version += 1
    others = [Device(f"c{number}") for number in range(20)]
    house.stored.meanwhile = [lambda each=each: house.seat(house.second, each) for each in others]  # type: ignore[misc]
    await house.first.refresh(_CALL, house.stored.version)
    assert list(await house.first.stale()) == [_CALL]  # it is read again at the next turn
    house.stored.meanwhile = []
    await house.first.refresh(_CALL, house.stored.version)
    assert list(await house.first.stale()) == []


async def test_a_session_that_ends_closes_its_sockets() -> None:
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    b = await house.seat(house.second, Device("b"))
    hint = SessionEnded("b", b.principal.session_id, int(CloseCode.BANNED))
    house.bus.publish(CONTROL, hint)
    assert (a.closed, b.closed) == (None, CloseCode.BANNED)
    assert house.first.ended(b.principal.session_id) is CloseCode.BANNED


async def test_a_room_ends_with_its_last_socket() -> None:
    house = await House().open()
    a = await house.seat(house.first, Device("a"))
    assert (len(house.first), house.first.sockets) == (1, 1)
    assert house.first.leave(session(a)) is True
    assert house.first.leave(session(a)) is False
    assert (len(house.first), house.first.sockets) == (0, 0)
    assert not house.bus.listened(f"call:{_CALL}")
