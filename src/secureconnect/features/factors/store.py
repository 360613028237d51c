"""The tables of second factors and every query on them."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    union,
    update,
)
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = [
    "Passkey",
    "TotpRow",
    "add_passkey",
    "add_totp",
    "count_passkeys",
    "count_recovery_codes",
    "forget",
    "having",
    "is_recovery_code",
    "passkey_by_credential",
    "passkeys_of",
    "remove_passkey",
    "remove_totp",
    "rename_passkey",
    "replace_recovery_codes",
    "totp",
    "use_passkey",
    "use_recovery_code",
    "use_step",
]

mfa_totp = Table(
    "mfa_totp",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("secret_enc", LargeBinary, nullable=False),
    Column("confirmed_at", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
)
mfa_recovery_codes = Table(
    "mfa_recovery_codes",
    METADATA,
    Column("user_id", String(36), primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
    Column("used_at", BigInteger),
)
passkeys = Table(
    "passkeys",
    METADATA,
    Column("passkey_id", String(36), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Index("passkeys_credential_id_key", "credential_id", unique=True),
    Index("passkeys_user_id_idx", "user_id", "created_at"),
)


class TotpRow(NamedTuple):
    """A TOTP secret, sealed, and the step of the last code that was accepted."""

    secret_enc: bytes
    last_step: int


class Passkey(NamedTuple):
    """A credential; `public_key` is its COSE key."""

    passkey_id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: int
    last_used_at: int | None


def having(conn: Connection, user_ids: Collection[str]) -> set[str]:
    """Those who have a second factor."""
    owners = union(
        select(mfa_totp.c.user_id).where(mfa_totp.c.user_id.in_(user_ids)),
        select(passkeys.c.user_id).where(passkeys.c.user_id.in_(user_ids)),
    )
    return set(conn.execute(owners).scalars())


def totp(conn: Connection, user_id: str) -> TotpRow | None:
    """The user's TOTP secret."""
    c = mfa_totp.c
    row = conn.execute(select(c.secret_enc, c.last_step).where(c.user_id == user_id)).first()
    return TotpRow(*row) if row is not None else None


def add_totp(tx: WriteTx, user_id: str, secret_enc: bytes, *, now: int, last_step: int) -> None:
    """Store a confirmed secret; raises ApiError `CONFLICT` when there is one."""
    try:
        tx.conn.execute(
            insert(mfa_totp).values(
                user_id=user_id, secret_enc=secret_enc, confirmed_at=now, last_step=last_step
            )
        )
    except IntegrityError as error:
        raise ApiError(ErrorCode.CONFLICT, "TOTP is on already.") from error


def use_step(tx: WriteTx, user_id: str, step: int) -> bool:
    """Use up the code of this step and of all before it; False when it was used already (compare-and-set)."""
    c = mfa_totp.c
    used = update(mfa_totp).where(c.user_id == user_id, c.last_step < step).values(last_step=step)
    return tx.conn.execute(used).rowcount == 1


def remove_totp(tx: WriteTx, user_id: str) -> None:
    """Forget the secret."""
    tx.conn.execute(delete(mfa_totp).where(mfa_totp.c.user_id == user_id))


def replace_recovery_codes(tx: WriteTx, user_id: str, code_hashes: Sequence[bytes]) -> None:
    """From now on these work, and no others."""
    tx.conn.execute(delete(mfa_recovery_codes).where(mfa_recovery_codes.c.user_id == user_id))
    if code_hashes:
        rows = [{"user_id": user_id, "code_hash": code_hash} for code_hash in code_hashes]
        tx.conn.execute(insert(mfa_recovery_codes), rows)


def use_recovery_code(tx: WriteTx, user_id: str, code_hashes: Sequence[bytes], now: int) -> bool:
    """Use up a code, known by any of these hashes; False when there is no unused one (compare-and-set)."""
    c = mfa_recovery_codes.c
    used = (
        update(mfa_recovery_codes)
        .where(c.user_id == user_id, c.code_hash.in_(code_hashes), c.used_at.is_(None))
        .values(used_at=now)
    )
    return tx.conn.execute(used).rowcount == 1


def is_recovery_code(conn: Connection, user_id: str, code_hashes: Sequence[bytes]) -> bool:
    """Whether this is one of the user's current codes, used or not."""
    c = mfa_recovery_codes.c
    query = select(c.user_id).where(c.user_id == user_id, c.code_hash.in_(code_hashes))
    return conn.execute(query).first() is not None


def count_recovery_codes(conn: Connection, user_id: str) -> int:
    """How many are left."""
    c = mfa_recovery_codes.c
    query = select(func.count()).where(c.user_id == user_id, c.used_at.is_(None))
    return conn.execute(query).scalar_one()


def passkeys_of(conn: Connection, user_id: str) -> list[Passkey]:
    """The user's passkeys, oldest first."""
    c = passkeys.c
    query = select(passkeys).where(c.user_id == user_id).order_by(c.created_at, c.passkey_id)
    return [Passkey(*row) for row in conn.execute(query)]


def count_passkeys(conn: Connection, user_id: str) -> int:
    """How many passkeys the user has."""
    return conn.execute(select(func.count()).where(passkeys.c.user_id == user_id)).scalar_one()


def passkey_by_credential(conn: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey with this credential id, whosever it is."""
    row = conn.execute(select(passkeys).where(passkeys.c.credential_id == credential_id)).first()
    return Passkey(*row) if row is not None else None


def add_passkey(tx: WriteTx, passkey: Passkey) -> bool:
    """Store a passkey; False when its credential is registered already."""
    try:
        tx.conn.execute(insert(passkeys).values(passkey._asdict()))
    except IntegrityError:
        return False
    return True


def use_passkey(tx: WriteTx, passkey_id: str, sign_count: int, now: int) -> None:
    """Remember a use and the counter of the authenticator."""
    tx.conn.execute(
        update(passkeys)
        .where(passkeys.c.passkey_id == passkey_id)
        .values(sign_count=sign_count, last_used_at=now)
    )


def rename_passkey(tx: WriteTx, user_id: str, passkey_id: str, name: str) -> Passkey | None:
    """Change the name of one of the user's passkeys; None when there is none with this id."""
    c = passkeys.c
    named = (
        update(passkeys)
        .where(c.passkey_id == passkey_id, c.user_id == user_id)
        .values(name=name)
        .returning(*passkeys.c)
    )
    row = tx.conn.execute(named).first()
    return Passkey(*row) if row is not None else None


def remove_passkey(tx: WriteTx, user_id: str, passkey_id: str) -> bool:
    """Remove one of the user's passkeys; False when there is none with this id."""
    c = passkeys.c
    gone = delete(passkeys).where(c.passkey_id == passkey_id, c.user_id == user_id)
    return tx.conn.execute(gone).rowcount == 1


def forget(tx: WriteTx, user_id: str) -> None:
    """Remove every second factor of the user."""
    for table in (mfa_totp, mfa_recovery_codes, passkeys):
        tx.conn.execute(delete(table).where(table.c.user_id == user_id))
