"""The doctor's look at Redis, with a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from secureconnect.app.doctor.base import Finding, examine
from secureconnect.app.doctor.redis import redis_checks
from secureconnect.app.settings import Settings
from secureconnect.app.settings.platform import RedisSettings
from stack.valkey import Valkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey", password="Brown-Candle-19-x") as started:
        yield started


async def look(url: str) -> Finding:
    (check,) = redis_checks(Settings(redis=RedisSettings(url=url, timeout=1)))
    (found,) = await examine(check)
    return found


def test_nothing_is_said_without_redis() -> None:
    assert redis_checks(Settings()) == []


async def test_a_healthy_server(server: Valkey) -> None:
    found = await look(server.url)
    assert (found.status, found.message.partition(" ")[0]) == ("ok", "1"), found


async def test_what_is_wrong_is_named(server: Valkey) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    found = await look(server.url)
    assert (found.status, "allkeys-lru" in found.message, "noeviction" in found.fix) == ("fail", True, True)
    wrong = await look(server.url.replace("Brown", "Green"))
    assert (wrong.status, "WRONGPASS" in wrong.message) == ("fail", True)
    assert "Candle" not in wrong.message + wrong.fix
    server.kill()
    gone = await look(server.url)
    assert (gone.status, "redis.url" in gone.fix) == ("fail", True)
