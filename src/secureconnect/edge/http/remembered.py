"""Answers that are remembered for one caller, and go when the caller does."""

from secureconnect.edge.http.idempotency import idempotency_keys
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import PersonalRows, PersonalTable

__all__ = ["remembered_answers"]


def remembered_answers(database: Database) -> PersonalRows:
    """Rows that are kept so that a repeated request is answered like the first one; sealed, in no export."""
    return PersonalRows(
        database,
        "remembered_answers",
        PersonalTable(idempotency_keys, lambda user_id: idempotency_keys.c.caller_id == user_id),
    )
