"""Secrets of 256 random bits: shown once, stored as SHA-256. Nobody guesses one, so it needs no salt."""

import hashlib
import secrets

from secureconnect.features.bots.rules import TOKEN_PREFIX

__all__ = ["digest", "new_bot_token", "new_secret"]


def new_secret() -> str:
    """43 characters of base64url."""
    return secrets.token_urlsafe(32)


def new_bot_token() -> str:
    """`scb_` and 43 characters."""
    return TOKEN_PREFIX + new_secret()


def digest(secret: str) -> bytes:
    """The form in which a secret is stored and looked for; any text has one."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
