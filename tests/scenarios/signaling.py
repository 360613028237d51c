"""Signaling sockets, and calls as the scenarios make them."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import websockets

from tests.scenarios.published import published
from tests.scenarios.steps import Answer, Chat, Person

__all__ = ["Signal", "call", "initiate", "join", "leave", "shown", "signal", "state"]

Signal = Chat


async def initiate(a: Person, conversation_id: str, callees: list[Person], **fields: Any) -> Answer:
    """A call that may be refused."""
    body = {
        "call_type": "audio",
        "conversation_id": conversation_id,
        "callee_ids": [each.user_id for each in callees],
        **fields,
    }
    return await a.post("/v1/calls/initiate", body)


async def call(a: Person, conversation_id: str, callees: list[Person], **fields: Any) -> str:
    """`call(A,g,[B])`: its id."""
    return str((await initiate(a, conversation_id, callees, **fields)).ok(201)["call_id"])


async def join(person: Person, call_id: str, **fields: Any) -> Answer:
    """Over HTTP."""
    return await person.post(f"/v1/calls/{call_id}/join", fields)


async def leave(person: Person, call_id: str) -> Answer:
    """Over HTTP."""
    return await person.post(f"/v1/calls/{call_id}/leave")


async def shown(person: Person, call_id: str) -> Any:
    """The call, as `person` sees it."""
    return (await person.get(f"/v1/calls/{call_id}")).ok()


def state(shown_call: Any, person: Person) -> Any:
    """One participant of a shown call."""
    (found,) = (each for each in shown_call["participants"] if each["user_id"] == person.user_id)
    return found


@contextlib.asynccontextmanager
async def signal(person: Person, call_id: str, *, joins: bool = True, **options: Any) -> AsyncIterator[Chat]:
    """A signaling socket that joined. Every frame that it brings must be a published one."""
    document = await published(person.url)
    url = person.url.replace("http", "ws", 1) + f"/v1/ws/signaling?call_id={call_id}"
    headers = {"authorization": f"Bearer {person.access}", **person.headers}
    # The server pings. Pings of the client draw from the one `random` of the process, of which Hypothesis,
    # in another thread, asks that nobody else uses it meanwhile.
    async with websockets.connect(
        url, additional_headers=headers, compression=None, max_size=None, ping_interval=None
    ) as connection:
        socket = Chat(connection)
        await socket.frame(type="welcome")
        if joins:
            answer = await socket.command("join", **options)
            assert answer["type"] == "ack", answer
        try:
            yield socket
        finally:
            await socket.close()
        for frame in socket.seen:
            document.check(frame, socket.commands, "signaling_")
