"""Passkeys: registered, used alone and as second step, named and removed."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import update

from secureconnect.features.auth.api import Entered
from secureconnect.features.factors.store import Passkey
from secureconnect.features.users.store import users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from tests.authenticator import Authenticator, InvalidState, b64, unb64
from tests.unit.auth.test_bans import ban
from tests.unit.auth.world import HERE, ORIGIN, World, at
from tests.unit.factors.people import Credential, Person, join, refusal


async def finish(
    w: World,
    challenge_id: str,
    credential: Credential,
    mfa_token: str | None = None,
    where: str = "198.51.100.1",
) -> Entered:
    return await w.factors.assertions.log_in(
        at(where), challenge_id=challenge_id, credential=credential, mfa_token=mfa_token, device_name="phone"
    )


async def enter(ann: Person, mfa_token: str | None = None, **faults: Any) -> Entered:
    """Log in with the device."""
    challenge_id, options = await ann.w.factors.assertions.begin()
    return await finish(ann.w, challenge_id, ann.device.get(options, **faults), mfa_token)


async def register(ann: Person, credential: Credential, challenge_id: str) -> Passkey:
    return await ann.w.factors.passkeys.finish(
        ann.caller, HERE, challenge_id=challenge_id, credential=credential, name="laptop"
    )


async def test_what_the_browser_is_asked_for(w: World, ann: Person) -> None:
    _, options = await w.factors.passkeys.begin(ann.caller)
    assert options["rp"] == {"name": "SecureConnect", "id": "chat.example.test"}
    assert options["user"] == {
        "id": b64(uuid.UUID(ann.user_id).bytes),
        "name": "ann@example.test",
        "displayName": "ann",
    }
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert (options["attestation"], options["timeout"]) == ("none", 300_000)
    _, request = await w.factors.assertions.begin()
    assert (request["rpId"], request["userVerification"]) == ("chat.example.test", "required")
    assert request.get("allowCredentials", []) == []
    assert len(unb64(request["challenge"])) == 48


async def test_a_passkey_logs_in_alone(w: World, ann: Person) -> None:
    """F5."""
    passkey = await ann.add_passkey()
    assert (passkey.name, passkey.last_used_at) == ("laptop", None)
    entered = await enter(ann)
    assert entered.record.user_id == ann.user_id
    await w.caller(entered.tokens)
    (entry,) = w.events("login_success")
    assert entry.details == {"method": "passkey"}
    assert w.counts["passkey ok"] == 1
    (kept,) = await w.factors.passkeys.list(ann.caller)
    assert (kept.sign_count, kept.last_used_at) == (2, w.clock.now())
    assert w.told == [(ann.user_id, "passkey_added")]
    (added,) = w.events("passkey_added")
    assert added.details == {"factor": "passkey", "passkey_id": passkey.passkey_id}


async def test_an_answer_is_good_once(w: World, ann: Person) -> None:
    """F5: replayed, in a row and at once."""
    await ann.add_passkey()
    challenge_id, options = await w.factors.assertions.begin()
    answer = ann.device.get(options)
    outcomes = await asyncio.gather(*(refusal(finish(w, challenge_id, answer)) for _ in range(5)))
    assert sorted(str(one) for one in outcomes) == ["ErrorCode.INVALID_CREDENTIALS"] * 4 + ["None"]
    assert await refusal(finish(w, challenge_id, answer)) is ErrorCode.INVALID_CREDENTIALS
    # A replay is recorded, and is no guess that brings a lock nearer.
    assert len(w.events("login_failed")) == 5
    assert (w.counts["passkey reused"], w.counts["locked"]) == (5, 0)


async def test_a_counter_that_goes_back_is_refused_and_recorded(w: World, ann: Person) -> None:
    """F5."""
    await ann.add_passkey()
    await enter(ann)
    for count in (0, -1):
        ann.device.credentials[0].sign_count = 1 + count
        assert await refusal(enter(ann)) is ErrorCode.INVALID_CREDENTIALS
    assert [entry.reason for entry in w.events("login_failed")] == ["sign counter went back"] * 2
    ann.device.credentials[0].sign_count = 2
    await enter(ann)


async def test_authenticators_need_not_count(w: World, ann: Person) -> None:
    ann.device.counts = False
    await ann.add_passkey()
    await enter(ann)
    await enter(ann)


async def test_challenges_last_five_minutes(w: World, ann: Person) -> None:
    challenge_id, options = await w.factors.passkeys.begin(ann.caller)
    w.clock.move(seconds=300)
    assert await refusal(register(ann, ann.device.create(options), challenge_id)) is ErrorCode.NOT_FOUND
    await ann.add_passkey()
    challenge_id, options = await w.factors.assertions.begin()
    w.clock.move(seconds=300)
    assert await refusal(finish(w, challenge_id, ann.device.get(options))) is ErrorCode.INVALID_CREDENTIALS


async def test_challenges_serve_one_purpose_one_user_and_one_session(w: World, ann: Person) -> None:
    bob = await join(w, "bob")
    other = Person(w, "ann", await w.caller(await w.enter("ann")))
    challenge_id, options = await w.factors.passkeys.begin(ann.caller)
    answer = ann.device.create(options)
    for stranger in (bob, other):
        assert await refusal(register(stranger, answer, challenge_id)) is ErrorCode.NOT_FOUND
    login_id, request = await w.factors.assertions.begin()
    assert await refusal(register(ann, answer, login_id)) is ErrorCode.NOT_FOUND
    await register(ann, answer, challenge_id)
    assert await refusal(register(ann, answer, challenge_id)) is ErrorCode.NOT_FOUND
    own_id, _ = await w.factors.passkeys.begin(ann.caller)
    assert await refusal(finish(w, own_id, ann.device.get(request))) is ErrorCode.INVALID_CREDENTIALS
    assert await refusal(finish(w, new_id(), ann.device.get(request))) is ErrorCode.INVALID_CREDENTIALS
    await finish(w, login_id, ann.device.get(request))


@pytest.mark.parametrize("faults", [{"origin": "https://evil.test"}, {"verified": False}], ids=str)
async def test_where_and_how_a_passkey_is_made_matters(w: World, ann: Person, faults: Any) -> None:
    challenge_id, options = await w.factors.passkeys.begin(ann.caller)
    with pytest.raises(ApiError) as caught:
        await register(ann, ann.device.create(options, **faults), challenge_id)
    assert caught.value.code is ErrorCode.VALIDATION_ERROR
    assert [detail.field for detail in caught.value.details] == ["credential"]
    answer = ann.device.create(options)
    assert await refusal(register(ann, answer, challenge_id)) is ErrorCode.NOT_FOUND, "it was used up"


@pytest.mark.parametrize(
    "faults",
    [
        {"origin": "https://evil.test"},
        {"origin": ORIGIN + ":444"},
        {"verified": False},
        {"handle": bytes(16)},
    ],
    ids=str,
)
async def test_where_and_how_a_passkey_is_used_matters(w: World, ann: Person, faults: Any) -> None:
    await ann.add_passkey()
    assert await refusal(enter(ann, **faults)) is ErrorCode.INVALID_CREDENTIALS
    assert len(w.events("login_failed")) == 1


async def test_a_signature_by_another_key_is_wrong(w: World, ann: Person) -> None:
    await ann.add_passkey()
    forger = Authenticator(ORIGIN)
    (mine,) = ann.device.credentials
    forger.create((await w.factors.passkeys.begin(ann.caller))[1])
    forger.credentials[0].id = mine.id
    challenge_id, options = await w.factors.assertions.begin()
    answer = forger.get(options)
    assert await refusal(finish(w, challenge_id, answer)) is ErrorCode.INVALID_CREDENTIALS


async def test_unknown_passkeys_lock_like_unknown_names(w: World, ann: Person) -> None:
    stranger = Person(w, "nobody", ann.caller)
    stranger.device.create((await w.factors.passkeys.begin(ann.caller))[1])
    outcomes = [await refusal(enter(stranger)) for _ in range(6)]
    assert outcomes == [ErrorCode.INVALID_CREDENTIALS] * 5 + [ErrorCode.ACCOUNT_LOCKED]
    await ann.add_passkey()
    await enter(ann)


async def test_wrong_answers_lock_the_owner_here(w: World, ann: Person) -> None:
    await ann.add_passkey()
    outcomes = [await refusal(enter(ann, verified=False)) for _ in range(5)]
    assert outcomes == [ErrorCode.INVALID_CREDENTIALS] * 5
    assert await refusal(enter(ann)) is ErrorCode.ACCOUNT_LOCKED
    assert await refusal(w.knock("ann")) is ErrorCode.ACCOUNT_LOCKED


async def test_who_is_gone_or_banned(w: World, ann: Person) -> None:
    await ann.add_passkey()
    await ban(w, ann.user_id, w.clock.now() + 1000)
    assert await refusal(enter(ann)) is ErrorCode.ACCOUNT_BANNED
    w.clock.move(seconds=2)
    await enter(ann)

    def delete(tx: WriteTx) -> None:
        tx.conn.execute(update(users).where(users.c.user_id == ann.user_id).values(state="deleted"))

    await w.database.write(delete)
    assert await refusal(enter(ann)) is ErrorCode.INVALID_CREDENTIALS


async def test_a_passkey_is_a_second_factor(w: World, ann: Person) -> None:
    await ann.add_passkey()
    step = await ann.knock()
    assert step.methods == ["passkey"]
    entered = await enter(ann, step.mfa_token)
    assert entered.record.user_id == ann.user_id
    assert await refusal(enter(ann, step.mfa_token)) is ErrorCode.INVALID_TOKEN
    await ann.protect()
    assert (await ann.knock()).methods == ["totp", "passkey", "recovery_code"]


async def test_only_the_own_passkey_finishes_a_login(w: World, ann: Person) -> None:
    await ann.add_passkey()
    bob = await join(w, "bob")
    await bob.add_passkey()
    step = await ann.knock()
    for _ in range(5):
        assert await refusal(enter(bob, step.mfa_token)) is ErrorCode.INVALID_CREDENTIALS
    assert await refusal(enter(ann, step.mfa_token)) is ErrorCode.INVALID_TOKEN
    assert len(w.events("mfa_failed")) == 5
    assert {entry.actor_id for entry in w.events("mfa_failed")} == {ann.user_id}
    await enter(bob)


async def test_a_passkey_steps_up(w: World, ann: Person) -> None:
    await ann.add_passkey()
    bob = await join(w, "bob")
    await bob.add_passkey()
    w.clock.move(seconds=900)
    assert await refusal(w.access.require_fresh(ann.caller)) is ErrorCode.REAUTH_REQUIRED
    again = w.factors.logins.reauthenticate

    async def answer(person: Person) -> Credential:
        _, options = await w.factors.assertions.begin()
        return person.device.get(options)

    outcome = await refusal(again(ann.caller, HERE, code=None, credential=await answer(bob)))
    assert outcome is ErrorCode.INVALID_CREDENTIALS
    right = await answer(ann)
    assert await again(ann.caller, HERE, code=None, credential=right) == w.clock.now()
    await w.access.require_fresh(ann.caller)
    assert (
        await refusal(again(ann.caller, HERE, code=None, credential=right)) is ErrorCode.INVALID_CREDENTIALS
    )


async def test_ten_passkeys_are_enough(w: World, ann: Person) -> None:
    waiting = []
    for _ in range(11):
        challenge_id, options = await w.factors.passkeys.begin(ann.caller)
        waiting.append((challenge_id, Authenticator(ORIGIN).create(options)))
    outcomes = await asyncio.gather(*(refusal(register(ann, answer, id_)) for id_, answer in waiting))
    assert sorted(str(one) for one in outcomes) == ["ErrorCode.LIMIT_REACHED"] + ["None"] * 10
    assert await refusal(w.factors.passkeys.begin(ann.caller)) is ErrorCode.LIMIT_REACHED
    assert len(await w.factors.passkeys.list(ann.caller)) == 10


async def test_a_device_is_registered_once(w: World, ann: Person) -> None:
    await ann.add_passkey()
    challenge_id, options = await w.factors.passkeys.begin(ann.caller)
    with pytest.raises(InvalidState):
        ann.device.create(options)
    bob = await join(w, "bob")
    challenge_id, options = await w.factors.passkeys.begin(bob.caller)
    options.pop("excludeCredentials", None)
    thief = Authenticator(ORIGIN)
    answer = thief.create(options)
    # The same credential id again, for another account.
    thief.credentials[0].id = ann.device.credentials[0].id
    stolen = rewritten(thief, options)
    assert await refusal(register(bob, stolen, challenge_id)) is ErrorCode.VALIDATION_ERROR
    assert answer["id"] != stolen["id"]


def rewritten(thief: Authenticator, options: Any) -> Credential:
    """A registration that claims the id of the thief's first credential."""
    claimed = thief.credentials[0].id
    answer = thief.create(options)
    raw = unb64(answer["response"]["attestationObject"]).replace(unb64(answer["id"]), claimed)
    answer["response"]["attestationObject"] = b64(raw)
    return {**answer, "id": b64(claimed), "rawId": b64(claimed)}


