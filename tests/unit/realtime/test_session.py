"""Welcome, hello, silence, token expiry, close (docs/reference/realtime.md §3, §9)."""

import msgspec

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.kit.hints import CONTROL, SessionEnded, UserFrame, user_channel
from tests.unit.realtime.fakes import FakeSocket, uid
from tests.unit.realtime.world import World, hello, send

G = uid(0xA)


async def test_welcome_says_who_and_where() -> None:
    world = World()
    socket, session = await world.connect(1)
    assert socket.frames == [
        {
            "type": "welcome",
            "connection_id": session.connection_id,
            "user_id": uid(1),
            "session_id": uid(101),
            "server_time": "2027-01-15T08:00:00.000Z",
            "token_expires_at": "2027-01-15T08:15:00.000Z",
            "ping_interval": 25,
            "idle_timeout": 60,
            "max_frame_bytes": 262144,
            "protocol": "secureconnect.v1",
        }
    ]


async def test_hello_is_acknowledged_and_events_held_until_then() -> None:
    world = World()
    world.found(G, 1, 2)
    socket, session = await world.connect(1)
    world.say(G, 2, times=3)
    assert socket.types() == ["welcome"]
    hello(session)
    assert socket.types() == ["welcome", "ack", "event", "event", "event"]
    assert socket.frames[1] == {"type": "ack", "ref": "h", "resume": {}}
    world.say(G, 2)
    assert socket.events(G) == [2, 3, 4, 5]
    assert session.direct
    assert session.backlog is None


async def test_silence_counts_as_hello_and_a_late_one_is_refused() -> None:
    world = World()
    world.found(G, 1)
    socket, session = await world.connect(1)
    world.say(G)
    world.pass_time(0.9)
    assert socket.types() == ["welcome"]
    world.pass_time(0.2)
    assert socket.types() == ["welcome", "event"]
    hello(session)
    assert socket.frames[-1]["code"] == "CONFLICT"
    assert socket.frames[-1]["ref"] == "h"
    world.say(G)
    assert socket.events(G) == [2, 3]


async def test_another_first_command_counts_as_hello() -> None:
    world = World()
    world.found(G, 1)
    socket, session = await world.connect(1)
    world.say(G)
    send(session, type="ping", ref="p", ts=5)
    assert socket.types() == ["welcome", "event", "pong"]
    assert socket.frames[-1] == {
        "type": "pong",
        "ref": "p",
        "ts": 5,
        "server_time": "2027-01-15T08:00:00.000Z",
    }
    hello(session)
    assert socket.frames[-1]["code"] == "CONFLICT"


async def test_bad_hello_changes_nothing() -> None:
    world = World()
    socket, session = await world.connect(1)
    send(session, type="hello", ref="h", resume={"nonsense": 1})
    send(session, type="hello", ref="h", resume={G: -1})
    send(session, type="hello", ref="h", resume={uid(n): 0 for n in range(1001)})
    send(session, type="hello", ref="h", resume={G: "1"}, device_id="x")
    assert [frame["code"] for frame in socket.frames[1:]] == ["VALIDATION_ERROR"] * 4
    assert {detail["field"] for detail in socket.frames[-1]["details"]} >= {"device_id"}
    hello(session)
    assert socket.frames[-1]["type"] == "ack"


async def test_hello_keeps_the_device() -> None:
    world = World()
    _, session = await world.connect(1)
    send(session, type="hello", device_id=uid(7).upper())
    assert session.device_id == uid(7)


async def test_token_expires() -> None:
    world = World()
    world.auth.lifetime_ms = 70_000
    socket, _ = await world.live(1)
    world.pass_time(9)
    assert "token_expiring" not in socket.types()
    world.pass_time(1.2)
    assert socket.last("token_expiring")["expires_at"] == "2027-01-15T08:01:10.000Z"
    world.pass_time(60)
    assert socket.closing == (CloseCode.TOKEN_EXPIRED, None)
    await world.until(lambda: not world.hub.online(uid(1)))
    assert len(world.places) == 0


async def test_a_token_with_less_than_a_minute_left_warns_after_hello_only() -> None:
    world = World()
    world.auth.lifetime_ms = 30_000
    socket, session = await world.connect(1)
    world.pass_time(0.5)
    assert socket.types() == ["welcome"]
    hello(session)
    assert socket.types() == ["welcome", "ack", "token_expiring"]


async def test_token_refresh_extends() -> None:
    world = World()
    world.auth.lifetime_ms = 70_000
    socket, session = await world.live(1)
    world.pass_time(20)
    assert socket.types().count("token_expiring") == 1
    world.auth.lifetime_ms = 900_000
    send(session, type="token_refresh", ref="r", access_token="1")
    await world.settle()
    assert socket.frames[-1] == {
        "type": "ack",
        "ref": "r",
        "token_expires_at": "2027-01-15T08:15:20.000Z",
    }
    world.pass_time(100)
    assert socket.open
    world.pass_time(750)
    assert socket.types().count("token_expiring") == 2


