"""Signaling sockets: scenarios V9 to V11, V20, V22 and V3's other half; Z3 for this socket."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import file
from tests.scenarios.server import Server
from tests.scenarios.signaling import call, initiate, join, leave, shown, signal, state
from tests.scenarios.sockets import close_reason
from tests.scenarios.steps import NIL, Answer, Chat, Person, SocketGone, direct, events, group, ws
from tests.scenarios.test_20_abuse_frames import JSON, QUICK

_CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


async def error(socket: Chat, type_: str, **fields: Any) -> str:
    """The code of the refusal."""
    answered = await socket.command(type_, **fields)
    assert answered["type"] == "error", answered
    return str(answered["code"])


async def talk(a: Person, others: list[Person]) -> str:
    """A group call that everybody may join."""
    g = (await group(a, others))["conversation_id"]
    return await call(a, g, others)


async def test_v9_routing(reg: Register) -> None:
    """A target alone gets what is for it; everybody else what is for all; in the order of the sender."""
    a, b, c = await reg("a", "b", "c")
    call_id = await talk(a, [b, c])
    async with signal(a, call_id) as sa, signal(b, call_id) as sb, signal(c, call_id) as sc:
        assert (await sa.frame(type="join", sender_id=b.user_id))["participant"]["state"] == "joined"
        await sb.frame(type="join", sender_id=c.user_id)
        sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=\u00e9 \u0301\r\n"
        spoof = {"sender_id": c.user_id, "timestamp": "x", "call_id": NIL}
        assert (await sa.command("offer", target_id=b.user_id, sdp=sdp, **spoof))["type"] == "ack"
        offer = await sb.frame(type="offer")
        assert (offer["sdp"], offer["sender_id"], offer["call_id"]) == (sdp, a.user_id, call_id)
        assert offer["target_id"] == b.user_id
        assert offer["timestamp"].endswith("Z")
        assert "ref" not in offer
        await sb.command("answer", target_id=a.user_id, sdp="v=1")
        await sa.frame(type="answer", sender_id=b.user_id)
        for number in range(20):
            await sa.raw(
                json.dumps({"type": "ice_candidate", "candidate": {**_CANDIDATE, "sdpMLineIndex": number}})
            )
        await sa.command("encrypted", payload="opaque")
        for socket in (sb, sc):
            await socket.frame(type="encrypted", payload="opaque")
            lines = [f["candidate"]["sdpMLineIndex"] for f in socket.seen if f["type"] == "ice_candidate"]
            assert lines == list(range(20))
        assert not any(f["type"] in {"offer", "answer"} for f in sc.seen)
        assert not any(f["type"] in {"ice_candidate", "encrypted"} for f in sa.seen)


async def test_v10_what_is_refused(reg: Register) -> None:
    """Nothing before the join, nothing to who is not there, nothing malformed or too large."""
    a, b, c = await reg("a", "b", "c")
    call_id = await talk(a, [b, c])
    async with signal(a, call_id, joins=False) as socket:
        assert await error(socket, "offer", sdp="v=0") == "CONFLICT"
        assert await error(socket, "leave") == "CONFLICT"
        assert await error(socket, "hello") == "UNKNOWN_COMMAND"
        assert (await socket.command("ping"))["type"] == "pong"
        assert (await socket.command("join"))["type"] == "ack"
        assert await error(socket, "offer", sdp="v=0", target_id=b.user_id) == "NOT_FOUND"
        assert await error(socket, "offer", sdp="v=0", target_id=a.user_id) == "NOT_FOUND"
        assert await error(socket, "offer", sdp="v" * 60_001) == "VALIDATION_ERROR"
        assert await error(socket, "offer", sdp="") == "VALIDATION_ERROR"
        assert await error(socket, "ice_candidate", candidate="x") == "VALIDATION_ERROR"
        assert await error(socket, "mute_audio", muted="yes") == "VALIDATION_ERROR"
        await socket.raw(json.dumps({"type": "offer", "sdp": "v" * 70_000}))
        assert await socket.close_code() == 4009


async def test_v10_who_may_not_open_it(server: Server, reg: Register) -> None:
    """Strangers, unknown calls, calls that are over, tickets of other calls."""
    a, b, c, d = await reg("a", "b", "c", "d")
    call_id = await talk(a, [b, c])

    async def refused(person: Person, query: str) -> Answer:
        url = server.url.replace("http", "ws", 1) + f"/v1/ws/signaling{query}"
        headers = {"authorization": f"Bearer {person.access}"} if "ticket" not in query else {}
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with websockets.connect(url, additional_headers=headers, compression=None):
                pass
        response = caught.value.response
        return Answer(response.status_code, dict(response.headers.raw_items()), bytes(response.body or b""))  # type: ignore[arg-type]

    assert (await refused(d, f"?call_id={call_id}")).body["error"]["code"] == "FORBIDDEN"
    assert (await refused(a, f"?call_id={NIL}")).body["error"]["code"] == "NOT_FOUND"
    assert (await refused(a, "")).body["error"]["code"] == "VALIDATION_ERROR"
    assert (await refused(a, "?call_id=x")).body["error"]["code"] == "VALIDATION_ERROR"
    (await d.post("/v1/ws/tickets", {"purpose": "signaling", "call_id": call_id})).is_error(403, "FORBIDDEN")
    (await a.post("/v1/ws/tickets", {"purpose": "signaling"})).is_error(400, "VALIDATION_ERROR")
    ticket = (await a.post("/v1/ws/tickets", {"purpose": "signaling", "call_id": call_id})).ok(201)["ticket"]
    assert (await refused(a, f"?call_id={NIL}&ticket={ticket}")).status == 401
    ticket = (await a.post("/v1/ws/tickets", {"purpose": "signaling", "call_id": call_id})).ok(201)["ticket"]
    url = server.url.replace("http", "ws", 1) + f"/v1/ws/signaling?call_id={call_id}&ticket={ticket}"
    async with websockets.connect(url, compression=None) as connection:
        assert json.loads(await connection.recv())["type"] == "welcome"
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    assert (await refused(b, f"?call_id={call_id}")).body["error"]["code"] == "CALL_ENDED"


async def test_v11_what_participants_show(reg: Register) -> None:
    """Relayed to the others, and part of the call."""
    a, b = await reg("a", "b")
    call_id = await talk(a, [b])
    async with signal(a, call_id) as sa, signal(b, call_id) as sb:
        await sa.frame(type="join")
        for type_, fields in (
            ("mute_audio", {"muted": True}),
            ("mute_video", {"muted": True}),
            ("screen_share_started", {"stream_id": "s1"}),
            ("hand_raised", {"raised": True}),
        ):
            assert (await sb.command(type_, **fields))["type"] == "ack"
            told = await sa.frame(type=type_)
            assert fields.items() <= told.items()
            assert told["sender_id"] == b.user_id
        found = state(await shown(a, call_id), b)
        assert all(found[name] for name in ("audio_muted", "video_muted", "screen_sharing", "hand_raised"))
        await sb.command("screen_share_stopped")
        await sb.command("mute_audio", muted=False)
        await sa.frame(type="screen_share_stopped")
        found = state(await shown(a, call_id), b)
        assert (found["screen_sharing"], found["audio_muted"]) == (False, False)
        assert not any(frame["type"] == "mute_audio" for frame in sb.seen)
        assert (await sb.command("leave"))["type"] == "ack"
        assert await sb.close_code() == 1000
        assert (await sa.frame(type="leave", sender_id=b.user_id))["reason"] == "left"


async def test_v20_back_in_time_or_not(serve: Serve, reg: Register) -> None:
    """A lost socket comes back without a join; one that does not has left."""
    settings = {"reconnect_window": 3, "reaper_interval": 0.5}
    async with serve(calls=settings) as server:
        a, b, c = await reg("a", "b", "c", url=server.url)
        call_id = await talk(a, [b, c])
        async with signal(a, call_id) as sa, signal(c, call_id):
            async with signal(b, call_id) as sb:
                await sb.command("mute_video", muted=True)
            lost = await sa.frame(type="participant_reconnecting")
            assert lost["user_id"] == b.user_id
            assert state(await shown(a, call_id), b)["state"] == "reconnecting"
            async with signal(b, call_id, joins=False) as sb:
                assert sb.seen[0]["reconnected"] is True
                back = await sb.frame(type="reconnected")
                (me,) = (each for each in back["participants"] if each["user_id"] == b.user_id)
                assert (me["state"], me["video_muted"]) == ("joined", True)
                await sa.frame(type="reconnected", user_id=b.user_id)
                assert (await sb.command("offer", sdp="v=0", target_id=a.user_id))["type"] == "ack"
            gone = await sa.frame(type="leave", sender_id=b.user_id, timeout=12)
            assert gone["reason"] == "connection_lost"
        found = await shown(a, call_id)
        assert state(found, b)["state"] == "left"


async def test_v20_another_socket_of_the_session(reg: Register) -> None:
    """The second one replaces the first and goes on with it."""
    a, b = await reg("a", "b")
    call_id = await talk(a, [b])
    async with signal(a, call_id) as sa, signal(b, call_id) as first:
        await sa.frame(type="join")
        async with signal(b, call_id, joins=False) as second:
            assert second.seen[0]["reconnected"] is True
            assert await first.close_code() == 4010
            assert close_reason(first.connection.close_reason)["code"] == "replaced"
            await sa.command("offer", sdp="v=0", target_id=b.user_id)
            await second.frame(type="offer")
            assert not any(frame["type"] == "participant_reconnecting" for frame in sa.seen)


async def test_v20_the_end_reaches_every_socket(reg: Register) -> None:
    """`call_ended`, then 4006."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    call_id = await call(a, d, [b])
    async with signal(a, call_id) as sa, signal(b, call_id) as sb:
        (await leave(b, call_id)).ok()
        for socket in (sa, sb):
            over = await socket.frame(type="call_ended")
            assert (over["status"], over["end_reason"]) == ("ended", "hangup")
            assert await socket.close_code() == 4006


