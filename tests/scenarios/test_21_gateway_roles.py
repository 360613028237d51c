"""Roles that are away, not ready or silent: whom the gateway asks, and what it says meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.scenarios.patience import eventually
from tests.scenarios.upstreams import ME, Asked, Fake, errors, gateway, refused, reply


def answers(client: httpx.AsyncClient, path: str, status: int) -> Callable[[], Awaitable[bool]]:
    """Whether a GET is answered so."""

    async def asked() -> bool:
        return (await client.get(path)).status_code == status

    return asked


async def test_a_read_is_tried_once_more_elsewhere_and_a_write_is_not(tmp_path: Path) -> None:
    bad, good = Fake(), Fake()

    async def die(asked: Asked) -> None:
        asked.writer.transport.abort()

    bad.behaviour = die
    async with gateway(tmp_path, bad, good) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        assert {(await client.get(ME)).status_code for _ in range(4)} == {200}
        assert bad.asked
        # The circuit of the bad one opens after five failures; until then writes that reach it fail, once.
        codes = [(await client.post("/v1/messages", json={})).status_code for _ in range(12)]
        assert set(codes) == {200, 502}
        writes = [asked for asked in bad.asked + good.asked if asked.line.startswith("POST")]
        assert len(writes) == 12


async def test_h16_a_role_that_is_away(tmp_path: Path) -> None:
    """502 while it is tried, 503 once it is left alone, and back within 5 s."""
    role = Fake()
    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        await role.stop()
        codes = [(await client.get("/v1/storage/quota")).status_code for _ in range(8)]
        assert codes == [502] * 5 + [503] * 3
        refused(await client.get("/v1/storage/quota"), 503, "SERVICE_UNAVAILABLE")
        refused(await client.get(ME), 502, "BAD_GATEWAY")  # another role, another circuit
        await eventually(answers(client, "/readyz", 503))

        async def shown(value: float) -> bool:
            return f'service_ready{{service="api-gateway"}} {value}' in (await client.get("/metrics")).text

        await eventually(lambda: shown(0.0))
        assert await errors(client, "storage", "open") == 4
        await role.start()
        await eventually(answers(client, "/v1/storage/quota", 200))
        assert (await client.get("/readyz")).json()["dependencies"]["storage"]["status"] == "up"
        await eventually(lambda: shown(1.0))


async def test_a_role_that_is_left_alone_is_not_called_ready(tmp_path: Path) -> None:
    """As long as requests for it are refused, whatever it says of itself, `/readyz` says so too."""

    async def hang_up(asked: Asked) -> None:
        asked.writer.transport.abort()

    role = Fake()
    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        role.behaviour = hang_up
        codes = [(await client.get("/v1/storage/quota")).status_code for _ in range(6)]
        assert codes == [502] * 5 + [503]
        told = (await client.get("/readyz")).json()
        assert (told["status"], told["dependencies"]["storage"]["status"]) == ("degraded", "down")
        assert told["dependencies"]["auth"]["status"] == "up"
        role.behaviour = role.fine

        async def ready() -> bool:
            return bool((await client.get("/readyz")).json()["status"] == "ready")

        await eventually(ready)
        assert (await client.get("/v1/storage/quota")).status_code == 200


async def test_who_is_not_ready_is_avoided(tmp_path: Path) -> None:
    ill, well = Fake(), Fake()
    async with gateway(tmp_path, ill, well) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        ill.ready = reply("503 Service Unavailable")

        async def noticed() -> bool:
            return "instance is not ready" in piece.log.read_text()

        await eventually(noticed)
        asked = len(ill.asked)
        await asyncio.gather(*(client.get(ME) for _ in range(20)))
        assert len(ill.asked) == asked
        assert (await client.get("/readyz")).json()["status"] == "ready"
        await well.stop()
        await eventually(answers(client, ME, 200))
        assert len(ill.asked) > asked  # it is all that is left


async def test_a_silent_role_is_waited_for_so_long(tmp_path: Path) -> None:
    role = Fake()

    async def silent(asked: Asked) -> None:
        await asked.reader.read(-1)

    role.behaviour = silent
    async with (
        gateway(tmp_path, role, gateway={"response_timeout": 0.5}) as piece,
        httpx.AsyncClient(base_url=piece.url) as client,
    ):
        refused(await client.get(ME), 504, "REQUEST_TIMEOUT")
        assert await errors(client, "auth", "timeout") == 1
