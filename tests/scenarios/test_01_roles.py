"""Start, stop and refusals of a process per role: scenarios P10, P11, H16 and D15."""

import asyncio
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.faults.cluster import Cluster, cluster
from tests.scenarios.files import file
from tests.scenarios.patience import eventually
from tests.scenarios.steps import register, request, stranger
from tests.scenarios.stores import migrate

pytestmark = pytest.mark.only_on("postgres", "cassandra", reason="there are no roles")


async def alive(place: Cluster, names: list[str]) -> bool:
    """Whether each of these processes answers."""
    for name in names:
        try:
            answer = await request(place.piece(name).url, "GET", "/livez")
        except httpx.TransportError:
            return False
        if answer.status != 200:
            return False
    return True


async def test_p10_in_whatever_order_things_start(tmp_path: Path) -> None:
    """First nginx and the gateway, then the roles, the stores last: nobody gives up, then all are ready."""
    place = await asyncio.to_thread(Cluster, tmp_path)
    try:
        await asyncio.to_thread(migrate, place.database)
        for store in (place.postgres, place.redis, place.seaweed):
            await asyncio.to_thread(store.stop)
        nginx = place.split.nginx
        assert nginx is not None
        await asyncio.to_thread(nginx.start)
        gateway, roles = place.pieces[-1], place.pieces[:-1]
        gateway.launch(place.environment, tmp_path)
        (await request(place.url, "GET", "/v1/users/me", token="x")).is_error(502, "BAD_GATEWAY")
        for piece in roles:
            piece.launch(place.environment, tmp_path)
        names = [piece.name for piece in place.pieces]
        await eventually(lambda: alive(place, names), 60)
        assert (await request(roles[0].url, "GET", "/readyz")).status == 503
        for store in (place.redis, place.seaweed, place.postgres):
            await asyncio.to_thread(store.start)
        await place.ready()
        assert place.alive, "none of them ended meanwhile"

        async def registered() -> bool:
            person = stranger(place.url, "late")
            body = {
                "email": person.email,
                "username": person.username,
                "password": person.password,
                "display_name": "Late",
            }
            return (await request(place.url, "POST", "/v1/auth/register", body)).status == 201

        await eventually(registered, 15)
    finally:
        await asyncio.to_thread(place.clean)


async def test_p11_pending_migrations_are_for_the_operator(tmp_path: Path) -> None:
    """A role on a database without our tables ends and names the command; after it, it starts."""
    place = await asyncio.to_thread(Cluster, tmp_path)
    try:
        role = place.piece("auth1")
        role.launch(place.environment, tmp_path)
        assert role.process is not None
        assert await asyncio.to_thread(role.process.wait, 60) == 1
        assert "secureconnect migrate up" in role.log.read_text()
        await asyncio.to_thread(migrate, place.database)
        role.log.unlink()
        await place.start()
    finally:
        await asyncio.to_thread(place.clean)


async def test_a_store_that_is_lost_in_the_middle_of_a_start(tmp_path: Path) -> None:
    """It is waited for as one that is late: nobody ends because of it."""
    place = await asyncio.to_thread(Cluster, tmp_path, database={"statement_timeout": 0.5})
    try:
        await asyncio.to_thread(migrate, place.database)
        role = place.piece("auth1")
        other = await asyncpg.connect(place.database)
        async with other.transaction():
            await other.execute("LOCK TABLE signing_keys")  # what a start reads when it has seen the schema
            role.launch(place.environment, tmp_path)

            async def waits() -> bool:
                said = role.log.read_text() if role.log.exists() else ""
                return not role.alive or "waiting for a store" in said

            await eventually(waits, 60)
            assert role.alive, role.log.read_text()
            assert (await request(role.url, "GET", "/livez")).status == 200
            assert (await request(role.url, "GET", "/readyz")).status == 503
        await other.close()

        async def ready() -> bool:
            return (await request(role.url, "GET", "/readyz")).status == 200

        await eventually(ready, 30)
    finally:
        await asyncio.to_thread(place.clean)


async def test_h16_a_role_without_processes(tmp_path: Path) -> None:
    """502, then refused at once with 503; other prefixes go on; it works again when the role is back."""
    async with cluster(tmp_path) as place:
        a = await register(stranger(place.url, "a"))
        (await a.get("/v1/storage/quota")).ok()
        back = await asyncio.to_thread(place.take, "storage1")
        answers = [await a.get("/v1/storage/quota") for _ in range(8)]
        for answer in answers[:5]:
            answer.is_error(502, "BAD_GATEWAY")
        for answer in answers[5:]:
            answer.is_error(503, "SERVICE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
        (await a.get("/v1/users/me")).ok()
        back()

        async def works() -> bool:
            return (await a.get("/v1/storage/quota")).status == 200

        await eventually(works)


async def test_d15_files_come_from_the_public_address(tmp_path: Path) -> None:
    """Clients get URLs of the address that they can reach, not of the one that the roles use."""
    async with cluster(tmp_path) as place:
        public = place.seaweed.endpoint.replace("127.0.0.1", "localhost")
        assert await place.stop() == 0
        place.environment["SECURECONNECT__OBJECT_STORE__PUBLIC_ENDPOINT"] = public
        await place.start()
        a = await register(stranger(place.url, "a"))
        file_id = await file(a, 1000)
        url = (await a.get(f"/v1/storage/download-url/{file_id}")).ok()["download_url"]
        assert url.startswith(f"{public}/")
