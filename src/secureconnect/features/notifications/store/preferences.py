"""What users want to be told."""

from collections.abc import Collection

import msgspec
from sqlalchemy import BigInteger, Column, Connection, String, Table, Text, delete, insert, select

from secureconnect.features.notifications.rules import Preferences
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["find_preferences", "preferences_in", "save_preferences"]

notification_preferences = Table(
    "notification_preferences",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("preferences", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

_p = notification_preferences.c
_CHUNK = 500

_decoder = msgspec.json.Decoder(Preferences)


def find_preferences(conn: Connection, user_ids: Collection[str]) -> dict[str, tuple[Preferences, int]]:
    """The preferences of those who ever changed them, and when they did (ms)."""
    ids = list(user_ids)
    return {
        row[0]: (_decoder.decode(row[1]), row[2])
        for start in range(0, len(ids), _CHUNK)
        for row in conn.execute(
            select(_p.user_id, _p.preferences, _p.updated_at).where(
                _p.user_id.in_(ids[start : start + _CHUNK])
            )
        )
    }


def preferences_in(tx: WriteTx, user_ids: Collection[str]) -> dict[str, Preferences]:
    """The same without times, for every message: plain SQL on the driver."""
    ids = list(user_ids)
    found: dict[str, Preferences] = {}
    for start in range(0, len(ids), _CHUNK):
        chunk = tuple(ids[start : start + _CHUNK])
        places = ", ".join("?" for _ in chunk)
        rows = tx.run(
            "SELECT user_id, preferences FROM notification_preferences"  # noqa: S608 - placeholders only
            f" WHERE user_id IN ({places})",
            chunk,
        )
        found |= {row[0]: _decoder.decode(row[1]) for row in rows}
    return found


def save_preferences(tx: WriteTx, user_id: str, preferences: Preferences, now: int) -> None:
    """Keep these in place of those there are."""
    tx.conn.execute(delete(notification_preferences).where(_p.user_id == user_id))
    encoded = msgspec.json.encode(preferences).decode()
    tx.conn.execute(
        insert(notification_preferences).values(user_id=user_id, preferences=encoded, updated_at=now)
    )
