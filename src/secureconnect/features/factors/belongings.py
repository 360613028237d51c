"""The second factor and the passkeys of one person. Secrets are erased, and in no export."""

from secureconnect.features.factors.store import mfa_recovery_codes, mfa_totp, passkeys
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import PersonalRows, PersonalTable

__all__ = ["belongings"]


def belongings(database: Database) -> PersonalRows:
    """Implements `privacy.api.Belongings`."""
    return PersonalRows(
        database,
        "second_factors",
        PersonalTable(
            mfa_totp,
            lambda user_id: mfa_totp.c.user_id == user_id,
            "second_factor.json",
            ("confirmed_at",),
        ),
        PersonalTable(mfa_recovery_codes, lambda user_id: mfa_recovery_codes.c.user_id == user_id),
        PersonalTable(
            passkeys,
            lambda user_id: passkeys.c.user_id == user_id,
            "passkeys.json",
            ("passkey_id", "name", "created_at", "last_used_at"),
        ),
    )
