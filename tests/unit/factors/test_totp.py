"""TOTP and recovery codes, from the set-up to the last login."""

import asyncio

import pytest

from secureconnect.features.auth.api import Entered
from secureconnect.features.factors.service.codes import CodeMethod
from secureconnect.features.sessions.service import Access
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.kit.errors import ErrorCode
from tests.unit.auth.test_bans import ban
from tests.unit.auth.world import HERE, ISSUER, PASSWORD, World, at
from tests.unit.factors.people import Person, join, refusal


async def verify(
    ann: Person, token: str, code: str, method: CodeMethod = "totp", where: str = HERE.client_ip
) -> Entered:
    return await ann.w.factors.logins.verify(at(where), token, method, code)


async def test_totp_is_on_once_its_first_code_was_told(w: World, ann: Person) -> None:
    """F1."""
    assert await w.users.mfa_enabled(ann.user_id) is False
    setup = await w.factors.enrolment.set_up(ann.caller)
    ann.secret = setup.secret
    assert setup.secret in setup.otpauth_uri
    assert await refusal(w.factors.enrolment.confirm(ann.caller, HERE, ann.wrong)) is ErrorCode.MFA_INVALID
    assert isinstance(await w.knock("ann"), Entered), "a set-up alone asks for nothing"
    codes = await w.factors.enrolment.confirm(ann.caller, HERE, ann.code())
    assert len(set(codes)) == 10
    assert await w.users.mfa_enabled(ann.user_id) is True
    assert await w.factors.enrolment.overview(ann.caller) == (True, 0, 10)
    assert w.told == [(ann.user_id, "totp_enabled")]
    (entry,) = w.events("mfa_enabled")
    assert (entry.actor_id, entry.details) == (ann.user_id, {"factor": "totp"})
    assert await refusal(w.factors.enrolment.set_up(ann.caller)) is ErrorCode.CONFLICT
    assert await refusal(w.factors.enrolment.confirm(ann.caller, HERE, ann.code(1))) is ErrorCode.NOT_FOUND


async def test_a_secret_waits_ten_minutes_in_its_session_for_its_owner(w: World, ann: Person) -> None:
    ann.secret = (await w.factors.enrolment.set_up(ann.caller)).secret
    other = await w.caller(await w.enter("ann"))
    bob = await join(w, "bob")
    for stranger in (other, bob.caller):
        outcome = await refusal(w.factors.enrolment.confirm(stranger, HERE, ann.code()))
        assert outcome is ErrorCode.NOT_FOUND
    w.clock.move(seconds=601)
    assert await refusal(w.factors.enrolment.confirm(ann.caller, HERE, ann.code())) is ErrorCode.NOT_FOUND
    # The newest set-up is the one that counts.
    old = (await w.factors.enrolment.set_up(ann.caller)).secret
    new = (await w.factors.enrolment.set_up(ann.caller)).secret
    ann.secret = old
    assert await refusal(w.factors.enrolment.confirm(ann.caller, HERE, ann.code())) is ErrorCode.MFA_INVALID
    ann.secret = new
    await w.factors.enrolment.confirm(ann.caller, HERE, ann.code())


async def test_a_password_alone_starts_no_session(w: World, ann: Person) -> None:
    """F2."""
    await ann.protect()
    before = len((await w.sessions.page(ann.caller, after=None, limit=50)).items)
    step = await ann.knock()
    assert (step.methods, step.expires_in) == (["totp", "recovery_code"], 300)
    assert len((await w.sessions.page(ann.caller, after=None, limit=50)).items) == before
    assert w.events("login_success") == []
    entered = await verify(ann, step.mfa_token, ann.code())
    assert entered.record.user_id == ann.user_id
    await w.caller(entered.tokens)
    (entry,) = w.events("login_success")
    assert entry.details == {"method": "totp"}
    assert (w.counts["password ok"], w.counts["totp ok"]) == (1, 1)
    assert await refusal(verify(ann, step.mfa_token, ann.code(1))) is ErrorCode.INVALID_TOKEN
    again = await ann.knock()
    assert await refusal(verify(ann, again.mfa_token, ann.code())) is ErrorCode.MFA_INVALID
    assert w.counts["totp reused"] == 1


