"""The cache between processes: shared while Redis is there, of each process while it is not."""

import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from secureconnect.infra.cache.redis import RedisCache
from secureconnect.kit.clock import SystemClock
from stack.valkey import Valkey

from .conftest import Url
from .manual_clock import ManualClock
from .redis_worlds import Figures, fresh_database, opened_link, until


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Valkey]:
    """A server that a test may end."""
    with Valkey(tmp_path / "valkey") as server:
        yield server


async def test_processes_share_windows_and_fields(redis_url: Url) -> None:
    clock = ManualClock()
    url = fresh_database(redis_url("valkey"))
    async with opened_link(url) as one, opened_link(url) as two:
        here, there = RedisCache(one, clock), RedisCache(two, clock)
        hits = [await (here, there)[number % 2].hit("login", "10.0.0.1", 5, 60) for number in range(6)]
        assert [hit.allowed for hit in hits] == [True] * 5 + [False]
        await here.put("pres:u", "phone", "online", 90)
        assert await there.fields("pres:u") == {"phone": "online"}
        assert await there.drop("pres:u", "phone")
        assert not await here.drop("pres:u", "phone")


async def test_a_clock_that_was_set_back_locks_nobody_out(redis_url: Url) -> None:
    clock = ManualClock()
    async with opened_link(fresh_database(redis_url("valkey"))) as link:
        cache = RedisCache(link, clock)
        clock.advance(3600)
        assert (await cache.hit("r", "back", 1, 60)).allowed
        clock.advance(-3600)
        assert (await cache.hit("r", "back", 1, 60)).allowed
        assert not (await cache.hit("r", "back", 1, 60)).allowed


async def test_every_key_has_our_prefix_and_expires(redis_url: Url, own: Valkey) -> None:
    async with opened_link(own.url) as link:
        cache = RedisCache(link, SystemClock())
        await cache.hit("login", "10.0.0.1", 5, 60)
        await cache.put("pres:u", "phone", "online", 90)
        await cache.put("pres:u", "desk", "away", 30)
        with own.client() as client:
            lives = {key.decode(): client.pttl(key) for key in client.keys("*")}
    assert lives.keys() == {"sc:rl:login:10.0.0.1", "sc:pres:u"}
    assert 0 < lives["sc:rl:login:10.0.0.1"] <= 60_000
    assert 60_000 < lives["sc:pres:u"] <= 90_000  # as long as the field that lives longest


async def test_expired_fields_of_a_hash_that_lives_on_are_removed(own: Valkey) -> None:
    clock = ManualClock()
    async with opened_link(own.url) as link:
        cache = RedisCache(link, clock)
        for number in range(300):
            await cache.put("pres_here", f"gone {number}", "", 10)
        clock.advance(10)
        for number in range(600):
            await cache.put("pres_here", f"here {number % 20}", "", 90)
        with own.client() as client:
            left = client.hlen("sc:pres_here")
        assert await cache.fields("pres_here") == {f"here {number}": "" for number in range(20)}
    assert left < 120


async def test_without_redis_each_process_goes_on_with_what_it_put(own: Valkey) -> None:
    figures = Figures()
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(opened_link(own.url, figures)) for _ in range(2)]
        here, there = (RedisCache(link, SystemClock()) for link in links)
        await here.put("pres:u", "phone", "online", 90)
        await there.put("pres:u", "desk", "away", 90)
        for _ in range(3):
            await here.hit("r", "k", 3, 60)
        own.kill()
        assert await here.fields("pres:u") == {"phone": "online"}
        assert await there.fields("pres:u") == {"desk": "away"}
        assert [(await here.hit("r", "k", 3, 60)).allowed for _ in range(4)] == [True] * 3 + [False]
        await there.put("pres:u", "tablet", "busy", 90)
        assert await there.drop("pres:u", "desk")
        await until(lambda: figures.state == 2)
        own.restart()  # with nothing in it
        await until(lambda: all(link.up for link in links))
        for restoring in (here._restoring, there._restoring):
            assert restoring is not None
            await restoring
        assert await here.fields("pres:u") == {"phone": "online", "tablet": "busy"}
        assert (await here.hit("r", "k", 3, 60)).allowed


async def test_what_others_put_meanwhile_is_not_undone(own: Valkey) -> None:
    async with opened_link(own.url) as one, opened_link(own.url) as two:
        here, there = RedisCache(one, SystemClock()), RedisCache(two, SystemClock())
        await here.put("pres:u", "phone", "online", 90)
        await there.put("pres:u", "phone", "busy", 90)
        await here._restore()
        assert await here.fields("pres:u") == {"phone": "busy"}


async def test_a_server_that_hangs_costs_one_timeout(own: Valkey) -> None:
    figures = Figures()
    async with opened_link(own.url, figures, timeout=0.5, health_interval=0.5) as link:
        cache = RedisCache(link, SystemClock())
        own.pause()
        try:
            window = await cache.hit("r", "k", 3, 60)
            assert (window.allowed, window.remaining) == (True, 2)
            await until(lambda: figures.state > 0)
            assert not link.up
        finally:
            own.resume()
        await until(lambda: link.up)
        assert (await cache.hit("r", "k", 3, 60)).remaining == 2


async def test_scripts_are_taught_to_a_server_that_forgot_them(own: Valkey) -> None:
    async with opened_link(own.url) as link:
        cache = RedisCache(link, SystemClock())
        await cache.hit("r", "k", 3, 60)
        with own.client() as client:
            client.script_flush()
        assert (await cache.hit("r", "k", 3, 60)).remaining == 1


async def test_the_link_tells_latency_and_policy(own: Valkey) -> None:
    async with opened_link(own.url) as link:
        assert 0 < await link.ping() < 2
        assert await link.policies() == ["noeviction"]


async def test_a_wrong_password_is_down_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Valkey(tmp_path / "locked", password="open sesame") as server:
        wrong = re.sub(r":[^:@]+@", ":guess@", server.url)
        async with opened_link(wrong, wait=False) as link:
            assert not link.up
        assert "WRONGPASS" in capsys.readouterr().out
        right = re.sub(r":[^:@]+@", ":open%20sesame@", server.url)
        async with opened_link(right) as link:
            assert link.up
