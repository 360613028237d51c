"""Codes and numbers of second factors (docs/reference/rules.md §2)."""

import hmac
import secrets
from typing import Final, Literal

from pyotp import TOTP, random_base32

__all__ = [
    "CHALLENGE_SECONDS",
    "MAX_PASSKEYS",
    "RECOVERY_CODES",
    "SETUP_SECONDS",
    "STEP_SECONDS",
    "WRONG_CODES",
    "matching_steps",
    "method_of",
    "new_recovery_code",
    "new_secret",
    "normal_recovery_code",
    "otpauth_uri",
]

#: How long a login may wait for its second step, and how many wrong codes it survives.
STEP_SECONDS: Final = 300
WRONG_CODES: Final = 5
SETUP_SECONDS: Final = 600
CHALLENGE_SECONDS: Final = 300
MAX_PASSKEYS: Final = 10
RECOVERY_CODES: Final = 10

_PERIOD_MS: Final = 30_000
_TOTP_DIGITS: Final = 6
_CODE_LENGTH: Final = 10
# Crockford's base 32: no letter that people take for a digit.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_READ_AS: Final = str.maketrans("ilo", "110", "- ")


def new_secret() -> str:
    """160 random bits as 32 characters of base 32."""
    return random_base32(32)


def otpauth_uri(secret: str, account: str) -> str:
    """What an authenticator reads from a QR code."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name="SecureConnect")


def matching_steps(secret: str, code: str, now: int) -> list[int]:
    """Those of the three time steps around `now` (ms) that `code` belongs to (RFC 6238 with SHA-1, 6 digits,
    30 s)."""
    totp, current = TOTP(secret), now // _PERIOD_MS
    typed = code.encode("utf-8", "surrogatepass")
    return [
        step
        for step in range(current - 1, current + 2)
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed)
    ]


def new_recovery_code() -> str:
    """Ten characters, 50 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))


def normal_recovery_code(typed: str) -> str:
    """A code as it was shown, however it was typed: capitals, blanks, dashes, l for 1."""
    return typed.lower().translate(_READ_AS)


def method_of(code: str) -> Literal["totp", "recovery_code"]:
    """What a code seems to be."""
    return "totp" if len(code) == _TOTP_DIGITS else "recovery_code"
