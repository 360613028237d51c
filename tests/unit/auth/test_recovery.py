"""Password reset: tokens that work once, and what they end."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Engine, event

from secureconnect.features.mail.api import EmailChange, PasswordChanged, PasswordReset
from secureconnect.kit.errors import ApiError
from tests.unit.auth.world import HERE, PASSWORD, World, at

NEW = "New-Violet-77-Lamp"


async def asked(w: World, name: str) -> str:
    """Ask for a reset; the token that is mailed."""
    await w.recovery.request(f"{name}@example.test", HERE)
    return w.post.last(PasswordReset, f"{name}@example.test").token


async def refused(w: World, token: str, code: str = "INVALID_TOKEN", password: str = NEW) -> None:
    with pytest.raises(ApiError) as error:
        await w.recovery.confirm(token, password, HERE)
    assert error.value.code.name == code


async def test_a_token_sets_a_new_password_once_and_ends_every_session(w: World) -> None:
    record, tokens = await w.join("anna")
    token = await asked(w, "anna")
    await w.recovery.confirm(token, NEW, HERE)
    await w.enter("anna", NEW)
    with pytest.raises(ApiError):
        await w.enter("anna", PASSWORD)
    with pytest.raises(ApiError) as error:
        await w.access.authenticate(tokens.access_token)
    assert error.value.code.name == "TOKEN_REVOKED"
    await refused(w, token, password="Other-Violet-78-Lamp")
    (completed,) = w.events("password_reset_completed")
    assert (completed.actor_id, completed.target_id) == (record.user_id, record.user_id)
    assert w.post.last(PasswordChanged, "anna@example.test").ip == HERE.client_ip
    assert "password_changed" in w.notices.of(record.user_id)


async def test_of_two_uses_at_once_one_counts(w: World) -> None:
    await w.join("anna")
    token = await asked(w, "anna")
    outcomes = await asyncio.gather(
        *(w.recovery.confirm(token, f"{NEW}-{number}", HERE) for number in range(5)), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if outcome is None] == [None]
    assert len(w.events("password_reset_completed")) == 1


async def test_only_the_newest_token_works_and_for_an_hour(w: World) -> None:
    await w.join("anna")
    first, second = await asked(w, "anna"), await asked(w, "anna")
    await refused(w, first)
    w.clock.move(seconds=3600)
    await refused(w, second)
    third = await asked(w, "anna")
    w.clock.move(seconds=3599)
    await w.recovery.confirm(third, NEW, HERE)
    assert {posted.good_for for posted in w.post.posted if isinstance(posted.letter, PasswordReset)} == {3600}


async def test_a_weak_password_does_not_use_the_token_up(w: World) -> None:
    await w.join("anna")
    token = await asked(w, "anna")
    for weak in ("password1234", "xx-anna-xx-Secret9", PASSWORD):
        await refused(w, token, "VALIDATION_ERROR", weak)
    await w.recovery.confirm(token, NEW, HERE)


async def test_a_reset_lifts_every_lock(w: World) -> None:
    await w.join("anna")
    for address in ("198.51.100.7", "198.51.100.8"):
        for _ in range(5):
            with pytest.raises(ApiError):
                await w.enter("anna", "Wrong-Words-12", at(address))
        with pytest.raises(ApiError) as locked:
            await w.enter("anna", PASSWORD, at(address))
        assert locked.value.code.name == "ACCOUNT_LOCKED"
    await w.recovery.confirm(await asked(w, "anna"), NEW, HERE)
    for address in ("198.51.100.7", "198.51.100.8"):
        await w.enter("anna", NEW, at(address))


async def test_nobody_is_written_to_who_has_no_account(w: World) -> None:
    await w.join("anna")
    await w.recovery.request("nobody@example.test", HERE)
    assert w.post.posted == []
    (entry,) = w.events("password_reset_requested")
    assert (entry.result, entry.actor_type, entry.target_id) == ("failure", "anonymous", None)


async def test_a_reset_ends_a_change_of_address_that_waits(w: World) -> None:
    """Who knew the old password may have asked for it."""

    _, tokens = await w.join("anna")
    caller = await w.caller(tokens)
    await w.addresses.change(caller, HERE, "thief@example.test", PASSWORD)
    change = w.post.last(EmailChange, "thief@example.test").token
    await w.recovery.confirm(await asked(w, "anna"), NEW, HERE)
    caller = await w.caller(await w.enter("anna", NEW))
    with pytest.raises(ApiError) as error:
        await w.addresses.confirm_change(caller, HERE, change)
    assert error.value.code.name == "INVALID_TOKEN"


async def test_a_request_itself_looks_nothing_up(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does, and so its time, cannot depend on who has an account: the outbox looks later."""
    await w.join("anna")
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        w.post, "prepare_in", lambda tx, what, address, context: asked.append((what, address))
    )
    ran: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        ran.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for address in ("anna@example.test", "nobody@example.test"):
            await w.recovery.request(address, HERE)
            await w.addresses.ask_again(address, HERE)
        assert ran == []
        await w.users.by_login(email="anna@example.test")
        assert ran, "a look-up would have been heard"
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert asked == [
        (what, address)
        for address in ("anna@example.test", "nobody@example.test")
        for what in ("password_reset", "email_verify")
    ]


async def test_a_new_password_ends_what_was_mailed_before(w: World) -> None:
    """An owner who changes the password after somebody else knew it is done with that."""
    _, tokens = await w.join("anna")
    caller = await w.caller(tokens)
    reset = await asked(w, "anna")
    await w.addresses.change(caller, HERE, "mallory@example.test", PASSWORD)
    change = w.post.last(EmailChange, "mallory@example.test").token
    await w.accounts.change_password(caller, HERE, PASSWORD, NEW)
    await refused(w, reset, password="Other-Violet-78-Lamp")
    with pytest.raises(ApiError) as error:
        await w.addresses.confirm_change(caller, HERE, change)
    assert error.value.code.name == "INVALID_TOKEN"
