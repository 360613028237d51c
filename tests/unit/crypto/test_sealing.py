"""What is sealed opens in its place and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.infra.crypto.sealing import SealBroken, Sealer

KEY, OTHER = bytes(range(32)), bytes(32)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_was_sealed_opens_again(plaintext: bytes, place: str) -> None:
    sealed = Sealer(KEY).seal(plaintext, place)
    assert Sealer(KEY).open(sealed, place) == plaintext
    assert len(sealed) == len(plaintext) + 33
    if len(plaintext) > 4:
        assert plaintext not in sealed


def test_the_same_seals_differently_each_time() -> None:
    sealer = Sealer(KEY)
    assert len({sealer.seal(b"x", "place") for _ in range(100)}) == 100


def test_moved_altered_and_foreign_seals_are_broken() -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(b"secret", "here")
    with pytest.raises(SealBroken, match="there: altered or moved"):
        sealer.open(sealed, "there")
    with pytest.raises(SealBroken, match="unknown master key"):
        Sealer(OTHER).open(sealed, "here")
    for index in range(len(sealed)):
        broken = bytearray(sealed)
        broken[index] ^= 1
        with pytest.raises(SealBroken):
            sealer.open(bytes(broken), "here")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"x" * 16, b"x" * 100, bytes(64)])
def test_what_is_no_seal_is_broken(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        Sealer(KEY).open(sealed, "here")


@pytest.mark.parametrize("length", range(34))
def test_a_seal_that_was_cut_off_is_broken(length: int) -> None:
    sealer = Sealer(KEY)
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"secret", "here")[:length], "here")


def test_earlier_master_keys_still_open() -> None:
    sealed = Sealer(OTHER).seal(b"secret", "here")
    rotated = Sealer(KEY, [OTHER])
    assert rotated.open(sealed, "here") == b"secret"
    with pytest.raises(SealBroken):
        Sealer(OTHER).open(rotated.seal(b"secret", "here"), "here")


def test_fingerprints_tell_secrets_places_and_keys_apart() -> None:
    sealer = Sealer(KEY)
    (mark,) = sealer.fingerprints(b"secret", "here")
    assert [mark] == Sealer(KEY).fingerprints(b"secret", "here")
    others = [
        *sealer.fingerprints(b"secret2", "here"),
        *sealer.fingerprints(b"secret", "there"),
        *sealer.fingerprints(b"esecret", "her"),
        *Sealer(OTHER).fingerprints(b"secret", "here"),
    ]
    assert mark not in others
    assert len(set(others)) == 4


def test_a_fingerprint_made_before_the_master_key_changed_is_found() -> None:
    (before,) = Sealer(KEY).fingerprints(b"secret", "here")
    newest, *earlier = Sealer(OTHER, previous=[KEY]).fingerprints(b"secret", "here")
    assert [newest] == Sealer(OTHER).fingerprints(b"secret", "here")
    assert earlier == [before]
