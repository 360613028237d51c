"""Which account somebody gets whom a provider vouches for."""

from pathlib import Path

import pytest
from sqlalchemy import select

from secureconnect.features.auth.api import Entered, SecondStep
from secureconnect.features.oidc import rules
from secureconnect.features.oidc.belongings import belongings
from secureconnect.features.oidc.store import oidc_identities
from secureconnect.features.users.api import UserRecord
from secureconnect.infra.openid.base import Identity
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.auth.world import HERE, World, at, world
from tests.unit.factors.people import Person, join, refusal
from tests.unit.oidc.people import Desk

JANE = Identity("s-jane", "jane@example.test", "Jane@corp", "Jane Doe")
#: What `join(w, "ann")` has.
ANN = Identity("s-ann", "Ann@Example.test")


@pytest.fixture
def desk(w: World) -> Desk:
    return Desk(w)


@pytest.fixture
async def ann(w: World) -> Person:
    """Somebody whose address is verified."""
    person = await join(w, "ann")
    await w.database.write(lambda tx: w.users.email_verified_in(tx, person.user_id, w.clock.now()))
    return person


async def record(w: World, user_id: str) -> UserRecord:
    found = await w.users.get(user_id)
    assert found is not None
    return found


async def links(w: World, user_id: str) -> list[str]:
    c = oidc_identities.c
    query = select(c.provider).where(c.user_id == user_id)
    return list(await w.database.read(lambda conn: conn.execute(query).scalars().all()))


async def test_a_new_subject_gets_an_account_and_comes_back_to_it(desk: Desk, w: World) -> None:
    made = (await desk.log_in(JANE)).record
    assert (made.email, made.username, made.display_name, made.role) == (
        "jane@example.test",
        "jane",
        "Jane Doe",
        "user",
    )
    assert made.email_verified_at == w.clock.now()
    assert await w.database.read(lambda conn: w.users.password_hash_in(conn, made.user_id)) is None
    again = await desk.log_in(Identity("s-jane", "other@example.test", "other"))
    assert again.record.user_id == made.user_id
    assert [entry.event for entry in w.trail] == [
        "register",
        "oidc_linked",
        "login_success",
        "login_success",
    ]
    assert w.events("login_success")[0].details == {"method": "oidc"}
    assert w.counts["oidc ok"] == 2
    assert await refusal(w.knock("jane")) is ErrorCode.INVALID_CREDENTIALS


async def test_a_code_works_once_and_for_a_minute(desk: Desk, w: World) -> None:
    code = await desk.code(JANE)
    await desk.redeem(code)
    assert await refusal(desk.redeem(code)) is ErrorCode.INVALID_TOKEN
    late = await desk.code()
    w.clock.move(seconds=60)
    assert await refusal(desk.redeem(late)) is ErrorCode.INVALID_TOKEN
    assert await refusal(desk.redeem("x")) is ErrorCode.INVALID_TOKEN
    assert w.counts["oidc expired"] == 3


async def test_only_who_began_makes_the_exchange(desk: Desk) -> None:
    verifier = "v" * 43
    challenge = rules.challenge_of(verifier)
    assert isinstance(await desk.redeem(await desk.code(JANE, challenge), verifier), Entered)
    for challenge_of_it, given in ((challenge, None), (challenge, "w" * 43), (None, verifier)):
        code = await desk.code(JANE, challenge_of_it)
        assert await refusal(desk.redeem(code, given)) is ErrorCode.INVALID_TOKEN
        # Nobody tries twice.
        assert await refusal(desk.redeem(code, verifier if challenge_of_it else None)) is (
            ErrorCode.INVALID_TOKEN
        )


async def test_an_account_is_linked_by_an_address_verified_on_both_sides(
    desk: Desk, w: World, ann: Person
) -> None:
    entered = await desk.log_in(ANN)
    assert entered.record.user_id == ann.user_id
    assert await links(w, ann.user_id) == ["corp"]
    (entry,) = w.events("oidc_linked")
    assert (entry.actor_id, entry.details) == (ann.user_id, {"provider": "corp"})
    # From now on the subject counts, whatever its address is.
    assert (await desk.log_in(Identity("s-ann"))).record.user_id == ann.user_id


async def test_never_by_one_that_the_provider_does_not_vouch_for(desk: Desk, w: World, ann: Person) -> None:
    """Then the address never reaches us; the account that is made has none."""
    entered = await desk.log_in(Identity("s-ann", None, "ann", "Ann"))
    assert entered.record.user_id != ann.user_id
    assert entered.record.email == f"{entered.record.user_id}@sso.invalid"
    assert entered.record.email_verified_at is None
    assert entered.record.username.startswith("ann-")
    assert await links(w, ann.user_id) == []


async def test_never_by_one_that_is_not_verified_here(desk: Desk, w: World) -> None:
    bob = await join(w, "bob")
    with pytest.raises(ApiError) as error:
        await desk.log_in(Identity("s-bob", "bob@example.test"))
    assert (error.value.code, error.value.details[0].field) == (ErrorCode.CONFLICT, "email")
    assert await links(w, bob.user_id) == []
    assert [entry.reason for entry in w.events("login_failed")] == ["address not verified here"]


