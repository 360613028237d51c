"""What the audit trail says of one person. Records stay; of an erased person they keep the id alone."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, func, or_, select, update

from secureconnect.features.audit.store import audit_logs
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import Page, pages, readable
from secureconnect.kit.ids import is_uuid

__all__ = ["Trail"]

_LOOKED_AT: Final = 5000  # rows per query
_CHANGED: Final = 200  # per transaction

_SHOWN = ("timestamp", "event", "result", "reason", "actor_type", "ip", "user_agent", "details")

_a = audit_logs.c
_details = msgspec.json.Decoder(dict[str, str])


class Trail:
    """Implements `privacy.api.Belongings`.

    Where the person acted, addresses, devices and requests go; there, where it was acted upon, and where its
    files are named, details keep nothing but ids.
    """

    name = "audit_records"
    tables = frozenset({"audit_logs"})

    def __init__(self, database: Database) -> None:
        self._database = database

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`: what the person did. What others did to it would tell of them."""
        async for rows in pages(self._database, audit_logs, _a.actor_id == user_id):
            yield "audit_records.json", [readable(row, _SHOWN, json=("details",)) for row in rows]

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        after: str | None = ""
        while after is not None:
            last, about = await self._database.read(lambda conn, after=after: _about(conn, user_id, after))  # type: ignore[misc]
            for start in range(0, len(about), _CHANGED):
                ids = about[start : start + _CHANGED]
                yield await self._database.write(lambda tx, ids=ids: _blank(tx, user_id, ids))  # type: ignore[misc]
            after = last


def _about(conn: Connection, user_id: str, after: str) -> tuple[str | None, list[str]]:
    """Records about the user among the next ones, and where those end; None at the end of all."""
    key = _a.audit_id
    owned = _a.details.contains(f'"owner":"{user_id}"')
    about = or_(_a.actor_id == user_id, _a.target_id == user_id, owned)
    rows = conn.execute(
        select(key, func.coalesce(about, False)).where(key > after).order_by(key).limit(_LOOKED_AT)
    ).all()
    return rows[-1][0] if len(rows) == _LOOKED_AT else None, [row[0] for row in rows if row[1]]


def _blank(tx: WriteTx, user_id: str, ids: Sequence[str]) -> int:
    rows = tx.conn.execute(select(_a.audit_id, _a.actor_id, _a.details).where(_a.audit_id.in_(ids))).all()
    for audit_id, actor_id, details in rows:
        kept = {name: value for name, value in _details.decode(details).items() if is_uuid(value)}
        values: dict[str, str | None] = {"details": msgspec.json.encode(kept).decode()}
        if actor_id == user_id:
            values |= dict.fromkeys(("ip", "user_agent", "session_id", "request_id"))
        tx.conn.execute(update(audit_logs).where(_a.audit_id == audit_id).values(values))
    return len(rows)
