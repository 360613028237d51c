"""Queued with their cause, handed over once, and what becomes of them."""

import asyncio
from pathlib import Path

import pytest

from secureconnect.features.push.api import Ring
from secureconnect.infra.push.base import PushDelayed, PushGone, PushRefused
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from tests.unit.push.world import device, until, world


async def test_a_push_for_each_device(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna, bert = w.person(), w.person()
        await w.devices.register(anna, device("one"))
        await w.devices.register(anna, device("two", "webpush"))
        await w.devices.register(bert, device("three"))
        assert await w.push(anna, preview="Anna: hello")
        await w.ends("sent", 2)
        ((target, push),) = w.fcm.sent
        ((browser, _),) = w.webpush.sent
        assert (target.token, browser.token, browser.p256dh, browser.auth) == (
            "one",
            "two",
            b"P" * 65,
            b"A" * 16,
        )
        assert (push.title, push.body, push.badge, push.repeat) == ("Secret club", "Anna: hello", 7, False)
        assert push.expires_at == push.written_at + 86_400_000
        found = await w.deliveries(anna)
        assert {one.delivery_id for one in found} >= {push.push_id}
        assert [(one.status, one.attempts, one.kind) for one in found] == [("sent", 1, "message")] * 2
        assert all(token.last_success_at == w.clock.now() for token in await w.tokens(anna))
        assert w.metrics.ends == {("fcm", "message", "sent"): 1, ("webpush", "message", "sent"): 1}


async def test_nobody_to_push_to(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        assert not await w.push(anna)
        await w.devices.register(anna, device())
        w.ended.add(anna.session_id)  # expired: nothing told us
        assert not await w.push(anna)
        with pytest.raises(ApiError) as caught:
            await w.queue.test(anna, "T", "B")
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert await w.deliveries(anna) == []


async def test_a_provider_that_is_away_is_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        w.fcm.trouble += [
            PushDelayed("FCM answered 503", unreachable=True),
            PushDelayed("FCM answered 429", 120),
            PushDelayed("FCM answered 429", 1),
        ]
        await w.push(anna)
        waits = []
        for attempt in (1, 2, 3):

            async def noted(attempt: int = attempt) -> bool:
                return (await w.deliveries(anna))[0].attempts == attempt

            await until(noted)
            assert w.deliverer.reachable is (attempt > 1), "asking us to wait is an answer"
            waits.append(await due_in(w.database, w.clock.now()))
            w.pass_time(200)
        assert waits == [1.0, 120.0, 4.0], "the back-off, or what the provider asks where that is more"
        await w.ends("sent")
        ((_, push),) = w.fcm.sent
        assert push.repeat
        (delivery,) = await w.deliveries(anna)
        assert (delivery.status, delivery.attempts, delivery.last_error) == ("sent", 4, None)
        assert (await w.tokens(anna))[0].active
        assert w.metrics.up


async def test_one_push_finds_out_when_its_provider_is_back(tmp_path: Path) -> None:
    """It is tried every two seconds, however often it failed; the others wait longer each time."""
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        w.fcm.trouble += [PushDelayed("no connection", unreachable=True)] * 6
        await w.push(anna)
        waits = []
        for attempt in range(1, 7):

            async def noted(attempt: int = attempt) -> bool:
                return (await w.deliveries(anna))[0].attempts == attempt

            await until(noted)
            waits.append(await due_in(w.database, w.clock.now()))
            w.pass_time(3)
        assert waits == [1.0, *[2.0] * 5]
        await w.ends("sent")


async def due_in(database: object, now: int) -> float:
    """Seconds until the one job that waits is due."""
    found: list[int] = []

    async def postponed() -> bool:
        rows = await database.read(  # type: ignore[attr-defined]
            lambda conn: conn.exec_driver_sql("SELECT next_at FROM outbox WHERE lease_until IS NULL").all()
        )
        found[:] = [row[0] for row in rows]
        return bool(rows)

    await until(postponed)
    return (found[0] - now) / 1000


async def test_a_device_that_is_gone_takes_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        w.fcm.trouble.append(PushGone("FCM answered 404 UNREGISTERED"))
        await w.push(anna)
        await w.ends("gone")
        (token,) = await w.tokens(anna)
        assert (token.active, token.last_error) == (False, "FCM answered 404 UNREGISTERED")
        assert (await w.deliveries(anna))[0].status == "failed"
        assert not await w.push(anna)
        assert [queue.pending for queue in await w.outbox.queues() if queue.kind == "push"] == [0]


async def test_gone_before_it_came_back_means_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        w.fcm.trouble.append(PushGone("APNs answered 410 Unregistered", w.clock.now() - 1))
        await w.push(anna)
        await w.ends("gone")
        assert (await w.tokens(anna))[0].active


async def test_what_is_refused_is_over(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        w.fcm.trouble.append(PushRefused("too large"))
        await w.push(anna)
        await w.ends("failed")
        (delivery,) = await w.deliveries(anna)
        assert (delivery.status, delivery.last_error) == ("failed", "too large")
        (token,) = await w.tokens(anna)
        assert (token.active, token.last_error) == (True, "too large")


async def test_given_up_after_its_time(tmp_path: Path) -> None:
    async with world(tmp_path, max_age=600) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        w.fcm.trouble.append(PushDelayed("FCM answered 503", 700))
        await w.push(anna)
        await w.ends("expired")
        (delivery,) = await w.deliveries(anna)
        assert (delivery.status, delivery.last_error) == ("expired", "FCM answered 503")


async def test_a_call_is_of_use_for_45_seconds(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        ring = Ring(user_id=anna.user_id, call_id=new_id(), text="Bert is calling", data={})
        w.fcm.trouble.append(PushDelayed("FCM answered 503", 46))
        assert await w.database.write(lambda tx: w.queue.ring_in(tx, ring))
        await w.ends("expired")
        (record,) = w.audited
        assert (record.event, record.target_id, record.reason) == (
            "call_push_failed",
            anna.user_id,
            "FCM answered 503",
        )
        assert await w.database.write(lambda tx: w.queue.ring_in(tx, ring))
        await w.ends("sent")
        ((_, push),) = w.fcm.sent
        assert (push.kind, push.urgent, push.quiet, push.expires_at - push.written_at) == (
            "call",
            True,
            True,
            45_000,
        )


async def test_what_waits_for_a_device_that_changed_hands_goes_nowhere(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna, bert = w.person(), w.person()
        for token in ("moved", "removed", "ended"):
            await w.devices.register(anna, device(token))
        w.fcm.trouble += [PushDelayed("FCM answered 503")] * 3
        await w.push(anna)

        async def tried() -> bool:
            return [one.attempts for one in await w.deliveries(anna)] == [1, 1, 1]

        await until(tried)
        await w.devices.register(bert, device("moved"))
        await w.devices.remove(anna, "removed")
        await w.database.write(lambda tx: w.devices.ended_in(tx, [anna.session_id]))
        w.pass_time(5)
        await w.ends("failed", 3)
        assert w.fcm.sent == []
        assert await w.deliveries(bert) == []


async def test_while_one_waits_a_later_one_takes_its_place(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna, entry = w.person(), new_id()
        await w.devices.register(anna, device())
        w.fcm.trouble.append(PushDelayed("FCM answered 503"))
        for number in range(3):
            await w.push(anna, preview=f"Anna: {number}", entry=entry)
            if number == 0:

                async def tried() -> bool:
                    return (await w.deliveries(anna))[0].attempts == 1

                await until(tried)
        w.pass_time(5)
        await w.ends("sent")
        assert [push.body for _, push in w.fcm.sent] == ["Anna: 2"]
        assert len(await w.deliveries(anna)) == 1
        await w.push(anna, preview="Anna: 3", entry=entry)
        await w.ends("sent", 2)
        assert len(await w.deliveries(anna)) == 2


async def test_devices_that_hang_leave_room_for_others(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna, bert = w.person(), w.person()
        w.webpush.open.clear()
        for number in range(20):
            await w.devices.register(anna, device(f"hangs {number}", "webpush"))
        await w.devices.register(bert, device("works"))
        for _ in range(5):
            await w.push(anna)
        await w.push(bert)
        async with asyncio.timeout(5):
            await w.ends("sent")
        assert [target.token for target, _ in w.fcm.sent] == ["works"]
        assert w.webpush.waiting <= 8
        w.webpush.open.set()


async def test_a_device_says_that_it_has_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna, bert = w.person(), w.person()
        await w.devices.register(anna, device())
        w.fcm.open.clear()
        await w.push(anna)
        (delivery,) = await w.deliveries(anna)
        with pytest.raises(ApiError) as caught:
            await w.receipts.acknowledge(bert, delivery.delivery_id)
        assert caught.value.code is ErrorCode.NOT_FOUND
        for _ in range(2):  # faster than the provider's answer
            await w.receipts.acknowledge(anna, delivery.delivery_id)
        w.fcm.open.set()
        await w.ends("sent")
        assert (await w.deliveries(anna))[0].status == "acked"


async def test_deliveries_are_read_page_by_page_and_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        for _ in range(5):
            assert await w.queue.test(anna, "T", "B") == 1
        await w.ends("sent", 5)
        found, before = [], None
        while True:
            page = await w.receipts.page(anna, before=before, limit=2)
            found += [one.delivery_id for one in page.items]
            if page.after is None:
                break
            before = page.after[0]
        assert len(found) == len(set(found)) == 5
        assert found == sorted(found, reverse=True)
        w.clock.move(seconds=7 * 86_400 + 1)
        assert await w.receipts.purge() == 5


async def test_a_provider_that_was_taken_away_fails_aloud(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await w.devices.register(anna, device())
        await w.database.write(lambda tx: tx.run("UPDATE push_tokens SET type = 'apns'"))
        await w.push(anna)
        await w.ends("failed")
        (delivery,) = await w.deliveries(anna)
        assert (delivery.status, delivery.last_error) == ("failed", "this server does not push by apns")
