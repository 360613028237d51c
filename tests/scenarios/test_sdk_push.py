"""Pushes by the SDK against a real server."""

import base64
import secrets

import pytest

from secureconnect.client import Conflict, InvalidRequest, NotFound, walk
from tests.push_service import Browser
from tests.scenarios.patience import eventually
from tests.scenarios.sdk import person
from tests.scenarios.server import Server
from tests.scenarios.steps import ISSUED


async def test_every_call_of_pushes(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        assert len(base64.urlsafe_b64decode(await ann.push.webpush_key() + "=")) == 65
        with pytest.raises(NotFound):
            await ann.push.test("T", "B")
        token = secrets.token_hex(24)
        ISSUED.add(token)
        token_id = await ann.push.register("fcm", token, device_id="d1", platform="android")
        assert await ann.push.register("fcm", token) == token_id
        keys = Browser().keys
        browser = await ann.push.register_browser("https://93.184.216.34/1", **keys)
        with pytest.raises(InvalidRequest):
            await ann.push.register_browser("https://10.0.0.1/1", **keys)
        shown = {one.token_id: one for one in await ann.push.tokens()}
        assert (shown[browser].type, shown[browser].platform) == ("webpush", "web")
        assert token not in repr(shown)
        await ann.push.remove("https://93.184.216.34/1")
        assert await ann.push.count() == 1
        with pytest.raises(NotFound):
            await bob.push.remove(token)

        assert await ann.push.test("T", "B") == 1

        async def sent() -> bool:
            return (await ann.push.deliveries()).items[0].status == "sent"

        await eventually(sent, 10)
        (done,) = (await ann.push.deliveries()).items
        assert (done.token_id, done.kind, done.attempts) == (token_id, "test", 1)
        async with ann.chat() as chat, bob.chat() as other:
            await chat.acknowledge_push(done.delivery_id)
            with pytest.raises(NotFound):
                await other.acknowledge_push(done.delivery_id)
        assert [each.status async for each in walk(ann.push.deliveries, limit=1)] == ["acked"]

        for _ in range(19):
            await ann.push.register("apns", secrets.token_hex(32))
        with pytest.raises(Conflict):
            await ann.push.register("apns", secrets.token_hex(32))
        assert await ann.push.remove_all() == 20
        assert await ann.push.tokens() == []
