"""Locks by identifier and address, and by identifier alone, on a clock that tests move."""

import pytest

from secureconnect.features.auth.service.lockout import identifier
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.auth.world import HERE, PASSWORD, World, at

WRONG = "Wrong-Words-12"


async def refusal(w: World, name: str, password: str = WRONG, address: str = HERE.client_ip) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await w.enter(name, password, at(address))
    return caught.value


async def fail(w: World, name: str, times: int, address: str = HERE.client_ip) -> None:
    for _ in range(times):
        assert (await refusal(w, name, address=address)).code is ErrorCode.INVALID_CREDENTIALS


@pytest.mark.parametrize("name", ["ann", "nobody"])
async def test_the_fifth_failure_locks_and_still_says_wrong(w: World, name: str) -> None:
    await w.join("ann")
    await fail(w, name, 5)
    error = await refusal(w, name, PASSWORD)
    assert (error.code, error.retry_after) == (ErrorCode.ACCOUNT_LOCKED, 900)
    w.clock.move(seconds=899.5)
    assert (await refusal(w, name, PASSWORD)).retry_after == 1
    assert w.counts["locked"] == 1
    assert w.counts["password locked"] == 2
    assert [entry.result for entry in w.events("account_locked")] == ["failure"]


async def test_a_lock_ends_by_itself_and_counting_starts_anew(w: World) -> None:
    await w.join("ann")
    await fail(w, "ann", 5)
    w.clock.move(minutes=15)
    await fail(w, "ann", 4)
    await w.enter("ann")


async def test_a_success_resets_the_count(w: World) -> None:
    await w.join("ann")
    for _ in range(3):
        await fail(w, "ann", 4)
        await w.enter("ann")


async def test_failures_count_for_fifteen_minutes(w: World) -> None:
    await w.join("ann")
    await fail(w, "ann", 4)
    w.clock.move(minutes=15)
    await fail(w, "ann", 4)
    await w.enter("ann")


async def test_email_and_username_count_together_in_any_case(w: World) -> None:
    await w.join("ann")
    await fail(w, "ann", 2)
    await fail(w, "ANN", 1)
    for email in ("ann@example.test", "ANN@example.test"):
        with pytest.raises(ApiError):
            await w.login.login(HERE, email=email, username=None, password=WRONG, device_name=None)
    assert (await refusal(w, "ann", PASSWORD)).code is ErrorCode.ACCOUNT_LOCKED


async def test_another_address_is_not_locked(w: World) -> None:
    await w.join("ann")
    await fail(w, "ann", 5)
    await w.enter("ann", context=at("203.0.113.9"))
    assert (await refusal(w, "ann", PASSWORD)).code is ErrorCode.ACCOUNT_LOCKED


async def test_reauthentication_and_password_change_count_too(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    for number in range(5):
        with pytest.raises(ApiError) as caught:
            await (
                w.login.reauthenticate(caller, HERE, WRONG)
                if number % 2
                else w.accounts.change_password(caller, HERE, WRONG, "New-Violet-77-Lamp")
            )
        assert caught.value.code is ErrorCode.INVALID_CREDENTIALS
    assert (await refusal(w, "ann", PASSWORD)).code is ErrorCode.ACCOUNT_LOCKED
    with pytest.raises(ApiError) as caught:
        await w.login.reauthenticate(caller, HERE, PASSWORD)
    assert caught.value.code is ErrorCode.ACCOUNT_LOCKED


@pytest.mark.parametrize("name", ["ann", "nobody"])
async def test_guessing_from_many_addresses_locks_new_addresses(w: World, name: str) -> None:
    await w.join("ann")
    for number in range(100):
        await fail(w, name, 1, f"10.0.0.{number}")
    error = await refusal(w, name, PASSWORD, "203.0.113.9")
    assert error.code is ErrorCode.ACCOUNT_LOCKED
    assert error.retry_after is not None
    assert 1 <= error.retry_after <= 3600
    if name == "ann":
        await w.enter("ann")  # from where its owner is known
    w.clock.move(minutes=61)
    await fail(w, name, 1, "203.0.113.9")


async def test_a_hundred_failures_spread_over_hours_lock_nothing(w: World) -> None:
    await w.join("ann")
    for number in range(120):
        await fail(w, "ann", 1, f"10.0.0.{number}")
        w.clock.move(minutes=1)
    await w.enter("ann", context=at("203.0.113.9"))


async def test_old_counts_are_forgotten(w: World) -> None:
    await fail(w, "nobody", 3)
    assert await w.lockout.purge() == 0
    w.clock.move(days=1)
    assert await w.lockout.purge() == 2


def test_unknown_names_are_told_apart_without_regard_to_case() -> None:
    assert identifier(None, "Ann@Example.test") == identifier(None, "ann@example.TEST")
    assert identifier(None, "ann") != identifier(None, "ben")
    assert identifier("id", "ann") == identifier("id", "ann@example.test")
