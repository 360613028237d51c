"""Commands: answers, order, limits (docs/reference/realtime.md §2, §4, §8)."""

import asyncio
from typing import Any

import msgspec
import pytest

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.session.commands import Ack, Command, CommandContext, Commands
from secureconnect.edge.validation import Uuid
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.realtime.fakes import FakeSocket, uid
from tests.unit.realtime.world import World, send

G = uid(0xA)
H = uid(0xB)


class Say(msgspec.Struct):
    conversation_id: Uuid
    text: str
    urgent: bool = False


class Edit(msgspec.Struct):
    message_id: Uuid


class Done(msgspec.Struct):
    number: int


class Desk:
    """Handlers that finish when told to; `log` is the order of beginnings."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.contexts: list[CommandContext] = []

    async def say(self, context: CommandContext, body: Say) -> Ack:
        self.contexts.append(context)
        await self._begin(body.text)
        return {"text": body.text}

    async def edit(self, context: CommandContext, body: Edit) -> Ack:
        await self._begin("edit")
        return None

    async def nod(self, context: CommandContext, body: None) -> Ack:
        await self._begin("nod")
        return Done(7)

    async def refuse(self, context: CommandContext, body: None) -> Ack:
        raise ApiError(ErrorCode.FORBIDDEN, "No.")

    async def crash(self, context: CommandContext, body: None) -> Ack:
        raise RuntimeError("secret")

    def commands(self) -> list[Command]:
        return [
            Command(
                "say", Say, self.say, "messages", lambda body: body.conversation_id, scope="messages:write"
            ),
            Command("edit", Edit, self.edit, conversation_of=lambda body: None),
            Command("nod", None, self.nod),
            Command("refuse", None, self.refuse),
            Command("crash", None, self.crash),
        ]

    def hold(self, text: str) -> None:
        self.gates[text] = asyncio.Event()

    async def _begin(self, text: str) -> None:
        self.log.append(text)
        if text in self.gates:
            await self.gates[text].wait()


async def desk(**options: Any) -> tuple[Desk, World, FakeSocket, Session]:
    made = Desk()
    world = World(commands=made.commands(), **options)
    socket, session = await world.live(1)
    socket.frames.clear()
    return made, world, socket, session


async def test_answers() -> None:
    made, world, socket, session = await desk()
    send(session, type="say", ref="1", conversation_id=G.upper(), text="é", sender_id="forged")
    send(session, type="nod", ref="2")
    send(session, type="edit", ref="3", message_id=uid(5))
    send(session, type="nod")
    await world.settle()
    assert {frame["ref"]: frame for frame in socket.frames} == {
        "1": {"type": "ack", "ref": "1", "text": "é"},
        "2": {"type": "ack", "ref": "2", "number": 7},
        "3": {"type": "ack", "ref": "3"},
    }
    context = made.contexts[0]
    assert context.principal.user_id == uid(1)
    assert context.connection_id == session.connection_id
    assert context.ref == "1"
    assert world.limits.hits[-1] == ("messages", uid(1), True)


async def test_faults() -> None:
    _, world, socket, session = await desk()
    send(session, type="dance", ref="1")
    send(session, type="say", ref="2", text=5)
    send(session, type="refuse", ref="3")
    send(session, type="crash", ref="4")
    send(session, type="refuse")
    send(session, ref="5")
    send(session, type="nod", ref="")
    send(session, type="x" * 41, ref="6")
    await world.settle()
    answers = {frame.get("ref"): frame for frame in socket.frames}
    assert answers["1"]["code"] == "UNKNOWN_COMMAND"
    assert answers["2"]["code"] == "VALIDATION_ERROR"
    assert [fault["field"] for fault in answers["2"]["details"]] == ["conversation_id", "text"]
    assert answers["3"] == {"type": "error", "ref": "3", "code": "FORBIDDEN", "message": "No."}
    assert answers["4"]["code"] == "INTERNAL_ERROR"
    assert "secret" not in str(answers["4"])
    assert answers["5"]["details"][0]["field"] == "type"
    assert answers["6"]["code"] == "VALIDATION_ERROR"
    without_ref = [frame["code"] for frame in socket.frames if "ref" not in frame]
    assert sorted(without_ref) == ["FORBIDDEN", "VALIDATION_ERROR"]
    assert world.denied.seen == [("socket refuse", "FORBIDDEN")] * 2
    assert socket.open
    assert ("command", "unknown", False) in world.metrics.seen


async def test_rate_row_counts_before_fields_are_judged() -> None:
    _, world, socket, session = await desk()
    world.limits.full.add("messages")
    send(session, type="say", ref="1")
    await world.settle()
    assert socket.frames == [
        {
            "type": "error",
            "ref": "1",
            "code": "RATE_LIMIT_EXCEEDED",
            "message": ErrorCode.RATE_LIMIT_EXCEEDED.meaning,
            "retry_after": 7,
        }
    ]


async def test_bots_need_the_scope() -> None:
    made = Desk()
    world = World(commands=made.commands())
    world.auth.principals["bot"] = world.auth.principal(
        1, kind="bot", scopes=frozenset({"messages:read", "messages:write"})
    )
    socket, session = await world.accept(world.request(authorization="Bearer bot"))
    send(session, type="say", ref="1", conversation_id=G, text="a")
    send(session, type="nod", ref="2")
    await world.settle()
    assert {frame["ref"]: frame["type"] for frame in socket.frames[1:]} == {"1": "ack", "2": "error"}
    assert socket.last("error")["code"] == "INSUFFICIENT_SCOPE"


async def test_order_within_a_conversation_and_none_between() -> None:
    made, world, socket, session = await desk()
    made.hold("g1")
    for text, conversation in (("g1", G), ("g2", G), ("h1", H), ("g3", G)):
        send(session, type="say", ref=text, conversation_id=conversation, text=text)
    send(session, type="nod", ref="nod")
    await world.until(lambda: len(socket.frames) == 2)
    assert [frame["ref"] for frame in socket.frames] == ["h1", "nod"]
    made.gates["g1"].set()
    await world.settle()
    assert [frame["ref"] for frame in socket.frames[2:]] == ["g1", "g2", "g3"]


async def test_a_command_of_unknown_conversation_runs_alone() -> None:
    made, world, _, session = await desk()
    made.hold("g1")
    made.hold("edit")
    send(session, type="say", conversation_id=G, text="g1")
    send(session, type="edit", message_id=uid(1))
    send(session, type="say", conversation_id=H, text="h1")
    send(session, type="nod")
    await world.until(lambda: "nod" in made.log)
    assert made.log == ["g1", "nod"]
    made.gates["g1"].set()
    await world.until(lambda: "edit" in made.log)
    assert made.log == ["g1", "nod", "edit"]
    made.gates["edit"].set()
    await world.settle()
    assert made.log == ["g1", "nod", "edit", "h1"]


async def test_reading_pauses_at_64_unfinished() -> None:
    made, world, socket, session = await desk(limits_enabled=False)
    reading: list[bool] = []
    made.hold("x")
    for _ in range(64):
        reading.append(socket.reading)
        send(session, type="say", conversation_id=G, text="x")
    assert all(reading)
    reading.append(socket.reading)
    made.gates["x"].set()
    await world.settle()
    reading.append(socket.reading)
    assert reading[-2:] == [False, True]
    assert len(made.log) == 64


async def test_what_was_received_is_done_when_the_client_leaves() -> None:
    made, world, socket, session = await desk()
    made.hold("1")
    for text in "123":
        send(session, type="say", ref=text, conversation_id=G, text=text)
    await world.until(lambda: made.log == ["1"])
    socket.gone(1001)
    made.gates["1"].set()
    await world.settle()
    assert made.log == ["1", "2", "3"]
    send(session, type="say", conversation_id=G, text="4")
    await world.settle()
    assert made.log == ["1", "2", "3"]


async def test_what_has_not_begun_is_dropped_when_the_server_closes() -> None:
    made, world, _, session = await desk()
    made.hold("1")
    for text in "123":
        send(session, type="say", conversation_id=G, text=text)
    send(session, type="edit", message_id=uid(1))
    await world.until(lambda: made.log == ["1"])
    session.close(CloseCode.SESSION_REVOKED)
    made.gates["1"].set()
    await world.settle()
    assert made.log == ["1"]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a":' * 40 + b"1" + b"}" * 40])
async def test_ten_malformed_frames_within_a_minute_close(payload: bytes) -> None:
    _, world, socket, session = await desk()
    for _ in range(9):
        session.text(payload)
    world.pass_time(61)
    for _ in range(9):
        session.text(payload)
    assert socket.closing is None
    assert {frame["code"] for frame in socket.frames} == {"VALIDATION_ERROR"}
    assert socket.frames[0]["details"][0]["field"] == "body"
    session.text(payload)
    assert socket.closing == (CloseCode.POLICY, None)


async def test_command_rate() -> None:
    _, world, socket, session = await desk()
    world.clock.seconds += 60
    for number in range(60):
        send(session, type="ping", ref=str(number))
    assert {frame["type"] for frame in socket.frames} == {"pong"}
    send(session, type="ping", ref="over")
    assert socket.frames[-1]["code"] == "RATE_LIMIT_EXCEEDED"
    assert socket.frames[-1]["ref"] == "over"
    assert socket.frames[-1]["retry_after"] == 1
    world.clock.seconds += 0.5
    for _ in range(10):
        send(session, type="ping")
        assert socket.frames[-1]["type"] == "pong"
    send(session, type="ping")
    assert socket.frames[-1]["type"] == "error"


async def test_over_200_refused_commands_close() -> None:
    _, world, socket, session = await desk()
    for _ in range(300):
        send(session, type="ping", ref="p")
    await world.settle()
    errors = [frame for frame in socket.frames if frame["type"] == "error"]
    assert len(errors) == 201
    assert socket.closing is not None
    code, retry = socket.closing
    assert code is CloseCode.RATE_LIMITED
    assert retry is not None
    assert retry >= 10_000


async def test_limits_can_be_lifted() -> None:
    _, _, socket, session = await desk(limits_enabled=False)
    for _ in range(500):
        send(session, type="ping")
    assert {frame["type"] for frame in socket.frames} == {"pong"}


def test_names_are_unique_and_not_the_sockets_own() -> None:
    async def nothing(context: CommandContext, body: None) -> Ack:
        return None

    for names in (("a", "a"), ("hello",), ("ping",)):
        with pytest.raises(ValueError, match="two commands"):
            Commands([Command(name, None, nothing) for name in names])
    assert Commands([Command("a", None, nothing)]).names() == ("a",)


async def test_lone_surrogates_never_break_an_answer() -> None:
    _, world, socket, session = await desk()
    session.text(b'{"type":"ping","ref":"\\ud800","ts":"\\udfff"}')
    session.text(b'{"type":"\\ud800","ref":"1"}')
    await world.settle()
    assert socket.open
    assert len(socket.frames) == 2