async def test_the_first_code_and_older_ones_are_used_up(w: World, ann: Person) -> None:
    ann.secret = (await w.factors.enrolment.set_up(ann.caller)).secret
    await w.factors.enrolment.confirm(ann.caller, HERE, ann.code())
    step = await ann.knock()
    for shift in (0, -1):
        assert await refusal(verify(ann, step.mfa_token, ann.code(shift))) is ErrorCode.MFA_INVALID
    await verify(ann, step.mfa_token, ann.code(1))
    later = await ann.knock()
    assert await refusal(verify(ann, later.mfa_token, ann.code())) is ErrorCode.MFA_INVALID


async def test_five_wrong_codes_end_a_login(w: World, ann: Person) -> None:
    """F2: from the sixth on the token is dead, which is said before the lock is."""
    await ann.protect()
    step = await ann.knock()
    for _ in range(5):
        assert await refusal(verify(ann, step.mfa_token, ann.wrong)) is ErrorCode.MFA_INVALID
    for code in (ann.wrong, ann.code()):
        assert await refusal(verify(ann, step.mfa_token, code)) is ErrorCode.INVALID_TOKEN
    assert await refusal(w.knock("ann")) is ErrorCode.ACCOUNT_LOCKED
    assert w.counts["locked"] == 1
    assert len(w.events("mfa_failed")) == 5


async def test_wrong_codes_of_several_logins_lock(w: World, ann: Person) -> None:
    await ann.protect()
    first, second = await ann.knock(), await ann.knock()
    for _ in range(4):
        assert await refusal(verify(ann, first.mfa_token, ann.wrong)) is ErrorCode.MFA_INVALID
    # A right password in between does not start the count anew.
    third = await ann.knock()
    assert await refusal(verify(ann, second.mfa_token, ann.wrong)) is ErrorCode.MFA_INVALID
    assert await refusal(verify(ann, third.mfa_token, ann.code())) is ErrorCode.ACCOUNT_LOCKED
    assert (w.counts["totp invalid"], w.counts["totp locked"]) == (5, 1)
    # The refused code was not looked at; elsewhere and later it is as good as before.
    await verify(ann, third.mfa_token, ann.code(), where="198.51.100.2")


async def test_a_finished_login_resets_the_count(w: World, ann: Person) -> None:
    await ann.protect()
    for round_ in range(2):
        step = await ann.knock()
        for _ in range(4):
            assert await refusal(verify(ann, step.mfa_token, ann.wrong)) is ErrorCode.MFA_INVALID
        await verify(ann, step.mfa_token, ann.code(round_))
    assert w.counts["locked"] == 0


async def test_passwords_and_codes_count_together(w: World, ann: Person) -> None:
    await ann.protect()
    step = await ann.knock()
    for _ in range(3):
        assert await refusal(w.knock("ann", "Wrong-Words-12")) is ErrorCode.INVALID_CREDENTIALS
    for _ in range(2):
        assert await refusal(verify(ann, step.mfa_token, ann.wrong)) is ErrorCode.MFA_INVALID
    assert await refusal(verify(ann, step.mfa_token, ann.code())) is ErrorCode.ACCOUNT_LOCKED


async def test_a_login_waits_five_minutes(w: World, ann: Person) -> None:
    await ann.protect()
    step = await ann.knock()
    w.clock.move(seconds=300)
    assert await refusal(verify(ann, step.mfa_token, ann.code())) is ErrorCode.INVALID_TOKEN
    assert w.counts["totp expired"] == 1


@pytest.mark.parametrize("token", ["", "x", "x" * 43])
async def test_unknown_tokens(w: World, ann: Person, token: str) -> None:
    await ann.protect()
    assert await refusal(verify(ann, token, ann.code())) is ErrorCode.INVALID_TOKEN


async def test_a_token_of_another_purpose_is_none(w: World, ann: Person) -> None:
    await ann.protect()
    ticket = await w.tickets.issue(ann.caller, None)
    assert await refusal(verify(ann, ticket, ann.code())) is ErrorCode.INVALID_TOKEN


async def test_a_new_password_ends_waiting_logins(w: World, ann: Person) -> None:
    await ann.protect()
    step = await ann.knock()
    await w.accounts.change_password(ann.caller, HERE, PASSWORD, "New-Violet-77-Lamp")
    assert await refusal(verify(ann, step.mfa_token, ann.code())) is ErrorCode.INVALID_TOKEN


