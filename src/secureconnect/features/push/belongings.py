"""One person's devices, and what was pushed to them."""

from secureconnect.features.push.store.deliveries import push_deliveries
from secureconnect.features.push.store.tokens import push_tokens
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import PersonalRows, PersonalTable

__all__ = ["belongings"]


def belongings(database: Database) -> PersonalRows:
    """Implements `privacy.api.Belongings`. Pushes that still wait find no device and end."""
    return PersonalRows(
        database,
        "push",
        PersonalTable(
            push_tokens,
            lambda user_id: push_tokens.c.user_id == user_id,
            "push_tokens.json",
            (
                "token_id",
                "type",
                "token_hint",
                "device_id",
                "platform",
                "active",
                "last_success_at",
                "created_at",
                "updated_at",
            ),
        ),
        PersonalTable(
            push_deliveries,
            lambda user_id: push_deliveries.c.user_id == user_id,
            "push_deliveries.json",
            ("delivery_id", "token_id", "kind", "status", "created_at", "updated_at"),
        ),
    )
