"""What stores do to us, and what people see of it."""

import asyncio
import contextlib
from typing import Any

from tests.processes.surroundings import POOL, Surroundings
from tests.processes.world import World, unavailable, works
from tests.scenarios.files import begin, complete, download, file, put, readable
from tests.scenarios.patience import eventually
from tests.scenarios.steps import request, send
from tests.scenarios.stores import cassandra

__all__ = [
    "cassandra_goes_on",
    "cassandra_hangs",
    "database_dies",
    "database_goes_on",
    "database_hangs",
    "database_returns",
    "objects_die",
    "objects_go_on",
    "objects_hang",
    "objects_return",
    "pool_is_free",
    "pool_is_used",
    "pool_recovered",
    "redis_dies",
    "redis_is_away",
    "redis_is_back",
    "redis_returns",
    "refuses_what_can_wait",
    "with_database",
    "with_objects",
    "without_cassandra",
    "without_connections",
    "without_database",
    "without_objects",
    "without_redis",
]


async def database_dies(world: World) -> None:
    await asyncio.to_thread(world.around.postgres.kill)


async def database_returns(world: World) -> None:
    await asyncio.to_thread(world.around.postgres.start)


async def database_hangs(world: World) -> None:
    world.around.postgres.pause()


async def database_goes_on(world: World) -> None:
    world.around.postgres.resume()


async def without_database(world: World) -> None:
    async def given_up() -> bool:
        return all(await world.each("circuit_breaker_state", dependency="database", wanted=2))

    await eventually(given_up)
    ann, one = world.ann, world.pair.one.url
    for path in ("/health", "/livez", "/.well-known/jwks.json", "/openapi.json"):
        assert (await request(one, "GET", path)).status == 200, path
    login = {"email": ann.email, "password": ann.password}
    for answer in (
        await ann.get("/v1/users/me"),
        await send(ann, world.chat, "refused"),
        await request(one, "POST", "/v1/auth/login", login),
        await ann.get(f"/v1/conversations/{world.chat}/events?after_seq=0"),
    ):
        unavailable(answer, "DATABASE_UNAVAILABLE")
    await eventually(lambda: world.ready(503, "unavailable", "database"))
    # The socket stays, and says the same.
    refused = await world.there.command(
        "message_send", conversation_id=world.chat, content="no", client_message_id="n"
    )
    assert refused["code"] == "DATABASE_UNAVAILABLE", refused
    assert (await world.there.command("ping"))["type"] == "pong"


async def with_database(world: World) -> None:
    await eventually(lambda: works(world.ann.get("/v1/users/me")))
    await world.talk("after")


async def pool_is_used(world: World) -> None:
    """A foreign session holds a table, and so does everybody who waits for it."""
    around = world.around
    name = world.pair.stores.database.rpartition("/")[2]
    lock = "BEGIN; LOCK TABLE friendships; SELECT pg_sleep(60)"
    world.notes["lock"] = asyncio.create_task(asyncio.to_thread(_quietly, around, lock, name))

    async def locked() -> bool:
        held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = "
        return await asyncio.to_thread(around.postgres.execute, f"{held}'friendships'::regclass", name) == "1"

    await eventually(locked)
    # As many as may: the guard keeps the last connections for what cannot wait.
    waiting: list[asyncio.Task[Any]] = []
    world.notes["waiting"] = waiting

    async def used() -> bool:
        held = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'friendships'::regclass"
        if int(await asyncio.to_thread(around.postgres.execute, held, name)) >= int(POOL * 0.8):
            return True
        waiting.append(asyncio.create_task(world.ann.get("/v1/users/me/friends")))
        return False

    await eventually(used)


def _quietly(around: Surroundings, statement: str, name: str) -> None:
    with contextlib.suppress(RuntimeError):  # it is ended
        around.postgres.execute(statement, name)


async def pool_is_free(world: World) -> None:
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE '%LOCK TABLE friendships%' AND pid <> pg_backend_pid()"
    )
    await asyncio.to_thread(world.around.postgres.execute, end)
    await world.notes["lock"]
    await asyncio.gather(*world.notes["waiting"])