async def test_only_the_owner_names_and_removes(w: World, ann: Person) -> None:
    passkey = await ann.add_passkey()
    bob = await join(w, "bob")
    keys = w.factors.passkeys
    assert await refusal(keys.rename(bob.caller, passkey.passkey_id, "mine")) is ErrorCode.NOT_FOUND
    assert await refusal(keys.remove(bob.caller, HERE, passkey.passkey_id)) is ErrorCode.NOT_FOUND
    assert await keys.list(bob.caller) == []
    assert (await keys.rename(ann.caller, passkey.passkey_id, "phone")).name == "phone"
    assert [one.name for one in await keys.list(ann.caller)] == ["phone"]


async def test_the_last_factor_takes_other_sessions_with_it(w: World, ann: Person) -> None:
    first, second = await ann.add_passkey("one"), None
    other = Person(w, "ann", ann.caller)
    second = await other.add_passkey("two")
    elsewhere = (await enter(ann)).tokens
    await w.factors.enrolment.renew(ann.caller, HERE)
    await w.factors.passkeys.remove(ann.caller, HERE, first.passkey_id)
    await w.caller(elsewhere)
    assert await w.users.mfa_enabled(ann.user_id) is True
    assert await refusal(enter(ann)) is ErrorCode.INVALID_CREDENTIALS
    await w.factors.passkeys.remove(ann.caller, HERE, second.passkey_id)
    assert await refusal(w.access.authenticate(elsewhere.access_token)) is ErrorCode.TOKEN_REVOKED
    assert await w.factors.enrolment.overview(ann.caller) == (False, 0, 0)
    assert isinstance(await w.knock("ann"), Entered)
    assert [change for _, change in w.told].count("passkey_removed") == 2
