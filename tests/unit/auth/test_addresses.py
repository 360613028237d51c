"""Verification and change of e-mail addresses."""

from pathlib import Path

import pytest

from secureconnect.features.auth.api import Entered
from secureconnect.features.mail.api import EmailChange, EmailChangeNotice, EmailVerify, PasswordReset
from secureconnect.features.users.api import UserRecord
from secureconnect.kit.errors import ApiError
from tests.unit.auth.world import HERE, PASSWORD, World, world


async def verifying(w: World, name: str) -> str:
    """The newest token that proves this person's address."""
    return w.post.last(EmailVerify, f"{name}@example.test").token


async def verified(w: World, user_id: str) -> bool:
    record = await w.users.get(user_id)
    assert record is not None
    return record.email_verified_at is not None


async def refused(w: World, token: str) -> None:
    with pytest.raises(ApiError) as error:
        await w.addresses.verify(token, HERE)
    assert error.value.code.name == "INVALID_TOKEN"


async def test_off_writes_nothing_and_optional_blocks_nothing(tmp_path: Path) -> None:
    for choice in ("off", "optional"):
        (tmp_path / choice).mkdir()
    async with world(tmp_path / "off") as w:
        await w.join("anna")
        assert w.post.posted == []
    async with world(tmp_path / "optional", verification="optional") as w:
        record, _ = await w.join("anna")
        await w.enter("anna")
        assert not await verified(w, record.user_id)
        await w.addresses.verify(await verifying(w, "anna"), HERE)
        assert await verified(w, record.user_id)
        (entry,) = w.events("email_verified")
        assert entry.target_id == record.user_id


async def test_required_lets_nobody_in_before_the_address_is_proven(tmp_path: Path) -> None:
    async with world(tmp_path, verification="required") as w:
        made = await w.register("anna")
        assert isinstance(made, UserRecord)
        with pytest.raises(ApiError) as error:
            await w.enter("anna")
        assert error.value.code.name == "EMAIL_NOT_VERIFIED"
        with pytest.raises(ApiError) as error:  # only who knows the password hears of it
            await w.enter("anna", "Wrong-Words-12")
        assert error.value.code.name == "INVALID_CREDENTIALS"
        assert w.counts["password unverified"] == 1
        token = await verifying(w, "anna")
        await w.addresses.verify(token, HERE)
        await refused(w, token)
        await w.enter("anna")


async def test_an_admin_made_by_the_operator_is_verified(tmp_path: Path) -> None:
    async with world(tmp_path, verification="required") as w:
        await w.accounts.ensure_admin(email="root@example.test", username="operator", password=PASSWORD)
        await w.enter("operator")


async def test_tokens_of_an_address_end_after_a_day_and_with_a_newer_one(tmp_path: Path) -> None:
    async with world(tmp_path, verification="required") as w:
        await w.register("anna")
        first = await verifying(w, "anna")
        await w.addresses.ask_again("ANNA@example.test", HERE)
        second = await verifying(w, "anna")
        await refused(w, first)
        w.clock.move(days=1)
        await refused(w, second)
        await w.addresses.ask_again("anna@example.test", HERE)
        await w.addresses.verify(await verifying(w, "anna"), HERE)
        written = len(w.post.posted)
        for nobody in ("anna@example.test", "nobody@example.test"):  # verified by now; unknown
            await w.addresses.ask_again(nobody, HERE)
        assert len(w.post.posted) == written


