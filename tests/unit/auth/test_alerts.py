"""What owners of accounts hear: new devices, locks, reused tokens, changed passwords."""

import pytest

from secureconnect.features.mail.api import AccountLocked, NewDevice, PasswordChanged
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import RequestContext
from tests.unit.auth.world import HERE, PASSWORD, World, at

ANNA = "anna@example.test"


async def login(w: World, ip: str, agent: str = "test", device: str | None = None) -> None:
    context = RequestContext("request", ip, agent)
    await w.login.login(context, email=ANNA, username=None, password=PASSWORD, device_name=device)


async def test_only_a_new_device_at_a_new_address_is_told(w: World) -> None:
    record, _ = await w.join("anna")
    await login(w, HERE.client_ip)  # all known
    await login(w, "203.0.113.1")  # a known device somewhere else
    await login(w, HERE.client_ip, "another")  # another device at home
    assert w.post.posted == []
    await login(w, "203.0.113.2", "test", "Anna's phone")
    letter = w.post.last(NewDevice, ANNA)
    assert (letter.ip, letter.device_name, letter.at) == ("203.0.113.2", "Anna's phone", w.clock.now())
    await login(w, "203.0.113.2", "test", "Anna's phone")
    await login(w, "203.0.113.3", "test", "Anna's phone")
    assert len(w.post.posted) == 1
    assert w.notices.of(record.user_id) == ["new_device"]
    (entry,) = w.events("new_device_login")
    assert entry.context is not None
    assert entry.context.client_ip == "203.0.113.2"


async def test_a_lock_is_told_once_an_hour_however_many_addresses_guess(w: World) -> None:
    record, _ = await w.join("anna")

    async def guess(address: str, times: int = 5) -> None:
        for _ in range(times):
            with pytest.raises(ApiError):
                await w.enter("anna", "Wrong-Words-12", at(address))

    for number in range(4):
        await guess(f"198.51.100.{number + 10}")
        w.clock.move(minutes=5)
    letters = w.post.to(ANNA)
    assert [
        (letter.everywhere, letter.seconds) for letter in letters if isinstance(letter, AccountLocked)
    ] == [(False, 900)]
    w.clock.move(minutes=60)
    await guess("198.51.100.99")
    assert len(w.post.to(ANNA)) == 2
    assert w.notices.of(record.user_id) == ["account_locked"] * 2
    assert len(w.events("account_locked")) == 5


async def test_guesses_from_everywhere_are_told(w: World) -> None:
    await w.join("anna")
    for number in range(100):
        with pytest.raises(ApiError):
            await w.enter("anna", "Wrong-Words-12", at(f"203.0.{number}.1"))
    (letter,) = w.post.to(ANNA)
    assert isinstance(letter, AccountLocked)
    assert (letter.everywhere, letter.seconds) == (True, 3600)


async def test_locks_of_nobody_are_told_to_nobody(w: World) -> None:
    for _ in range(5):
        with pytest.raises(ApiError):
            await w.enter("nobody", "Wrong-Words-12")
    assert (w.post.posted, w.notices.heard) == ([], [])


async def test_a_changed_password_is_told(w: World) -> None:
    record, tokens = await w.join("anna")
    await w.accounts.change_password(await w.caller(tokens), HERE, PASSWORD, "New-Violet-77-Lamp")
    assert w.post.last(PasswordChanged, ANNA).ip == HERE.client_ip
    assert w.notices.of(record.user_id) == ["password_changed"]


async def test_a_reused_refresh_token_is_told(w: World) -> None:
    record, tokens = await w.join("anna")
    await w.sessions.refresh(tokens.refresh_token, HERE)
    with pytest.raises(ApiError):
        await w.sessions.refresh(tokens.refresh_token, HERE)
    (notice,) = w.notices.heard
    assert notice == (
        record.user_id,
        "refresh_reuse",
        {"session_id": tokens.session_id, "ip": HERE.client_ip},
    )