async def test_a_code_is_good_for_one_of_many_at_once(w: World, ann: Person) -> None:
    await ann.protect()
    steps = [await ann.knock() for _ in range(6)]
    outcomes = await asyncio.gather(*(refusal(verify(ann, step.mfa_token, ann.code())) for step in steps))
    assert sorted(str(outcome) for outcome in outcomes) == ["ErrorCode.MFA_INVALID"] * 5 + ["None"]
    one = await ann.knock()
    outcomes = await asyncio.gather(
        *(refusal(verify(ann, one.mfa_token, code, "recovery_code")) for code in ann.codes[:5])
    )
    assert sorted(str(outcome) for outcome in outcomes) == ["ErrorCode.INVALID_TOKEN"] * 4 + ["None"]
    assert (await w.factors.enrolment.overview(ann.caller)).recovery_codes_left == 9


async def test_recovery_codes_work_once(w: World, ann: Person) -> None:
    """F3."""
    await ann.protect()
    written = f"{ann.codes[0][:5]}-{ann.codes[0][5:]}".upper()
    await verify(ann, (await ann.knock()).mfa_token, written, "recovery_code")
    step = await ann.knock()
    again = verify(ann, step.mfa_token, ann.codes[0], "recovery_code")
    assert await refusal(again) is ErrorCode.MFA_INVALID
    assert await refusal(verify(ann, step.mfa_token, ann.codes[1])) is ErrorCode.MFA_INVALID, "no TOTP code"
    await verify(ann, step.mfa_token, ann.codes[1], "recovery_code")
    assert [entry.actor_id for entry in w.events("recovery_code_used")] == [ann.user_id] * 2
    assert (await w.factors.enrolment.overview(ann.caller)).recovery_codes_left == 8


async def test_recovery_codes_of_others_and_old_ones_are_wrong(w: World, ann: Person) -> None:
    await ann.protect()
    bob = await join(w, "bob")
    await bob.protect()
    step = await ann.knock()
    assert await refusal(verify(ann, step.mfa_token, bob.codes[0], "recovery_code")) is ErrorCode.MFA_INVALID
    new = await w.factors.enrolment.renew(ann.caller, HERE)
    assert await refusal(verify(ann, step.mfa_token, ann.codes[0], "recovery_code")) is ErrorCode.MFA_INVALID
    await verify(ann, step.mfa_token, new[0], "recovery_code")
    assert w.told[-1] == (ann.user_id, "recovery_codes_renewed")


async def test_without_recovery_codes_none_is_offered(w: World, ann: Person) -> None:
    await ann.protect()
    for code in ann.codes:
        await verify(ann, (await ann.knock()).mfa_token, code, "recovery_code")
    assert (await ann.knock()).methods == ["totp"]


async def test_switching_off_needs_a_code_and_ends_other_sessions(w: World, ann: Person) -> None:
    """F4."""
    await ann.protect()
    entered = await verify(ann, (await ann.knock()).mfa_token, ann.code())
    waiting = await ann.knock()
    off = w.factors.enrolment.switch_off
    assert await refusal(off(ann.caller, HERE, ann.wrong)) is ErrorCode.MFA_INVALID
    assert await refusal(off(ann.caller, HERE, ann.code())) is ErrorCode.MFA_INVALID, "used at the login"
    await off(ann.caller, HERE, ann.codes[3])
    assert await w.users.mfa_enabled(ann.user_id) is False
    assert await w.factors.enrolment.overview(ann.caller) == (False, 0, 0)
    assert await refusal(w.access.authenticate(entered.tokens.access_token)) is ErrorCode.TOKEN_REVOKED
    assert isinstance(await w.knock("ann"), Entered)
    assert await refusal(verify(ann, waiting.mfa_token, ann.code(1))) is ErrorCode.INVALID_TOKEN
    assert w.told[-1] == (ann.user_id, "totp_disabled")
    assert len(w.events("mfa_disabled")) == 1
    assert await refusal(off(ann.caller, HERE, ann.code(1))) is ErrorCode.NOT_FOUND
    assert await refusal(w.factors.enrolment.renew(ann.caller, HERE)) is ErrorCode.NOT_FOUND


