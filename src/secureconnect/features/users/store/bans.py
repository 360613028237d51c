"""Bans: a ban ends when it is lifted or its time is over; no job is needed for the latter."""

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from secureconnect.features.users.api import Ban
from secureconnect.features.users.store.tables import user_bans
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = ["BAN", "add_ban", "ban_in_force", "in_force", "lift_ban"]

_b = user_bans.c
#: The columns of a `Ban`, in its order.
BAN = (_b.ban_id, _b.user_id, _b.banned_by, _b.reason, _b.banned_at, _b.banned_until)


def in_force(now: int) -> ColumnElement[bool]:
    """The condition for bans that count at `now`."""
    return and_(_b.lifted_at.is_(None), or_(_b.banned_until.is_(None), _b.banned_until > now))


def ban_in_force(conn: Connection, user_id: str, now: int) -> Ban | None:
    """The ban that keeps a user out at `now`."""
    row = conn.execute(select(*BAN).where(_b.user_id == user_id, in_force(now))).first()
    return Ban(*row) if row is not None else None


def add_ban(tx: WriteTx, ban: Ban) -> None:
    """Store a ban; raises ApiError `CONFLICT` while another is in force. One whose time was over is put away
    first.
    """
    tx.conn.execute(
        update(user_bans)
        .where(_b.user_id == ban.user_id, _b.lifted_at.is_(None), _b.banned_until <= ban.banned_at)
        .values(lifted_at=_b.banned_until)
    )
    if ban_in_force(tx.conn, ban.user_id, ban.banned_at) is not None:
        raise _banned_already()
    try:
        tx.conn.execute(insert(user_bans).values({column.name: getattr(ban, column.name) for column in BAN}))
    except IntegrityError as error:  # another process was faster
        raise _banned_already() from error


def lift_ban(tx: WriteTx, user_id: str, by: str | None, now: int) -> bool:
    """End the ban in force; False when there is none."""
    lifted = update(user_bans).where(_b.user_id == user_id, in_force(now)).values(lifted_at=now, lifted_by=by)
    return tx.conn.execute(lifted).rowcount == 1


def _banned_already() -> ApiError:
    details = [Detail("user_id", "is banned already")]
    return ApiError(ErrorCode.CONFLICT, "This user is banned already.", details=details)
