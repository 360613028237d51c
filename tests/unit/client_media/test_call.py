"""A call of a program, with a server that is made up."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest

from secureconnect.client.client import Client
from secureconnect.client.errors import Conflict
from secureconnect.client.frames import OtherFrame
from secureconnect.client.media.call import MeshCall
from secureconnect.client.media.mesh import MeshMedia
from secureconnect.client.reconnector import ConnectionChanged, ConnectionState


class _Line:
    """A socket that was away while the call ended, and is refused when it comes back."""

    user_id = "me"
    ice_servers = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def join(self) -> Any:
        return SimpleNamespace(call=SimpleNamespace(participants=[]))

    async def frames(self) -> AsyncIterator[object]:
        for frame in (object(), None):
            if frame is None:
                raise Conflict("CALL_ENDED", 409, "This call is over.")
            yield frame


class _BrokenLine(_Line):
    """A socket that is lost, and comes back before the call ends."""

    async def frames(self) -> AsyncIterator[object]:
        for state in (ConnectionState.CONNECTED, ConnectionState.WAITING, ConnectionState.CONNECTED):
            yield ConnectionChanged(state=state)
        yield OtherFrame(type="call_ended", fields={"type": "call_ended", "end_reason": "hangup"})


async def test_a_call_that_ended_while_the_socket_was_away() -> None:
    """That is an end like any other, with the reason that the server has."""

    async def get(call_id: str) -> Any:
        assert call_id == "c"
        return SimpleNamespace(end_reason="max_duration")

    client = SimpleNamespace(signaling=lambda _: _Line(), calls=SimpleNamespace(get=get))
    async with asyncio.timeout(10), MeshCall(cast("Client", client), "c") as call:
        assert await call.until_over() == "max_duration"


async def test_after_a_break_what_may_be_lost_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, when the socket is back; not when it is there for the first time."""
    repeated: list[MeshMedia] = []

    async def repeat(self: MeshMedia) -> None:
        repeated.append(self)

    monkeypatch.setattr(MeshMedia, "repeat", repeat)
    client = SimpleNamespace(signaling=lambda _: _BrokenLine())
    async with asyncio.timeout(10), MeshCall(cast("Client", client), "c") as call:
        assert await call.until_over() == "hangup"
    assert len(repeated) == 1