async def test_the_second_factor_is_asked_for_and_the_link_waits_for_it(
    desk: Desk, w: World, ann: Person
) -> None:
    await ann.protect()
    step = await desk.redeem(await desk.code(ANN))
    assert isinstance(step, SecondStep)
    assert step.methods == ["totp", "recovery_code"]
    assert await links(w, ann.user_id) == []
    wrong = w.factors.logins.verify(HERE, step.mfa_token, "totp", ann.wrong)
    assert await refusal(wrong) is ErrorCode.MFA_INVALID
    entered = await w.factors.logins.verify(HERE, step.mfa_token, "totp", ann.code())
    assert entered.record.user_id == ann.user_id
    assert await links(w, ann.user_id) == ["corp"]
    assert len(w.events("oidc_linked")) == 1
    # Two steps that were asked for before there was a link lead to one link.
    w.clock.move(seconds=30)
    step = await desk.redeem(await desk.code(ANN))
    assert isinstance(step, SecondStep)
    await w.factors.logins.verify(HERE, step.mfa_token, "totp", ann.code())
    assert await links(w, ann.user_id) == ["corp"]


async def test_accounts_without_password_have_a_second_step_too(desk: Desk, w: World) -> None:
    entered = await desk.log_in(JANE)
    jane = Person(w, "jane", await w.caller(entered.tokens))
    await jane.protect()
    step = await desk.redeem(await desk.code())
    assert isinstance(step, SecondStep)
    # A password that is set meanwhile ends the login.
    stored = await w.hasher.hash("Violet-Kettle-43-Rain")
    await w.database.write(lambda tx: w.users.set_password_in(tx, jane.user_id, stored, w.clock.now()))
    verified = w.factors.logins.verify(HERE, step.mfa_token, "totp", jane.code())
    assert await refusal(verified) is ErrorCode.INVALID_TOKEN
    step = await desk.redeem(await desk.code())
    assert isinstance(step, SecondStep)
    await w.factors.logins.verify(HERE, step.mfa_token, "totp", jane.code())


async def test_a_passkey_as_second_step_links_too(desk: Desk, w: World, ann: Person) -> None:
    await ann.add_passkey()
    step = await desk.redeem(await desk.code(ANN))
    assert isinstance(step, SecondStep)
    challenge_id, options = await w.factors.assertions.begin()
    await w.factors.assertions.log_in(
        HERE,
        challenge_id=challenge_id,
        credential=ann.device.get(options),
        mfa_token=step.mfa_token,
        device_name=None,
    )
    assert await links(w, ann.user_id) == ["corp"]


async def test_locked_banned_and_deleted_accounts(desk: Desk, w: World, ann: Person) -> None:
    await desk.log_in(ANN)
    for _ in range(5):
        assert await refusal(w.knock("ann", "wrong")) is ErrorCode.INVALID_CREDENTIALS
    assert await refusal(desk.redeem(await desk.code())) is ErrorCode.ACCOUNT_LOCKED
    assert w.counts["oidc locked"] == 1
    elsewhere = await desk.redeem(await desk.code(), context=at("198.51.100.9"))
    assert isinstance(elsewhere, Entered)
    w.clock.move(minutes=16)
    await w.database.write(
        lambda tx: tx.conn.exec_driver_sql(
            "insert into user_bans (ban_id, user_id, banned_by, reason, banned_at) values (?, ?, ?, ?, ?)",
            ("b", ann.user_id, "admin", "spam", w.clock.now()),
        )
    )
    assert await refusal(desk.redeem(await desk.code())) is ErrorCode.ACCOUNT_BANNED
    await w.database.write(lambda tx: tx.conn.exec_driver_sql("update user_bans set lifted_at = 1"))
    await w.database.write(lambda tx: tx.conn.exec_driver_sql("update users set state = 'deleted'"))
    assert await refusal(desk.redeem(await desk.code())) is ErrorCode.INVALID_CREDENTIALS
    # Nor does another subject with its address get in, or an account of its own.
    other = Identity("s-other", "ann@example.test")
    assert await refusal(desk.redeem(await desk.code(other))) is ErrorCode.INVALID_CREDENTIALS


async def test_without_signup_only_who_has_an_account(w: World, ann: Person) -> None:
    desk = Desk(w, signup=False)
    assert await refusal(desk.redeem(await desk.code(JANE))) is ErrorCode.FEATURE_DISABLED
    assert (await desk.log_in(ANN)).record.user_id == ann.user_id


async def test_required_verification_lets_in_whom_the_provider_vouches_for(tmp_path: Path) -> None:
    async with world(tmp_path, verification="required") as w:
        desk = Desk(w)
        await desk.log_in(JANE)
        bare = Identity("s-bare")
        assert await refusal(desk.redeem(await desk.code(bare))) is ErrorCode.EMAIL_NOT_VERIFIED
        # Nothing is left of the account, so it is the same the next time, and better with an address.
        assert await refusal(desk.redeem(await desk.code(bare))) is ErrorCode.EMAIL_NOT_VERIFIED
        await desk.log_in(Identity("s-bare", "bare@example.test"))


async def test_an_account_without_address_gets_one_when_the_provider_has_it(
    desk: Desk, w: World, ann: Person
) -> None:
    entered = await desk.log_in(Identity("s-x", None, "xenia"))
    user_id = entered.record.user_id
    await desk.log_in(Identity("s-x", "ann@example.test"))
    assert rules.is_no_address((await record(w, user_id)).email)
    await desk.log_in(Identity("s-x", "xenia@example.test"))
    assert (await record(w, user_id)).email == "xenia@example.test"
    await desk.log_in(Identity("s-x", "later@example.test"))
    assert (await record(w, user_id)).email == "xenia@example.test"
    assert len(w.events("email_changed")) == 1


async def test_links_are_exported_and_erased(desk: Desk, w: World) -> None:
    user_id = (await desk.log_in(JANE)).record.user_id
    rows = belongings(w.database)
    ((_, shown),) = [page async for page in rows.exported(user_id)]
    assert [row["provider"] for row in shown] == ["corp"]
    assert [removed async for removed in rows.erased(user_id)] == [1]
    assert await links(w, user_id) == []