async def test_token_refresh_by_somebody_else_closes() -> None:
    world = World()
    for token in ("2", "forged", "other-session"):
        world.auth.principals["other-session"] = world.auth.principal(1, session=2)
        socket, session = await world.live(1)
        send(session, type="token_refresh", ref="r", access_token=token)
        await world.settle()
        assert socket.last("error")["code"] == "UNAUTHORIZED"
        assert socket.closing == (CloseCode.UNAUTHORIZED, None)


async def test_session_end_closes_its_sockets_only() -> None:
    world = World()
    await world.hub.open()
    world.auth.principals["second"] = world.auth.principal(1, session=2)
    mine, _ = await world.live(1)
    other, _ = await world.accept(world.request(authorization="Bearer second"))
    world.bus.publish(CONTROL, SessionEnded(uid(1), uid(101), CloseCode.SESSION_REVOKED))
    assert mine.closing == (CloseCode.SESSION_REVOKED, None)
    assert other.open


async def test_session_that_ended_during_its_admission_does_not_open() -> None:
    world = World()
    await world.hub.open()
    admission = await world.gate.admit(world.request(authorization="Bearer 1"))
    world.bus.publish(CONTROL, SessionEnded(uid(1), uid(101), CloseCode.BANNED))
    socket = FakeSocket()
    socket.receiver = admission.opened(socket)
    assert socket.closing == (CloseCode.BANNED, None)


async def test_open_and_close_listeners() -> None:
    world = World()
    told: list[str] = []
    world.hub.on_socket(lambda user_id, session: told.append(user_id))
    one, first = await world.live(1)
    two, _ = await world.live(1)
    closed: list[tuple[Session, int]] = []
    first.on_close(lambda session, code: closed.append((session, code)))

    def broken(session: Session, code: int) -> None:
        raise RuntimeError

    first.on_close(broken)
    assert world.hub.online(uid(1))
    assert len(world.hub.sessions_of(uid(1))) == 2
    one.gone(1006)
    assert closed == [(first, 1006)]
    two.gone(4008)
    assert told == [uid(1), uid(1)]
    assert not world.hub.online(uid(1))
    assert ("overflow",) in world.metrics.seen
    assert world.hub.sessions_of(uid(1)) == ()
    assert not world.hub.interest.users
    assert not world.hub.interest.lanes


async def test_frames_of_the_user_reach_all_sockets_but_one() -> None:
    world = World()
    one, first = await world.live(1)
    two, _ = await world.live(1)
    frame = json_frame({"type": "my_state", "conversation_id": G})
    world.bus.publish(user_channel(uid(1)), UserFrame(uid(1), frame, first.connection_id))
    assert "my_state" not in one.types()
    assert two.ephemeral == [{"type": "my_state", "conversation_id": G}]


async def test_user_frames_wait_for_hello_within_bounds() -> None:
    world = World(held_frames=3)
    socket, session = await world.connect(1)
    for number in range(5):
        session.push(json_frame({"type": "notification", "n": number}))
    assert socket.types() == ["welcome"]
    hello(session)
    assert [frame["n"] for frame in socket.frames[2:]] == [0, 1, 2]


async def test_filtered_socket_gets_only_its_conversation() -> None:
    world = World()
    other = uid(0xB)
    world.found(G, 1, 2)
    world.found(other, 1, 2)
    socket, session = await world.live(1, query=f"conversation_id={G}")
    world.say(G)
    world.say(other)
    for fields in (
        {"type": "my_state", "conversation_id": other},
        {"type": "my_state", "conversation_id": G},
        {"type": "notification"},
        {"type": "call_incoming"},
    ):
        world.bus.publish(user_channel(uid(1)), UserFrame(uid(1), json_frame(fields)))
    assert socket.types() == ["welcome", "ack", "event", "my_state", "call_incoming"]
    assert socket.events() == [2]
    hint = world.remove(G, 1)
    world.publish(hint)
    assert socket.types()[-2:] == ["event", "conversation_removed"]
    assert socket.closing == (CloseCode.REMOVED, None)
    assert session.filter == G


async def test_filtered_socket_removed_before_hello_closes_behind_its_last_event() -> None:
    world = World()
    world.found(G, 1, 2)
    socket, session = await world.connect(1, f"conversation_id={G}")
    world.publish(world.remove(G, 1))
    assert socket.types() == ["welcome"]
    hello(session)
    assert socket.types() == ["welcome", "ack", "event", "conversation_removed"]
    assert socket.closing == (CloseCode.REMOVED, None)


async def test_hello_wait_is_a_setting() -> None:
    world = World(settings=RealtimeSettings(hello_wait=3))
    world.found(G, 1)
    socket, _ = await world.connect(1)
    world.say(G)
    world.pass_time(2.8)
    assert socket.events() == []
    world.pass_time(0.3)
    assert socket.events() == [2]


async def test_settings_carry_the_documented_defaults() -> None:
    settings = msgspec.to_builtins(RealtimeSettings())
    assert settings["max_sockets"] == 10_000
    assert settings["max_sockets_per_user"] == 20
    assert settings["send_buffer_bytes"] == 4 * 1024 * 1024
