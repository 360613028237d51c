"""The table `login_attempts`: failures per identifier and address, and across addresses under `*`."""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["ANYWHERE", "Attempts", "clear", "clear_all", "find", "locked_elsewhere", "purge", "save"]

#: The row that counts an identifier's failures from all addresses.
ANYWHERE = "*"

login_attempts = Table(
    "login_attempts",
    METADATA,
    Column("identifier_hash", LargeBinary, primary_key=True),
    Column("ip", Text, primary_key=True),
    Column("window_start", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", BigInteger),
    Index("login_attempts_window_start_idx", "window_start"),
)


class Attempts(NamedTuple):
    """Failures since `window_start`; times in milliseconds."""

    window_start: int
    failures: int
    locked_until: int | None


def find(conn: Connection, identifier_hash: bytes, ip: str) -> Attempts | None:
    """The failures of one identifier from one address."""
    c = login_attempts.c
    row = conn.execute(
        select(c.window_start, c.failures, c.locked_until).where(
            c.identifier_hash == identifier_hash, c.ip == ip
        )
    ).first()
    return Attempts(*row) if row is not None else None


def save(tx: WriteTx, identifier_hash: bytes, ip: str, attempts: Attempts, *, new: bool) -> None:
    """Insert or replace the failures of one identifier from one address."""
    c = login_attempts.c
    if new:
        values = {"identifier_hash": identifier_hash, "ip": ip, **attempts._asdict()}
        tx.conn.execute(insert(login_attempts).values(values))
    else:
        tx.conn.execute(
            update(login_attempts)
            .where(c.identifier_hash == identifier_hash, c.ip == ip)
            .values(attempts._asdict())
        )


def clear(tx: WriteTx, identifier_hash: bytes, ip: str) -> None:
    """Forget the failures after a success."""
    c = login_attempts.c
    tx.conn.execute(delete(login_attempts).where(c.identifier_hash == identifier_hash, c.ip == ip))


def clear_all(tx: WriteTx, identifier_hash: bytes) -> None:
    """Forget the failures from all addresses."""
    tx.conn.execute(delete(login_attempts).where(login_attempts.c.identifier_hash == identifier_hash))


def locked_elsewhere(conn: Connection, identifier_hash: bytes, ip: str, until: int) -> bool:
    """Whether another single address has a lock that ends, or ended, after `until`."""
    c = login_attempts.c
    query = select(c.ip).where(
        c.identifier_hash == identifier_hash, c.ip.not_in([ip, ANYWHERE]), c.locked_until > until
    )
    return conn.execute(query.limit(1)).first() is not None


def purge(tx: WriteTx, before: int) -> int:
    """Forget windows that began before; returns how many."""
    return tx.conn.execute(delete(login_attempts).where(login_attempts.c.window_start < before)).rowcount
