"""Codes of apps and of lists."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp import TOTP

from secureconnect.features.factors import rules

# RFC 6238, appendix B, SHA-1; the last 6 of 8 digits.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
RFC_CODES = [
    (59, "287082"),
    (1_111_111_109, "081804"),
    (1_111_111_111, "050471"),
    (1_234_567_890, "005924"),
    (2_000_000_000, "279037"),
    (20_000_000_000, "353130"),
]


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_the_codes_of_the_rfc(seconds: int, code: str) -> None:
    assert rules.matching_steps(RFC_SECRET, code, seconds * 1000) == [seconds // 30]


def test_one_step_of_clock_difference_and_no_more() -> None:
    now = 1_111_111_111_000
    step = now // 30_000
    for shift, wanted in ((-2, []), (-1, [step - 1]), (0, [step]), (1, [step + 1]), (2, [])):
        assert rules.matching_steps(RFC_SECRET, _code(step + shift), now) == wanted


def _code(step: int) -> str:
    return TOTP(RFC_SECRET).generate_otp(step)


@given(st.text(max_size=16))
def test_other_text_is_no_code(text: str) -> None:
    steps = rules.matching_steps(RFC_SECRET, text, 59_000)
    assert steps == [] or text in {_code(0), _code(1), _code(2)}


def test_secrets_are_160_random_bits() -> None:
    secrets = {rules.new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(len(base64.b32decode(secret)) == 20 and len(secret) == 32 for secret in secrets)


def test_what_an_app_reads() -> None:
    parts = urlsplit(rules.otpauth_uri("A" * 32, "ann+x@example.test"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path == "/SecureConnect:ann%2Bx%40example.test"
    query = parse_qs(parts.query)
    assert query["secret"] == ["A" * 32]
    assert query["issuer"] == ["SecureConnect"]
    assert query.keys() <= {"secret", "issuer", "algorithm", "digits", "period"}


def test_recovery_codes_read_as_people_write_them() -> None:
    codes = {rules.new_recovery_code() for _ in range(200)}
    assert len(codes) == 200
    for code in codes:
        assert len(code) == 10
        assert rules.normal_recovery_code(code) == code
        assert rules.normal_recovery_code(f" {code[:5].upper()}-{code[5:]} ") == code
        assert rules.method_of(code) == "recovery_code"
    assert rules.normal_recovery_code("iLoO0-11abc") == "1100011abc"
    assert rules.method_of("123456") == "totp"