async def test_guessing_at_the_switch_locks(w: World, ann: Person) -> None:
    await ann.protect()
    off = w.factors.enrolment.switch_off
    for _ in range(5):
        assert await refusal(off(ann.caller, HERE, ann.wrong)) is ErrorCode.MFA_INVALID
    assert await refusal(off(ann.caller, HERE, ann.code())) is ErrorCode.ACCOUNT_LOCKED


async def test_a_code_steps_up(w: World, ann: Person) -> None:
    await ann.protect()
    w.clock.move(seconds=900)
    assert await refusal(w.access.require_fresh(ann.caller)) is ErrorCode.REAUTH_REQUIRED
    again = w.factors.logins.reauthenticate
    for code in (ann.wrong, ann.codes[0]):
        outcome = await refusal(again(ann.caller, HERE, code=code, credential=None))
        assert outcome is ErrorCode.MFA_INVALID
    assert await again(ann.caller, HERE, code=ann.code(), credential=None) == w.clock.now()
    await w.access.require_fresh(ann.caller)
    assert await refusal(again(ann.caller, HERE, code=ann.code(), credential=None)) is ErrorCode.MFA_INVALID
    bob = await join(w, "bob")
    assert await refusal(again(bob.caller, HERE, code=ann.code(1), credential=None)) is ErrorCode.MFA_INVALID


async def test_the_password_does_not_make_guesses_at_the_code_undone(w: World, ann: Person) -> None:
    """Who has a session and the password, but not the app, guesses no more often than anybody else."""
    await ann.protect()
    off = w.factors.enrolment.switch_off
    for _ in range(5):
        assert await refusal(off(ann.caller, HERE, ann.wrong)) is ErrorCode.MFA_INVALID
        if w.counts["locked"]:
            break
        await w.login.reauthenticate(ann.caller, HERE, PASSWORD)
    assert await refusal(off(ann.caller, HERE, ann.code())) is ErrorCode.ACCOUNT_LOCKED


async def test_a_banned_user_hears_it_after_the_right_password(w: World, ann: Person) -> None:
    await ann.protect()
    step = await ann.knock()
    await ban(w, ann.user_id, None)
    assert await refusal(w.knock("ann", "Wrong-Words-12")) is ErrorCode.INVALID_CREDENTIALS
    assert await refusal(w.knock("ann")) is ErrorCode.ACCOUNT_BANNED
    assert await refusal(verify(ann, step.mfa_token, ann.code())) is ErrorCode.ACCOUNT_BANNED


async def test_a_reset_takes_everything_away(w: World, ann: Person) -> None:
    await ann.protect()
    await ann.add_passkey()
    waiting = await ann.knock()
    assert await w.database.write(lambda tx: w.factors.account.reset_in(tx, ann.user_id)) is True
    live = await w.sessions.page(ann.caller, after=None, limit=10)
    assert live.items == []
    assert isinstance(await w.knock("ann"), Entered)
    assert await refusal(verify(ann, waiting.mfa_token, ann.code())) is ErrorCode.INVALID_TOKEN
    assert await w.factors.enrolment.overview(ann.caller) == (False, 0, 0)
    assert w.told[-1] == (ann.user_id, "reset_by_admin")
    assert w.counts["revoked admin"] == 1
    assert await w.database.write(lambda tx: w.factors.account.reset_in(tx, ann.user_id)) is False
    assert len(w.told) == 3


async def test_admins_may_be_asked_for_a_second_factor(w: World, ann: Person) -> None:
    await w.database.write(lambda tx: w.users.set_role_in(tx, ann.user_id, "admin", w.clock.now()))
    strict = Access(
        w.database,
        MemoryBus(),
        w.keyring,
        w.users,
        w.clock,
        issuer=ISSUER,
        revocation_cache_ttl=5,
        reauth_max_age=900,
        admin_mfa_required=True,
    )
    await w.access.require_admin(ann.caller)
    assert await refusal(strict.require_admin(ann.caller)) is ErrorCode.FORBIDDEN
    await ann.protect()
    await strict.require_admin(ann.caller)
    await w.factors.enrolment.switch_off(ann.caller, HERE, ann.code())
    assert await refusal(strict.require_admin(ann.caller)) is ErrorCode.FORBIDDEN
    await ann.add_passkey()
    await strict.require_admin(ann.caller)
    bob = await join(w, "bob")
    await bob.protect()
    assert await refusal(strict.require_admin(bob.caller)) is ErrorCode.FORBIDDEN
