"""Leases in a table of the Database."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    delete,
    select,
    text,
)

from secureconnect.infra.database.base import METADATA, Database, WriteTx
from secureconnect.infra.leases.base import Expired
from secureconnect.kit.clock import Clock

__all__ = ["RelationalLeases"]

leases = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)
_c = leases.c

_TAKE: Final = text(
    "INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE leases.holder = excluded.holder OR leases.until <= :now"
).bindparams(bindparam("until", type_=BigInteger), bindparam("now", type_=BigInteger))


class RelationalLeases:
    """Implements `Leases` for the process `holder`."""

    def __init__(self, database: Database, clock: Clock, holder: str) -> None:
        self._database = database
        self._clock = clock
        self._holder = holder

    async def take(self, names: Collection[str], seconds: float) -> set[str]:
        now = self._clock.now()
        until = now + int(seconds * 1000)

        def work(tx: WriteTx) -> set[str]:
            rows = tx.conn.execute(select(leases).where(_c.name.in_(names)))
            held = {row.name: (row.holder, row.until) for row in rows}
            mine: set[str] = set()
            for name in sorted(names):  # in one order, so that two processes do not wait for each other
                holder, ends = held.get(name, (self._holder, 0))
                if holder != self._holder and ends > now:
                    continue
                values = {"name": name, "holder": self._holder, "until": until, "now": now}
                if tx.conn.execute(_TAKE, values).rowcount == 1:
                    mine.add(name)
            return mine

        return await self._database.write(work)

    async def give_back(self, names: Collection[str]) -> None:
        ours = delete(leases).where(_c.name.in_(names), _c.holder == self._holder)
        await self._database.write(lambda tx: tx.conn.execute(ours).rowcount, brief=True)

    async def held_elsewhere(self, prefix: str) -> bool:
        now = self._clock.now()

        def query(conn: Connection) -> bool:
            others = select(_c.name).where(*_beginning(prefix), _c.holder != self._holder, _c.until > now)
            return conn.execute(others.limit(1)).first() is not None

        return await self._database.lookup(query)

    async def expired(self, prefix: str) -> list[Expired]:
        now = self._clock.now()
        over = select(_c.name, _c.until).where(*_beginning(prefix), _c.until <= now).order_by(_c.name)
        return await self._database.lookup(
            lambda conn: [Expired(name, until) for name, until in conn.execute(over)]
        )

    async def remove(self, lease: Expired) -> bool:
        it = delete(leases).where(_c.name == lease.name, _c.until == lease.until)
        return await self._database.write(lambda tx: tx.conn.execute(it).rowcount == 1, brief=True)


def _beginning(prefix: str) -> tuple[ColumnElement[bool], ...]:
    """A range of the primary key; names are ASCII."""
    return _c.name >= prefix, _c.name < prefix[:-1] + chr(ord(prefix[-1]) + 1)
