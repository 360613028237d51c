"""Signing keys over months, on a clock that tests move (contract rules §2)."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secureconnect.features.sessions.service import KeyRing
from secureconnect.infra.crypto.sealing import SealBroken, Sealer
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, KeysChanged
from tests.unit.auth.world import ACCESS_TTL, HERE, World


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def published(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in ring.jwks()["keys"]]


def signs_with(ring: KeyRing) -> str:
    return kid(ring.sign({"sub": "x"}))


async def rotate(w: World) -> tuple[str, int]:
    return await w.database.write(w.keyring.rotate_in)


async def test_a_key_is_made_at_the_first_start_and_kept(w: World) -> None:
    (first,) = published(w.keyring)
    assert signs_with(w.keyring) == first
    other = w.ring()
    await other.load()
    assert published(other) == [first]
    w.clock.move(days=80)
    await w.keyring.load()
    assert published(w.keyring) == [first]


async def test_a_successor_is_published_ten_minutes_before_its_first_use(w: World) -> None:
    first = signs_with(w.keyring)
    w.clock.move(days=90, minutes=-10.5)
    await w.keyring.load()
    assert published(w.keyring) == [first]
    w.clock.move(minutes=0.5)
    await w.keyring.load()
    old, new = published(w.keyring)
    assert old == first
    for _ in range(9):
        w.clock.move(minutes=1)
        await w.keyring.load()
        assert published(w.keyring) == [first, new]
        assert signs_with(w.keyring) == first
    w.clock.move(minutes=1)
    assert signs_with(w.keyring) == new


async def test_old_tokens_verify_for_their_lifetime_and_a_minute(w: World) -> None:
    await w.join("ann")
    w.clock.move(days=90, minutes=-1)
    await w.keyring.load()
    old = (await w.enter("ann")).access_token
    first = kid(old)
    w.clock.move(minutes=1)
    assert signs_with(w.keyring) != first
    await w.access.authenticate(old)
    w.clock.move(seconds=ACCESS_TTL + 59)
    await w.keyring.load()
    assert first in published(w.keyring)
    assert w.keyring.public(first) is not None
    w.clock.move(seconds=1)
    assert first not in published(w.keyring)
    assert w.keyring.public(first) is None
    await w.keyring.load()
    assert len(published(w.keyring)) == 1


async def test_every_token_outlives_its_key_by_no_second(w: World) -> None:
    """A token signed at any moment verifies until it expires, over two rotations."""
    await w.join("ann")
    for _ in range(3):
        w.clock.move(days=89)
        for _ in range(150):
            w.clock.move(minutes=14)
            await w.keyring.load()
            token = (await w.enter("ann")).access_token
            w.clock.move(seconds=ACCESS_TTL)
            await w.keyring.load()
            assert w.keyring.public(kid(token)) is not None


async def test_after_a_long_stop_a_new_key_signs_at_once(w: World) -> None:
    first = signs_with(w.keyring)
    w.clock.move(days=200)
    late = w.ring()
    await late.load()
    assert first not in published(late)
    assert signs_with(late) == published(late)[0]


async def test_a_rotation_by_hand_takes_effect_at_once(w: World) -> None:
    await w.join("ann")
    old = (await w.enter("ann")).access_token
    new, until = await rotate(w)
    assert until == w.clock.now() + (ACCESS_TTL + 60) * 1000
    assert signs_with(w.keyring) == new
    assert set(published(w.keyring)) == {kid(old), new}
    await w.access.authenticate(old)
    w.clock.move(seconds=ACCESS_TTL + 60)
    await w.keyring.load()
    assert published(w.keyring) == [new]


async def test_a_rotation_by_hand_also_replaces_a_published_successor(w: World) -> None:
    """What was published for later may be what somebody stole: it never signs."""
    w.clock.move(days=90, minutes=-5)
    await w.keyring.load()
    _, successor = published(w.keyring)
    new, _ = await rotate(w)
    for _ in range(40):
        assert signs_with(w.keyring) == new
        w.clock.move(minutes=1)
        await w.keyring.load()
    assert published(w.keyring) == [new]
    assert w.keyring.public(successor) is None


async def test_a_rotation_that_fails_changes_nothing(w: World) -> None:
    first = signs_with(w.keyring)

    def work(tx: object) -> None:
        w.keyring.rotate_in(tx)  # type: ignore[arg-type]  # a transaction that is taken back
        raise ApiError(ErrorCode.CONFLICT)

    with pytest.raises(ApiError):
        await w.database.write(work)
    assert signs_with(w.keyring) == first
    await w.keyring.load()
    assert published(w.keyring) == [first]


async def test_another_process_learns_of_a_rotation_with_its_next_look(w: World) -> None:
    other = w.ring()
    await other.load()
    new, _ = await rotate(w)
    await other.load()
    assert signs_with(other) == new


async def test_private_keys_are_stored_sealed(w: World) -> None:
    stranger = KeyRing(w.database, Sealer(bytes(32)), w.clock, rotation_days=90, access_ttl=ACCESS_TTL)
    with pytest.raises(SealBroken, match="master key"):
        await stranger.load()


async def test_rotation_is_audited(w: World) -> None:
    _, tokens = await w.join("ann")
    caller = await w.access.authenticate(tokens.access_token)
    new, _ = await w.sessions.rotate_keys(caller, HERE)
    (entry,) = w.events("signing_key_rotated")
    assert (entry.target_type, entry.target_id) == ("server", new)


async def test_a_token_under_a_key_of_another_process_is_looked_up(w: World) -> None:
    _, tokens = await w.join("ann")
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    other = w.ring()
    await other.load()
    await rotate_at(w, other)
    token = other.sign(claims)
    assert (await w.access.authenticate(token)).user_id == claims["sub"]


async def test_unknown_keys_are_asked_for_once_a_second_unless_one_is_announced(w: World) -> None:
    _, tokens = await w.join("ann")
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "nobody's"})
    with pytest.raises(ApiError) as refused:
        await w.access.authenticate(forged)
    assert refused.value.code is ErrorCode.UNAUTHORIZED
    other = w.ring()
    await other.load()
    await rotate_at(w, other)
    token = other.sign(claims)
    with pytest.raises(ApiError):  # somebody has just asked for nothing
        await w.access.authenticate(token)
    w.access._bus.publish(CONTROL, KeysChanged())
    assert (await w.access.authenticate(token)).user_id == claims["sub"]


async def rotate_at(w: World, ring: KeyRing) -> None:
    """As another process does it; the hint is not published."""
    await w.database.write(ring.rotate_in)
