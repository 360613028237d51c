"""Frames that nobody means, on the chat socket: scenario Z3."""

import asyncio
import contextlib
import json
from typing import Any

import websockets
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from secureconnect.kit.errors import ErrorCode
from tests.scenarios.conftest import Register
from tests.scenarios.nasty import TEXTS
from tests.scenarios.server import Server
from tests.scenarios.steps import Chat, Person, group, send, ws

QUICK = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
COMMANDS = (
    "hello",
    "ping",
    "token_refresh",
    "message_send",
    "message_edit",
    "message_delete",
    "reaction_add",
    "reaction_remove",
    "read",
    "delivered",
    "typing",
    "presence_set",
    "subscribe_presence",
    "unsubscribe_presence",
    "push_ack",
    "no_such_command",
)
FIELDS = (
    "conversation_id",
    "message_id",
    "scope",
    "emoji",
    "base_edit_count",
    "content",
    "message_type",
    "client_message_id",
    "is_encrypted",
    "metadata",
    "mentions",
    "seq",
    "is_typing",
    "status",
    "status_text",
    "user_ids",
    "resume",
    "device_id",
    "delivery_id",
    "access_token",
    "ts",
)
CLOSES = {4001, 4007, 4009, 4529}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


Said = dict[str, Any] | str | bytes


def frames(known: dict[str, Any]) -> st.SearchStrategy[list[Said]]:
    """Frames in any order: commands with fields of any kind, broken JSON, sometimes bytes at the end."""
    wrong: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
        st.sampled_from(FIELDS), JSON, max_size=4
    ) | st.just({})
    right = st.sets(st.sampled_from(sorted(known)), max_size=6).map(
        lambda names: {name: known[name] for name in names}
    )
    command: st.SearchStrategy[Said] = st.builds(
        lambda type_, right, wrong: {**right, **wrong, "type": type_}, st.sampled_from(COMMANDS), right, wrong
    )
    anything: st.SearchStrategy[Said] = st.builds(
        json.dumps, st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON
    )
    broken: st.SearchStrategy[Said] = st.text(max_size=30) | st.sampled_from(
        [
            "[" * 5_000,
            '{"type":' * 40,
            "{}",
            '{"type":"ping","ref":5}',
            '{"type":"ping","ref":"' + "x" * 65 + '"}',
        ]
    )
    said: st.SearchStrategy[list[Said]] = st.lists(
        st.one_of(command, command, command, command, anything | broken), max_size=12
    )
    return st.builds(lambda sent, last: [*sent, *last], said, st.lists(st.binary(max_size=5), max_size=1))


async def test_z3_frames(server: Server, reg: Register) -> None:
    """Random frames, fields and order: every reply is documented, and only documented closes happen."""
    a, b = await reg("a", "b")
    conversation_id = (await group(a, [b]))["conversation_id"]
    known: dict[str, Any] = {
        "conversation_id": conversation_id,
        "message_id": (await send(a, conversation_id, "hello")).ok(201)["message_id"],
        "scope": "me",
        "emoji": "👍",
        "content": "hello",
        "message_type": "text",
        "seq": 1,
        "is_typing": True,
        "status": "away",
        "user_ids": [b.user_id],
        "resume": {conversation_id: 1},
        "access_token": a.access,
    }

    @QUICK
    @given(sent=frames(known))
    def one(sent: list[Said]) -> None:
        asyncio.run(talk(a, sent))

    await asyncio.to_thread(one)
    # Nothing that was said broke anything for others.
    async with ws(b) as chat:
        last = (await send(a, conversation_id, "still here")).ok(201)["seq"]
        await chat.frame(type="event", conversation_id=conversation_id, seq=last)


async def talk(a: Person, sent: list[Said]) -> None:
    """Say it all on one socket."""
    async with ws(a, hello=False) as chat:
        with contextlib.suppress(websockets.ConnectionClosed):
            for number, frame in enumerate(sent):
                await chat.raw(
                    json.dumps({**frame, "ref": f"f{number}"}) if isinstance(frame, dict) else frame
                )
        if not await answers_ping(chat):
            assert await chat.close_code() in CLOSES, (sent, chat.seen)
        for reply in chat.seen:
            documented(reply)


async def answers_ping(chat: Chat) -> bool:
    """Whether the socket is still open, and got through everything that was sent."""
    with contextlib.suppress(websockets.ConnectionClosed):
        await chat.raw('{"type":"ping","ref":"end"}')
    closed = asyncio.create_task(chat.connection.wait_closed())
    answered = asyncio.create_task(chat.frame(type="pong", ref="end", timeout=10))
    done, _ = await asyncio.wait({closed, answered}, return_when=asyncio.FIRST_COMPLETED)
    open_ = answered in done and answered.exception() is None
    for task in (closed, answered):
        task.cancel()
    await asyncio.gather(closed, answered, return_exceptions=True)
    return open_


def documented(reply: dict[str, Any]) -> None:
    """An error is one of the closed list and no defect; `ws` holds every frame against the document."""
    if reply["type"] == "error":
        assert reply["code"] in ErrorCode.__members__, reply
        assert ErrorCode[reply["code"]].status < 500, reply
        assert 1 <= len(reply["message"]) <= 300
