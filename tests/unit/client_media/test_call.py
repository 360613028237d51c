"""A call of a program, with a server that is made up."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Self, cast

from secureconnect.client.client import Client
from secureconnect.client.errors import Conflict
from secureconnect.client.media.call import MeshCall


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


async def test_a_call_that_ended_while_the_socket_was_away() -> None:
    """That is an end like any other, with the reason that the server has."""

    async def get(call_id: str) -> Any:
        assert call_id == "c"
        return SimpleNamespace(end_reason="max_duration")

    client = SimpleNamespace(signaling=lambda _: _Line(), calls=SimpleNamespace(get=get))
    async with asyncio.timeout(10), MeshCall(cast("Client", client), "c") as call:
        assert await call.until_over() == "max_duration"
