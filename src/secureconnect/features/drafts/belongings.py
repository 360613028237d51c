"""The drafts of one person."""

from secureconnect.features.drafts import store
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import PersonalRows, PersonalTable

__all__ = ["belongings"]


def belongings(database: Database) -> PersonalRows:
    """Implements `privacy.api.Belongings`."""
    return PersonalRows(
        database,
        "drafts",
        PersonalTable(
            store.drafts,
            lambda user_id: store.drafts.c.user_id == user_id,
            "drafts.json",
            ("conversation_id", "thread_root_id", "body", "updated_at"),
            json=("body",),
        ),
    )
