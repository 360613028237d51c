"""Accounts of bots: rows of `users` that nobody logs in to."""

from sqlalchemy import Connection, and_, func, or_, select

from secureconnect.features.users.api import BotUser
from secureconnect.features.users.store.accounts import insert_account
from secureconnect.features.users.store.tables import users
from secureconnect.infra.database.base import WriteTx

__all__ = ["count_bots", "find_bot", "insert_bot", "list_bots"]

_u = users.c
_BOT = (_u.user_id, _u.username, _u.display_name, _u.owner_id, _u.created_at)
_LIVE = and_(_u.is_bot.is_(True), _u.state == "active")


def insert_bot(tx: WriteTx, bot: BotUser) -> None:
    """Store a new bot; raises ApiError `CONFLICT` when its username is taken."""
    columns = {
        "user_id": bot.user_id,
        # Every account has an address; no mail can ever reach this one (RFC 2606 §2).
        "email": f"{bot.user_id}@bots.invalid",
        "username": bot.username,
        "password_hash": None,
        "display_name": bot.display_name,
        "role": "user",
        "is_bot": True,
        "owner_id": bot.owner_id,
        "created_at": bot.created_at,
    }
    insert_account(tx, columns)


def find_bot(conn: Connection, user_id: str) -> BotUser | None:
    """A bot that was not deleted."""
    row = conn.execute(select(*_BOT).where(_u.user_id == user_id, _LIVE)).first()
    return BotUser(*row) if row is not None else None


def count_bots(conn: Connection, owner_id: str) -> int:
    """How many bots a user has."""
    query = select(func.count()).select_from(users).where(_u.owner_id == owner_id, _LIVE)
    return conn.execute(query).scalar_one()


def list_bots(conn: Connection, owner_id: str, *, after: tuple[int, str] | None, limit: int) -> list[BotUser]:
    """A user's bots, newest first, that follow (created_at, user_id)."""
    query = (
        select(*_BOT)
        .where(_u.owner_id == owner_id, _LIVE)
        .order_by(_u.created_at.desc(), _u.user_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            or_(_u.created_at < after[0], and_(_u.created_at == after[0], _u.user_id > after[1]))
        )
    return [BotUser(*row) for row in conn.execute(query)]
