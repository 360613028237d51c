"""What one person reported, and what was reported of it.

Reports stay, so that whoever decides about somebody else still can; the words of the person go, and words
about the person.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from sqlalchemy import or_, update

from secureconnect.features.reports.store import reports
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import Page, pages, readable
from secureconnect.infra.timeline.base import Timeline

__all__ = ["Reports"]

_BATCH: Final = 500
_ERASED: Final = "Erased with the account."

_r = reports.c


class Reports:
    """Implements `privacy.api.Belongings`."""

    name = "reports"
    tables = frozenset({"reports"})

    def __init__(self, database: Database, timeline: Timeline) -> None:
        self._database = database
        self._timeline = timeline

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`: what the person reported."""
        shown = ("report_id", "target_type", "target_id", "reason", "status", "created_at")
        async for rows in pages(self._database, reports, _r.reporter_id == user_id):
            yield "reports.json", [readable(row, shown) for row in rows]

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        own = or_(_r.reporter_id == user_id, (_r.target_type == "user") & (_r.target_id == user_id))
        async for rows in pages(self._database, reports, own & (_r.reason != _ERASED), _BATCH):
            ids = [row["report_id"] for row in rows]
            yield await self._database.write(lambda tx, ids=ids: _blank(tx, ids, content=False))  # type: ignore[misc]
        async for rows in pages(self._database, reports, _r.target_type == "message", _BATCH):
            told = {
                row["report_id"]: row["target_id"]
                for row in rows
                if row["reason"] != _ERASED or row["content"]
            }
            messages = await self._timeline.messages_by_id(set(told.values()))
            about = [
                report_id
                for report_id, message_id in told.items()
                if message_id in messages and messages[message_id].sender_id == user_id
            ]
            if about:
                yield await self._database.write(lambda tx, about=about: _blank(tx, about, content=True))  # type: ignore[misc]


def _blank(tx: WriteTx, ids: Sequence[str], *, content: bool) -> int:
    values: dict[str, str | None] = {"reason": _ERASED, "note": None}
    if content:
        values["content"] = None
    return tx.conn.execute(update(reports).where(_r.report_id.in_(ids)).values(values)).rowcount
