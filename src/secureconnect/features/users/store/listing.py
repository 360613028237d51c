"""Accounts as administration lists them."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    tuple_,
)

from secureconnect.features.users.api import Account, AccountsWanted, Ban
from secureconnect.features.users.store.accounts import ESCAPES, RECORD, record_of
from secureconnect.features.users.store.bans import BAN, in_force
from secureconnect.features.users.store.tables import user_bans, users

__all__ = ["Position", "count_accounts", "find_account", "is_last_admin", "list_accounts"]

#: The value that accounts are ordered by, and the id.
Position = tuple[str | int, str]

_u = users.c
_MORE = (_u.last_login_at, _u.storage_quota, _u.erase_at)
_BAN = tuple(column.label(f"ban_{column.name}") for column in BAN)
_PEOPLE = and_(_u.is_bot.is_(False), _u.state != "erased")


def find_account(conn: Connection, user_id: str, now: int) -> Account | None:
    """One account; None for unknown and erased ones."""
    row = conn.execute(_accounts(now).where(_u.user_id == user_id, _u.state != "erased")).first()
    return _account(row) if row is not None else None


def count_accounts(conn: Connection) -> int:
    """How many accounts of people there are."""
    return int(conn.execute(select(func.count()).select_from(users).where(_PEOPLE)).scalar_one())


def is_last_admin(conn: Connection, user_id: str, now: int) -> bool:
    """Whether no other user is an active admin without a ban."""
    banned = select(user_bans.c.user_id).where(in_force(now))
    others = select(_u.user_id).where(
        _u.role == "admin", _u.state == "active", _u.user_id != user_id, _u.user_id.not_in(banned)
    )
    return conn.execute(others.limit(1)).first() is None


def list_accounts(
    conn: Connection,
    wanted: AccountsWanted,
    online: Collection[str],
    now: int,
    *,
    after: Position | None,
    limit: int,
) -> tuple[list[tuple[Account, Position]], int]:
    """At most `limit` accounts with their positions, and how many match in all."""
    found = _accounts(now).add_columns(_status(online).label("account_status")).where(_PEOPLE)
    if wanted.search is not None:
        found = found.where(_matches(wanted.search))
    accounts = found.subquery()
    conditions = [accounts.c.account_status == wanted.status] if wanted.status is not None else []
    key: ColumnElement[Any] = {
        "created_at": accounts.c.created_at,
        "email": func.lower(accounts.c.email),
        "username": func.lower(accounts.c.username),
        "status": accounts.c.account_status,
        "last_login_at": func.coalesce(accounts.c.last_login_at, 0),
    }[wanted.order]
    order = (key, accounts.c.user_id)
    page = select(accounts, key.label("position")).where(*conditions).limit(limit)
    page = page.order_by(*(column.desc() if wanted.descending else column.asc() for column in order))
    if after is not None:
        place = tuple_(*order)
        page = page.where(place < after if wanted.descending else place > after)
    rows = conn.execute(page).all()
    total = conn.execute(select(func.count()).select_from(accounts).where(*conditions)).scalar_one()
    return [(_account(row), (row.position, row.user_id)) for row in rows], int(total)


def _accounts(now: int) -> Select[Any]:
    bans = and_(user_bans.c.user_id == _u.user_id, in_force(now))
    return select(*RECORD, *_MORE, *_BAN).select_from(users.outerjoin(user_bans, bans))


def _status(online: Collection[str]) -> ColumnElement[str]:
    # Written into the statement: there may be more of them than a statement takes parameters.
    ids: BindParameter[Any] = bindparam("online", list(online), expanding=True, literal_execute=True)
    return case(
        (_u.state != "active", "deleted"),
        (user_bans.c.ban_id.is_not(None), "banned"),
        (_u.user_id.in_(ids), "online"),
        else_="offline",
    )


def _matches(typed: str) -> ColumnElement[bool]:
    folded = f"%{typed.lower().translate(ESCAPES)}%"
    # Stores fold no letters beyond ASCII, so display names are tried in the usual cases.
    cases = sorted({typed, typed.lower(), typed.upper(), typed.title()})
    return or_(
        func.lower(_u.email).like(folded, escape="\\"),
        func.lower(_u.username).like(folded, escape="\\"),
        func.lower(_u.display_name).like(folded, escape="\\"),
        *(_u.display_name.like(f"%{text.translate(ESCAPES)}%", escape="\\") for text in cases),
    )


def _account(row: Row[Any]) -> Account:
    values = row._mapping
    ban = Ban(*(values[column.name] for column in _BAN)) if values["ban_ban_id"] is not None else None
    return Account(record_of(row), values["last_login_at"], values["storage_quota"], values["erase_at"], ban)
