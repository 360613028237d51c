"""The accounts elsewhere that one person logs in with."""

from secureconnect.features.oidc.store import oidc_identities
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import PersonalRows, PersonalTable

__all__ = ["belongings"]


def belongings(database: Database) -> PersonalRows:
    """Implements `privacy.api.Belongings`."""
    return PersonalRows(
        database,
        "sign_ins",
        PersonalTable(
            oidc_identities,
            lambda user_id: oidc_identities.c.user_id == user_id,
            "sign_ins.json",
            ("provider", "subject", "created_at"),
        ),
    )
