"""The table `oidc_identities`: which account a subject of a provider has."""

from sqlalchemy import BigInteger, Column, Connection, Index, String, Table, Text, insert, select
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = ["Raced", "add", "oidc_identities", "owner"]

oidc_identities = Table(
    "oidc_identities",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("oidc_identities_user_id_idx", "user_id"),
)
c = oidc_identities.c


class Raced(Exception):
    """Somebody else linked the same subject at the same time: everything has to be looked at again."""


def owner(conn: Connection, provider: str, subject: str) -> str | None:
    """Whose this subject is."""
    query = select(c.user_id).where(c.provider == provider, c.subject == subject)
    return conn.execute(query).scalar_one_or_none()


def add(tx: WriteTx, provider: str, subject: str, user_id: str, now: int) -> None:
    """Link a subject that has no account. Raises `Raced` when it has one since."""
    try:
        tx.conn.execute(
            insert(oidc_identities).values(
                provider=provider, subject=subject, user_id=user_id, created_at=now
            )
        )
    except IntegrityError as error:
        raise Raced from error