async def test_a_session_that_ends_closes_its_signaling(reg: Register) -> None:
    """Logging out: 4003."""
    a, b = await reg("a", "b")
    call_id = await talk(a, [b])
    async with signal(b, call_id) as sb:
        (await b.post("/v1/auth/logout", {})).ok()
        assert await sb.close_code() == 4003


async def test_v22_recordings(reg: Register) -> None:
    """Off by default; start and stop are told to all; the file is a message that members read."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    call_id = await call(a, g, [b])
    (await join(b, call_id)).ok()
    (await a.post(f"/v1/calls/{call_id}/recording/start")).is_error(403, "FORBIDDEN")
    (await a.put(f"/v1/conversations/{g}/settings", {"recording_enabled": True})).ok()
    (await c.post(f"/v1/calls/{call_id}/recording/start")).is_error(403, "FORBIDDEN")
    async with signal(a, call_id), signal(b, call_id) as sb, ws(c) as member:
        for _ in range(2):
            assert (await a.post(f"/v1/calls/{call_id}/recording/start")).ok() == {"recording": True}
        await member.frame(type="event", kind="call_recording_started")
        await sb.frame(type="call_updated")
        assert (await shown(b, call_id))["recording"] is True
        assert (await sb.command("recording_started"))["type"] == "ack"
        assert (await sb.command("recording_stopped"))["type"] == "ack"
        assert (await a.post(f"/v1/calls/{call_id}/recording/stop")).ok() == {"recording": False}
        stopped = await member.frame(type="event", kind="call_recording_stopped")
        assert stopped["data"]["call_id"] == call_id
    file_id = await file(a, b"opus", "audio/webm")
    kept = (await a.post(f"/v1/calls/{call_id}/recordings", {"file_id": file_id})).ok(201)
    again = (await a.post(f"/v1/calls/{call_id}/recordings", {"file_id": file_id})).ok(201)
    assert again == kept
    (listed,) = (await c.get(f"/v1/calls/{call_id}/recordings")).ok()["recordings"]
    assert (listed["recording_id"], listed["file"]["file_id"]) == (kept["recording_id"], file_id)
    (message,) = (e["data"]["message"] for e in await events(c, g) if e["kind"] == "message_created")
    assert message["message_type"] == "file"
    assert message["attachments"][0]["file_id"] == file_id
    (await b.post(f"/v1/calls/{call_id}/recordings", {"file_id": file_id})).is_error(404, "NOT_FOUND")


async def test_encrypted_conversations_signal_ciphertext(reg: Register) -> None:
    """Clear descriptions are refused, opaque ones pass, and the mode counts at once."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    call_id = await call(a, g, [b])
    async with signal(a, call_id) as sa, signal(b, call_id) as sb:
        await sa.frame(type="join")
        assert (await sa.command("offer", sdp="v=0"))["type"] == "ack"
        (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": True})).ok()
        assert await error(sa, "offer", sdp="v=0") == "E2EE_REQUIRED"
        assert await error(sa, "answer", sdp="v=0") == "E2EE_REQUIRED"
        assert await error(sa, "ice_candidate", candidate=_CANDIDATE) == "E2EE_REQUIRED"
        assert (await sa.command("encrypted", payload="\u0000\u00e9"))["type"] == "ack"
        assert (await sb.frame(type="encrypted"))["payload"] == "\u0000\u00e9"
        assert (await sa.command("mute_audio", muted=True))["type"] == "ack"


async def test_relays_have_a_pace_of_their_own(serve: Serve, reg: Register) -> None:
    """200 at once pass; of those that come faster some do not, and are told when to come again. Not so many
    of them that the socket would be closed, which forgets what has not begun."""
    async with serve(rate_limits={"enabled": True}) as server:
        a, b = await reg("a", "b", url=server.url)
        call_id = await talk(a, [b])
        async with signal(a, call_id) as sa, signal(b, call_id) as sb:
            await sa.frame(type="join")
            refused: list[Any] = []
            while not refused:
                for _ in range(100):
                    await sa.raw(json.dumps({"type": "ice_candidate", "candidate": _CANDIDATE}))
                assert (await sa.command("ping"))["type"] == "pong"  # all of them were read
                refused = [frame for frame in sa.seen if frame["type"] == "error"]
            assert {frame["code"] for frame in refused} == {"RATE_LIMIT_EXCEEDED"}
            assert all(frame["retry_after"] >= 1 for frame in refused)
            position = 0
            for _ in range(200):
                arrived = await sb.frame(type="ice_candidate", after=position)
                position = next(n for n, frame in enumerate(sb.seen) if frame is arrived) + 1


# Without `leave`, which ends a call of two for whatever comes after it.
_COMMANDS = (
    "join",
    "offer",
    "answer",
    "ice_candidate",
    "encrypted",
    "mute_audio",
    "screen_share_started",
    "hand_raised",
    "recording_started",
    "token_refresh",
    "ping",
    "hello",
)
_FIELDS = ("target_id", "sdp", "candidate", "payload", "muted", "raised", "stream_id", "takeover", "ref")
_CLOSES = {1000, 1005, 1006, 4001, 4006, 4007, 4009, 4010, 4529}


async def test_z3_frames(reg: Register) -> None:
    """Random frames, fields and order: every reply is documented, and only documented closes happen."""
    a, b = await reg("a", "b")
    call_id = await talk(a, [b])
    known: dict[str, Any] = {
        "target_id": b.user_id,
        "sdp": "v=0",
        "candidate": _CANDIDATE,
        "payload": "p",
        "muted": True,
        "raised": False,
    }
    right = st.sets(st.sampled_from(sorted(known)), max_size=6).map(
        lambda n: {name: known[name] for name in n}
    )
    wrong: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
        st.sampled_from(_FIELDS), JSON, max_size=3
    ) | st.just({})
    command = st.builds(lambda t, r, w: {**r, **w, "type": t}, st.sampled_from(_COMMANDS), right, wrong)

    async def say(sent: list[Any]) -> None:
        async with signal(a, call_id, takeover=True) as socket:
            with contextlib.suppress(websockets.ConnectionClosed):
                for number, frame in enumerate(sent):
                    said = json.dumps({"ref": f"f{number}", **frame}) if isinstance(frame, dict) else frame
                    await socket.raw(said)
            # Answered, or closed: whatever was sent has had its effect before somebody takes over.
            with contextlib.suppress(websockets.ConnectionClosed, SocketGone):
                await socket.command("ping")
            await socket.connection.close()
            assert socket.connection.close_code in _CLOSES

    @QUICK
    @given(sent=st.lists(command | st.text(max_size=20), max_size=10))
    def one(sent: list[Any]) -> None:
        asyncio.run(say(sent))

    async with signal(b, call_id) as theirs:
        await asyncio.to_thread(one)
        assert (await theirs.command("ping"))["type"] == "pong"
    d = (await direct(a, b))["conversation_id"]
    (await initiate(a, d, [b])).ok(201)
