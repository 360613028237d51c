"""The personal log of calls: one row per user and call, written when the call is over."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import insert, update

from secureconnect.features.calls.store.tables import call_logs
from secureconnect.infra.database.base import WriteTx

__all__ = ["CallLog", "add_logs", "rate_log"]


class CallLog(Struct, frozen=True, kw_only=True):
    """What one user had of a call; `started_at` is when it began to ring. Times in ms, `duration` in s."""

    user_id: str
    started_at: int
    call_id: str
    conversation_id: str
    call_type: str
    direction: Literal["incoming", "outgoing"]
    ended_at: int
    duration: int
    status: Literal["completed", "missed", "declined", "failed"]


def add_logs(tx: WriteTx, logs: Sequence[CallLog]) -> None:
    """Write them."""
    if logs:
        tx.conn.execute(insert(call_logs), [asdict(log) for log in logs])


def rate_log(tx: WriteTx, user_id: str, call_id: str, rating: int) -> None:
    """How it was."""
    column = call_logs.c
    tx.conn.execute(
        update(call_logs)
        .where(column.user_id == user_id, column.call_id == call_id)
        .values(quality_rating=rating)
    )
