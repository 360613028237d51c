"""Devices: whose they are, how many, for how long; and that nothing of them can be read in the store."""

from pathlib import Path

import pytest

from secureconnect.infra.push.base import TargetFault
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal
from tests.unit.push.world import World, device, world


async def refused(of: object, code: ErrorCode) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await of  # type: ignore[misc]
    assert caught.value.code is code
    return caught.value


async def end(w: World, person: Principal) -> None:
    """The session in which they are is revoked."""
    await w.database.write(lambda tx: w.devices.ended_in(tx, [person.session_id]))


async def test_registering_again_keeps_the_token(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        first = await w.devices.register(anna, device(device_id="phone", platform="android"))
        (before,) = await w.tokens(anna)
        w.clock.move(seconds=10)
        again = w.person(anna.user_id)
        assert await w.devices.register(again, device()) == first
        (after,) = await w.tokens(anna)
        assert (after.session_id, after.device_id, after.platform) == (again.session_id, None, None)
        assert (after.created_at, after.updated_at) == (before.created_at, before.updated_at + 10_000)
        assert w.vault.target(after).token == device().token


async def test_a_token_moves_to_whoever_registers_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna, bert = w.person(), w.person()
        first = await w.devices.register(anna, device())
        second = await w.devices.register(bert, device())
        assert first != second
        assert await w.tokens(anna) == []
        assert [token.token_id for token in await w.tokens(bert)] == [second]
        await refused(w.devices.remove(anna, device().token), ErrorCode.NOT_FOUND)
        await w.devices.remove(bert, device().token)
        await refused(w.devices.remove(bert, device().token), ErrorCode.NOT_FOUND)


async def test_no_more_than_allowed(tmp_path: Path) -> None:
    async with world(tmp_path, max_tokens=2) as w:
        anna, bert = w.person(), w.person()
        for token in ("one", "two", "two"):
            await w.devices.register(anna, device(token))
        await refused(w.devices.register(anna, device("three")), ErrorCode.LIMIT_REACHED)
        await w.devices.register(bert, device("three"))
        await refused(w.devices.register(anna, device("three")), ErrorCode.LIMIT_REACHED)
        assert await w.devices.count(bert) == 1, "a refused move changes nothing"
        await end(w, anna)
        assert await w.devices.count(anna) == 0
        fresh = w.person(anna.user_id)
        for token in ("four", "one"):
            await w.devices.register(fresh, device(token))
        await refused(w.devices.register(fresh, device("two")), ErrorCode.LIMIT_REACHED)


async def test_those_that_take_none_do_not_pile_up(tmp_path: Path) -> None:
    async with world(tmp_path, max_tokens=2) as w:
        anna = w.person()
        for number in range(5):
            session = w.person(anna.user_id)
            w.clock.move(seconds=1)
            await w.devices.register(session, device(f"token {number}"))
            await end(w, session)
        w.clock.move(seconds=1)
        await w.devices.register(anna, device("last"))
        assert [w.vault.target(token).token for token in await w.tokens(anna)] == [
            "token 3",
            "token 4",
            "last",
        ]
        assert await w.devices.remove_all(anna) == 3


async def test_what_cannot_be_pushed_to(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        await refused(w.devices.register(anna, device(provider="apns")), ErrorCode.FEATURE_DISABLED)
        w.webpush.fault = TargetFault("token", "leads to an address that is not public")
        fault = await refused(
            w.devices.register(anna, device(provider="webpush")), ErrorCode.VALIDATION_ERROR
        )
        assert [detail.field for detail in fault.details] == ["token"]
        assert await w.tokens(anna) == []


async def test_unused_ones_are_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = w.person()
        for token in ("used", "unused"):
            await w.devices.register(anna, device(token))
        w.clock.move(seconds=100 * 86_400)
        await push_to(w, "used")
        w.clock.move(seconds=81 * 86_400)
        assert await w.devices.purge() == 1
        assert [w.vault.target(token).token for token in await w.tokens(anna)] == ["used"]


async def push_to(w: World, token: str) -> None:
    """Pretend that a push to it was taken."""
    hashed = w.vault.hash(token)
    await w.database.write(
        lambda tx: tx.run(
            "UPDATE push_tokens SET last_success_at = ? WHERE token_hash = ?", (w.clock.now(), hashed)
        )
    )


async def test_nothing_can_be_read_in_the_store(tmp_path: Path) -> None:
    async with world(tmp_path, running=False) as w:
        anna = w.person()
        secret = device("https://push.example.test/very-secret-path", provider="webpush")
        await w.devices.register(anna, secret)
        await w.push(anna, preview="Anna: meet at the old bridge")
        content = b"".join(path.read_bytes() for path in w.database.path.parent.iterdir())
        for hidden in (b"very-secret-path", b"old bridge", b"Secret club", secret.p256dh, secret.auth):
            assert hidden not in content