async def test_a_change_needs_the_password_and_the_token(w: World) -> None:
    record, tokens = await w.join("anna")
    other = await w.enter("anna")
    caller = await w.caller(tokens)
    with pytest.raises(ApiError) as error:
        await w.addresses.change(caller, HERE, "new@example.test", "Wrong-Words-12")
    assert error.value.code.name == "INVALID_CREDENTIALS"
    await w.addresses.change(caller, HERE, "new@example.test", PASSWORD)
    assert isinstance(w.post.to("anna@example.test")[-1], EmailChangeNotice)
    token = w.post.last(EmailChange, "new@example.test").token

    ben = await w.caller((await w.join("ben"))[1])
    with pytest.raises(ApiError) as error:
        await w.addresses.confirm_change(ben, HERE, token)
    assert error.value.code.name == "INVALID_TOKEN"

    changed = await w.addresses.confirm_change(caller, HERE, token)
    assert (changed.email, changed.email_verified_at) == ("new@example.test", w.clock.now())
    assert (await w.users.get(record.user_id)) == changed
    await w.access.authenticate(tokens.access_token)
    with pytest.raises(ApiError):
        await w.access.authenticate(other.access_token)
    with pytest.raises(ApiError):
        await w.addresses.confirm_change(caller, HERE, token)
    assert [entry.event for entry in w.trail if entry.event.startswith("email_")] == [
        "email_change_requested",
        "email_changed",
    ]
    assert not any("@" in value for entry in w.trail for value in entry.details.values())
    assert w.notices.of(record.user_id) == ["email_change_requested", "email_changed"]


async def test_a_taken_address_is_refused_now_and_later(w: World) -> None:
    caller = await w.caller((await w.join("anna"))[1])
    await w.join("ben")
    for taken in ("BEN@example.test", "anna@example.test"):
        with pytest.raises(ApiError) as error:
            await w.addresses.change(caller, HERE, taken, PASSWORD)
        assert (error.value.code.name, error.value.details[0].field) == ("CONFLICT", "new_email")
    await w.addresses.change(caller, HERE, "carl@example.test", PASSWORD)
    await w.join("carl")
    token = w.post.last(EmailChange, "carl@example.test").token
    for _ in range(2):  # what failed used nothing up
        with pytest.raises(ApiError) as error:
            await w.addresses.confirm_change(caller, HERE, token)
        assert error.value.code.name == "CONFLICT"


async def test_after_a_change_nothing_that_went_to_the_old_address_works(w: World) -> None:
    made = await w.register("anna")
    assert isinstance(made, Entered)
    caller = await w.caller(made.tokens)
    await w.recovery.request("anna@example.test", HERE)
    reset = w.post.last(PasswordReset, "anna@example.test").token
    await w.addresses.ask_again("anna@example.test", HERE)
    verify = await verifying(w, "anna")
    for address in ("first@example.test", "second@example.test"):
        await w.addresses.change(caller, HERE, address, PASSWORD)
    first = w.post.last(EmailChange, "first@example.test").token
    with pytest.raises(ApiError):
        await w.addresses.confirm_change(caller, HERE, first)
    await w.addresses.confirm_change(caller, HERE, w.post.last(EmailChange, "second@example.test").token)
    await refused(w, verify)
    with pytest.raises(ApiError):
        await w.recovery.confirm(reset, "New-Violet-77-Lamp", HERE)


async def test_tokens_work_only_for_their_purpose(w: World) -> None:
    made = await w.register("anna")
    assert isinstance(made, Entered)
    caller = await w.caller(made.tokens)
    await w.recovery.request("anna@example.test", HERE)
    await w.addresses.ask_again("anna@example.test", HERE)
    await w.addresses.change(caller, HERE, "new@example.test", PASSWORD)
    reset = w.post.last(PasswordReset, "anna@example.test").token
    verify = w.post.last(EmailVerify, "anna@example.test").token
    change = w.post.last(EmailChange, "new@example.test").token
    for token in (verify, change):
        with pytest.raises(ApiError) as error:
            await w.recovery.confirm(token, "New-Violet-77-Lamp", HERE)
        assert error.value.code.name == "INVALID_TOKEN"
    for token in (reset, change):
        await refused(w, token)
    for token in (reset, verify):
        with pytest.raises(ApiError):
            await w.addresses.confirm_change(caller, HERE, token)
    assert (await w.users.get(caller.user_id)).email == "anna@example.test"  # type: ignore[union-attr]
