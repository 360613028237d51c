"""STUN messages: the examples of RFC 5769, and everything that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.infra.turn import stun

# RFC 5769 §2.2: a success with MESSAGE-INTEGRITY by the short-term password below.
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
RESPONSE_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a147"
    "0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"


def test_an_answer_with_an_address() -> None:
    reply = stun.read(RESPONSE, PASSWORD)
    assert (reply.method, reply.error, reply.address) == (stun.BINDING, 0, ("192.0.2.1", 32853))
    assert reply.signed
    assert not stun.read(RESPONSE, b"another").signed
    assert not stun.read(RESPONSE).signed
    assert stun.read(RESPONSE_6, PASSWORD).address == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def test_a_changed_answer_is_not_signed() -> None:
    changed = bytearray(RESPONSE)
    changed[46] ^= 1
    assert not stun.read(bytes(changed), PASSWORD).signed


def test_a_long_term_key() -> None:
    # MD5 of "user:realm:pass", RFC 8489 §9.2.2.
    assert stun.long_term_key("user", b"realm", "pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"


def test_addresses_come_back() -> None:
    transaction = stun.new_transaction()
    for host in ("192.0.2.1", "2001:db8::7"):
        value = stun.peer_address(host, 4321, transaction)
        message = stun.encode(stun.BINDING | 0x100, transaction, {0x0020: value})
        assert stun.read(message).address == (host, 4321)


def test_an_error() -> None:
    attributes = {0x0009: bytes([0, 0, 4, 1]) + b"Unauthorized", stun.REALM: b"r", stun.NONCE: b"n"}
    reply = stun.read(stun.encode(stun.ALLOCATE | 0x110, bytes(12), attributes))
    assert (reply.method, reply.error, reply.reason) == (stun.ALLOCATE, 401, "Unauthorized")
    assert (reply.realm, reply.nonce, reply.address) == (b"r", b"n", None)


@given(st.binary(max_size=80))
def test_noise(noise: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        stun.read(noise)


# What follows a signature is not read.
@given(st.binary(max_size=12), st.integers(0, 0xFFFF).filter(lambda kind: kind != 0x0008))
def test_broken_attributes(value: bytes, kind: int) -> None:
    head = stun.encode(0x0101, bytes(12), {kind: value})
    broken = head[:2] + (len(head) - 16).to_bytes(2, "big") + head[4:] + bytes([0x80, 0x22, 0xFF, 0xFF])
    with pytest.raises(ValueError, match=r".+"):
        stun.read(broken)


def test_what_is_no_answer() -> None:
    with pytest.raises(ValueError, match="no answer"):
        stun.read(stun.encode(stun.BINDING, bytes(12), {}))
    with pytest.raises(ValueError, match="no STUN message"):
        stun.length_of(b"HTTP/1.1 400 Bad Request")
