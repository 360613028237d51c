"""Second factors and passkeys of the caller, and single sign-on."""

from typing import Any

from secureconnect.client.models.base import Model, Moment

__all__ = [
    "Factors",
    "NewPasskey",
    "OidcProvider",
    "OidcStart",
    "Passkey",
    "PasskeyOptions",
    "TotpSetup",
]


class Factors(Model, frozen=True, kw_only=True):
    """What the account has besides its password."""

    totp_enabled: bool
    passkey_count: int
    recovery_codes_left: int


class TotpSetup(Model, frozen=True, kw_only=True):
    """A secret for an authenticator app, and what its QR code says; to be confirmed within `expires_in` s."""

    secret: str
    otpauth_uri: str
    expires_in: int


class PasskeyOptions(Model, frozen=True, kw_only=True):
    """A challenge; `public_key` is the JSON form of WebAuthn's creation or request options."""

    challenge_id: str
    public_key: dict[str, Any]


class NewPasskey(Model, frozen=True, kw_only=True):
    """A passkey that was just registered."""

    passkey_id: str
    name: str
    created_at: Moment


class Passkey(NewPasskey, frozen=True, kw_only=True):
    """One of the caller's passkeys."""

    last_used_at: Moment | None = None


class OidcProvider(Model, frozen=True, kw_only=True):
    """Where people may log in instead of here; `name` stands on a button."""

    id: str
    name: str


class OidcStart(Model, frozen=True, kw_only=True):
    """Where a browser goes to log in at a provider, and the secret that the exchange of the code needs."""

    url: str
    code_verifier: str
