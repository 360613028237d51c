"""Friends, requests and blocks of one person, in both directions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select

from secureconnect.features.friends.api import PairChanged
from secureconnect.features.friends.store import blocks, friendships
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import BATCH, Page, delete_some, pages
from secureconnect.kit.clock import rfc3339

__all__ = ["People"]

_f, _b = friendships.c, blocks.c
_BLOCKS = 100  # each may change who may write in a conversation


class People:
    """Implements `privacy.api.Belongings`.

    Args:
        changed: told of each pair whose block ends with one of them.
    """

    name = "people"
    tables = frozenset({"friendships", "blocks"})

    def __init__(self, database: Database, users: Users, changed: Sequence[PairChanged]) -> None:
        self._database = database
        self._users = users
        self._changed = tuple(changed)

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`. Blocks of others against the person are not told."""
        own = or_(_f.user_low == user_id, _f.user_high == user_id)
        async for rows in pages(self._database, friendships, own):
            ids = [row["user_high"] if row["user_low"] == user_id else row["user_low"] for row in rows]
            yield "friends.json", await self._named(ids, [_friendship(row, user_id) for row in rows])
        async for rows in pages(self._database, blocks, _b.blocker_id == user_id):
            ids = [row["blocked_id"] for row in rows]
            told = [{"reason": row["reason"], "created_at": rfc3339(row["created_at"])} for row in rows]
            yield "blocks.json", await self._named(ids, told)

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        own = or_(_f.user_low == user_id, _f.user_high == user_id)
        removed = BATCH
        while removed == BATCH:
            removed = await self._database.write(lambda tx: delete_some(tx, friendships, own))
            yield removed
        removed = _BLOCKS
        while removed == _BLOCKS:
            removed = await self._database.write(lambda tx: self._unblock(tx, user_id))
            yield removed

    def _unblock(self, tx: WriteTx, user_id: str) -> int:
        own = or_(_b.blocker_id == user_id, _b.blocked_id == user_id)
        key = (_b.blocker_id, _b.blocked_id)
        pairs = tx.conn.execute(select(*key).where(own).order_by(*key).limit(_BLOCKS)).all()
        for blocker_id, blocked_id in pairs:
            tx.run("DELETE FROM blocks WHERE blocker_id = ? AND blocked_id = ?", (blocker_id, blocked_id))
            for changed in self._changed:
                changed(tx, blocker_id, blocked_id)
        return len(pairs)

    async def _named(
        self, user_ids: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """Rows about users, with the names that go by now."""
        found = await self._users.many(user_ids)
        return [
            {
                "user_id": user_id,
                "username": record.username if (record := found.get(user_id)) and record.active else None,
                **row,
            }
            for user_id, row in zip(user_ids, rows, strict=True)
        ]


def _friendship(row: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    return {
        "status": row["status"],
        "requested_by_me": row["requested_by"] == user_id,
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }
