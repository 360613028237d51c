"""Passkeys that are broken on purpose (hypothesis)."""

import base64

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secureconnect.features.factors.service import RelyingParty
from secureconnect.features.factors.service.relying_party import Refused, challenge_id_of, new_challenge
from secureconnect.kit.ids import new_id
from tests.authenticator import Authenticator, b64, unb64
from tests.unit.auth.world import ORIGIN
from tests.unit.factors.people import Credential

PARTY = RelyingParty("chat.example.test", ORIGIN)


USER = new_id()


def made() -> tuple[Authenticator, bytes, Credential]:
    challenge = new_challenge(new_id())
    device = Authenticator(ORIGIN)
    return device, challenge, device.create(PARTY.creation_options(challenge, USER, "a", "a", []))


# Made once: what is broken must not differ from run to run.
MADE = made()


ANSWER = MADE[0].get(PARTY.request_options(MADE[1]))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_broken_registrations_are_refused_and_nothing_worse(data: st.DataObject) -> None:
    _, challenge, credential = MADE
    broken = _broken(data, credential, ("clientDataJSON", "attestationObject"))
    try:
        PARTY.verify_registration(broken, challenge)
    except Refused:
        return
    # A flipped bit that no rule looks at, such as in the AAGUID, leaves it a registration.
    assert broken["rawId"] == credential["rawId"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_broken_assertions_are_refused_and_nothing_worse(data: st.DataObject) -> None:
    _, challenge, credential = MADE
    key = PARTY.verify_registration(credential, challenge).public_key
    assert PARTY.verify_assertion(ANSWER, challenge, key, USER) == 2
    broken = _broken(data, ANSWER, ("clientDataJSON", "authenticatorData", "signature"))
    if broken == ANSWER:
        return
    with pytest.raises(Refused):
        PARTY.verify_assertion(broken, challenge, key, USER)


def _broken(data: st.DataObject, credential: Credential, parts: tuple[str, ...]) -> Credential:
    part = data.draw(st.sampled_from(parts))
    raw = bytearray(unb64(credential["response"][part]))
    how = data.draw(st.sampled_from(("flip", "cut", "replace", "text")))
    if how == "flip":
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "cut":
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    elif how == "replace":
        raw[:] = data.draw(st.binary(max_size=200))
    text = data.draw(st.text(max_size=50)) if how == "text" else b64(bytes(raw))
    return {**credential, "response": {**credential["response"], part: text}}


@pytest.mark.parametrize(
    "cbor",
    [
        b"\x9f" * 100_000,  # arrays without end
        b"\x81" * 100_000,  # arrays in arrays
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",  # a map of 2^64 entries
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",  # a string of 2^63 bytes
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",  # an array of 2^63
        b"\xc2\x5a\x00\x0f\xff\xff" + b"\xff" * 60_000,  # a huge number
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a value that contains itself
        b"\xa1\xd8\x23\x61\x28\x00",  # a broken regular expression as key
        b"",
    ],
    ids=lambda cbor: cbor[:4].hex(),
)
def test_hostile_cbor_is_refused(cbor: bytes) -> None:
    _, challenge, credential = made()
    credential["response"]["attestationObject"] = b64(cbor)
    with pytest.raises(Refused):
        PARTY.verify_registration(credential, challenge)
    inner = unb64(made()[2]["response"]["attestationObject"])[:30] + cbor
    credential["response"]["attestationObject"] = b64(inner)
    with pytest.raises(Refused):
        PARTY.verify_registration(credential, challenge)


@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode()))
def test_what_names_no_challenge(text: str) -> None:
    named = challenge_id_of({"response": {"clientDataJSON": text}})
    assert named is None


def test_an_answer_names_its_challenge() -> None:
    challenge_id = new_id()
    challenge = new_challenge(challenge_id)
    client_data = msgspec.json.encode({"challenge": b64(challenge)})
    assert challenge_id_of({"response": {"clientDataJSON": b64(client_data)}}) == challenge_id
    for wrong in (b"[]", b"{}", b'{"challenge":5}', b'{"challenge":"AA"}', b"[" * 100_000):
        assert challenge_id_of({"response": {"clientDataJSON": b64(wrong)}}) is None
