"""What is written down and counted of calls: each audit event and each metric, by name."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.push_service import Browser, PushService
from tests.scenarios.audit import audited
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.pushes import delivery
from tests.scenarios.server import Server
from tests.scenarios.signaling import call, initiate, join, leave, shown, signal, state
from tests.scenarios.steps import Person, direct, group
from tests.scenarios.test_17_audit_trail import documented


class Records:
    """Audit records of calls, and which events were seen."""

    def __init__(self, admin: Person) -> None:
        self.admin = admin
        self.seen: set[str] = set()

    async def of(self, event: str, target: str, actor: Person | None, **details: str) -> Any:
        """The record of `event` about the target, with these details among its own."""
        actor_id = actor.user_id if actor is not None else None
        kind = "system" if actor is None else "user"
        wanted = {"target_id": target, "actor_id": actor_id, "actor_type": kind}
        record = await audited(self.admin, event, **wanted)
        assert details.items() <= record["details"].items(), record
        self.seen.add(event)
        return record


async def _recover(a: Person, b: Person, call_id: str) -> None:
    """The socket of `b` is lost, and another one comes in its place."""
    async with signal(a, call_id) as mine:
        async with signal(b, call_id) as lost:
            lost.connection.transport.abort()
            await mine.frame(type="participant_reconnecting", user_id=b.user_id)
        async with signal(b, call_id, joins=False):
            await mine.frame(type="reconnected", user_id=b.user_id)
        (await leave(b, call_id)).ok()


@pytest.fixture
def push() -> Iterator[PushService]:
    made = PushService()
    yield made
    made.close()
    assert made.faults == []


async def test_every_event_of_a_call_is_audited(serve: Serve, reg: Register, push: PushService) -> None:
    """Initiated, joined, declined, recorded, lost and back, left, ended, missed, denied, not pushed."""
    async with serve(push={"allow_private_endpoints": True}) as server:
        records = Records(await make_admin(server))
        a, b, c, d = await reg("a", "b", "c", "d", url=server.url)
        device = {"token": f"{push.url}/s/1", "type": "webpush", "keys": Browser().keys}
        (await c.post("/v1/push/tokens", device)).ok()
        g = (await group(a, [b, c], settings={"recording_enabled": True}))["conversation_id"]
        await delivery(c, "conversation", "sent")
        push.answer(410)
        call_id = await call(a, g, [b, c])
        placed = await records.of(
            "call_initiated", call_id, a, conversation_id=g, call_type="audio", topology="mesh"
        )
        assert (placed["session_id"], placed["result"]) == (a.session_id, "success")
        assert placed["ip"] is not None
        (await join(b, call_id)).ok()
        await records.of("call_joined", call_id, b)
        (await c.post(f"/v1/calls/{call_id}/decline", {"reason": "busy"})).ok()
        await records.of("call_declined", call_id, c, reason="busy")
        for step in ("start", "stop"):
            (await b.post(f"/v1/calls/{call_id}/recording/{step}")).ok()
        await records.of("call_recording_started", call_id, b)
        await records.of("call_recording_stopped", call_id, b)
        await _recover(a, b, call_id)
        await records.of("call_recovered", call_id, b)
        await records.of("call_left", call_id, b, reason="left")
        (await join(d, call_id)).is_error(403, "FORBIDDEN")
        denied = await audited(records.admin, "permission_denied", actor_id=d.user_id)
        assert denied["details"]["action"] == "POST /v1/calls/{id}/join"
        assert await metric(server, "permission_denied_total", resource="call") == 1
        ended = (await a.post(f"/v1/calls/{call_id}/end")).ok()
        await records.of(
            "call_ended", call_id, a, status="ended", reason="hangup", duration=str(ended["duration"])
        )
        missed = await call(a, (await direct(a, b))["conversation_id"], [b])
        (await leave(a, missed)).ok()
        await records.of("call_missed", missed, a, status="missed", reason="cancelled", duration="0")
        failed = await records.of("call_push_failed", c.user_id, None, provider="webpush")
        assert failed["result"] == "failure"
    assert records.seen == {event for event in documented() if event.startswith("call_")}


async def _counted(server: Server, name: str, wanted: float, **labels: str) -> None:
    async def reached() -> bool:
        return await metric(server, name, **labels) == wanted

    await eventually(reached, 30)  # asking every process takes a while where all of them are at work


async def test_everything_about_calls_is_counted(serve: Serve, reg: Register) -> None:
    """Each metric of calls, by name, from what happens to its number; and gauges return to zero."""
    turn = {"urls": "turn:127.0.0.1:3478", "secret": "s" * 32}
    windows = {"reconnect_window": 6, "reaper_interval": 0.5}  # the caller, too, has to connect in time
    async with serve(turn=turn, calls=windows) as server:
        a, *others = await reg("a", "b", "c", "d", "e", url=server.url)
        b, c, d, e = others
        g = (await group(a, others))["conversation_id"]
        (await initiate(a, g, others)).is_error(400, "CALL_CAPACITY_REACHED")
        assert await metric(server, "call_capacity_rejected_total", at="initiate") == 1
        call_id = await call(a, g, [b, c, d])  # and credentials with it
        assert await metric(server, "calls_started_total", type="audio", topology="mesh") == 1
        await _counted(server, "calls_active", 1)
        async with signal(a, call_id) as mine, signal(b, call_id):
            assert await metric(server, "video_rooms_active") == 1
            assert (await mine.command("offer", sdp="v=0", target_id=b.user_id))["type"] == "ack"
            assert await metric(server, "signaling_messages_total", type="offer") == 1
            async with signal(c, call_id) as lost, signal(d, call_id):
                (await a.post(f"/v1/calls/{call_id}/invite", {"user_ids": [e.user_id]})).ok()
                (await join(e, call_id)).is_error(400, "CALL_CAPACITY_REACHED")
                assert await metric(server, "call_capacity_rejected_total", at="join") == 1
                lost.connection.transport.abort()
                await mine.frame(type="participant_reconnecting", user_id=c.user_id)
                async with signal(c, call_id, joins=False) as back:
                    await mine.frame(type="reconnected", user_id=c.user_id)
                    assert await metric(server, "call_recovery_success_total") == 1
                    back.connection.transport.abort()
                    await mine.frame(type="leave", sender_id=c.user_id, timeout=20)
                assert state(await shown(a, call_id), c)["state"] == "left"
                assert await metric(server, "call_recovery_failed_total") == 1
            ended = (await a.post(f"/v1/calls/{call_id}/end")).ok()
        assert await metric(server, "calls_total", type="audio", status="ended") == 1
        assert await metric(server, "calls_duration_seconds_count") == 1
        assert 0 <= await metric(server, "calls_duration_seconds_sum") <= ended["duration"] + 1
        issued = await metric(server, "turn_credentials_issued_total")
        (await a.get("/v1/calls/ice-servers")).ok()
        assert await metric(server, "turn_credentials_issued_total") == issued + 1
        for gauge in ("calls_active", "video_rooms_active"):
            await _counted(server, gauge, 0)