async def refuses_what_can_wait(world: World) -> bool:
    answer = await world.ann.get("/v1/users/search?q=ben")
    if answer.status == 200:
        return False
    answer.is_error(503, "DB_POOL_EXHAUSTED")
    assert answer.headers["retry-after"] == "1"
    return await world.sum("db_pool_shed_total") > 0


async def without_connections(world: World) -> None:
    await world.talk("sends go on")
    (await world.ann.post(f"/v1/conversations/{world.chat}/read", {"seq": 2})).ok()
    again = await world.ann.login()
    (await again.post("/v1/auth/logout", {})).ok()
    assert await world.ready(200, "ready")


async def pool_recovered(world: World) -> bool:
    return (await world.ann.get("/v1/users/search?q=ben")).status == 200


async def objects_die(world: World) -> None:
    world.notes["waiting"] = await begin(world.ann, 5)
    await asyncio.to_thread(world.around.seaweed.kill)


async def objects_return(world: World) -> None:
    await asyncio.to_thread(world.around.seaweed.start)


async def objects_hang(world: World) -> None:
    world.notes["waiting"] = await begin(world.ann, 5)
    world.around.seaweed.pause()


async def objects_go_on(world: World) -> None:
    world.around.seaweed.resume()


async def without_objects(world: World) -> None:
    upload = {"file_name": "a", "file_size": 5, "content_type": "text/plain"}
    for answer in (
        await world.ann.post("/v1/storage/upload-url", upload),
        await complete(world.ann, world.notes["waiting"]["file_id"]),
        await download(world.ann, world.file_id),
    ):
        unavailable(answer, "STORAGE_UNAVAILABLE")
        assert answer.headers["retry-after"] == "5"
    await world.talk("messages go on")
    (await send(world.ann, world.chat, "with a file", attachments=[world.file_id])).ok(201)
    await eventually(lambda: world.ready(200, "degraded", "object_store"))
    assert await world.sum("object_store_requests_total", status="error") > 0
    assert await world.sum("circuit_breaker_state", dependency="object_store") > 0


async def with_objects(world: World) -> None:
    upload = world.notes["waiting"]
    await eventually(lambda: works(download(world.ann, world.file_id)))
    url = (await download(world.ann, world.file_id)).ok()["download_url"]
    await eventually(lambda: readable(url, b"kept"))

    async def takes() -> bool:  # what starts answers 500 for a moment
        return (await put(upload["upload_url"], b"12345", upload["headers"])).status == 200

    await eventually(takes)
    (await complete(world.ann, upload["file_id"])).ok()


async def redis_dies(world: World) -> None:
    await asyncio.to_thread(world.around.redis.kill)


async def redis_returns(world: World) -> None:
    await asyncio.to_thread(world.around.redis.start)


async def redis_is_away(world: World) -> bool:
    return all(await world.each("redis_degraded_mode", wanted=1))


async def redis_is_back(world: World) -> bool:
    return all(await world.each("redis_degraded_mode", wanted=0))


async def without_redis(world: World) -> None:
    await world.talk("told by catching up")
    (await world.ann.post("/v1/ws/tickets")).ok(201)
    await file(world.ann, b"1234")
    assert await world.ready(200, "degraded", "redis")


async def cassandra_hangs(_: World) -> None:
    cassandra().pause()


async def cassandra_goes_on(_: World) -> None:
    cassandra().resume()


async def without_cassandra(world: World) -> None:
    async def refused() -> bool:
        answer = await send(world.ann, world.chat, "refused")
        answer.is_error(503, "TIMELINE_UNAVAILABLE")
        return bool(answer.headers["retry-after"] == "2")

    await eventually(refused)
    again = await world.ann.login()
    (await again.post("/v1/auth/logout", {})).ok()
    (await world.ann.get("/v1/users/me/friends")).ok()
    await file(world.ann, b"1234")
    assert await world.ready(200, "degraded", "timeline")
