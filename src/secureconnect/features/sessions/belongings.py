"""The sessions of one person, and the tokens that belong to them."""

from sqlalchemy import select

from secureconnect.features.sessions.store import one_time_tokens, refresh_tokens, sessions
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import PersonalRows, PersonalTable

__all__ = ["belongings"]


def belongings(database: Database) -> PersonalRows:
    """Implements `privacy.api.Belongings`; a row refers to the next table, so the order counts."""
    own = sessions.c.user_id
    return PersonalRows(
        database,
        "sessions",
        PersonalTable(one_time_tokens, lambda user_id: one_time_tokens.c.user_id == user_id),
        PersonalTable(
            refresh_tokens,
            lambda user_id: refresh_tokens.c.session_id.in_(
                select(sessions.c.session_id).where(own == user_id)
            ),
        ),
        PersonalTable(
            sessions,
            lambda user_id: own == user_id,
            "sessions.json",
            (
                "session_id",
                "device_name",
                "ip",
                "user_agent",
                "created_at",
                "authenticated_at",
                "last_used_at",
                "expires_at",
                "revoked_at",
                "revoke_reason",
            ),
        ),
    )
