"""Accounts: rows of `users`, one at a time or by what somebody typed."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from secureconnect.features.users.api import NewUser, Privacy, UserRecord
from secureconnect.features.users.store.bans import in_force
from secureconnect.features.users.store.tables import user_bans, users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = [
    "ESCAPES",
    "RECORD",
    "active_ids",
    "avatars",
    "find",
    "find_by_login",
    "insert_account",
    "insert_user",
    "is_admin",
    "password_hash",
    "record_of",
    "search",
    "set_role",
    "storage_quota",
    "touch_login",
    "update_user",
]

RECORD = (
    users.c.user_id,
    users.c.email,
    users.c.email_verified_at,
    users.c.username,
    users.c.display_name,
    users.c.about,
    users.c.avatar_url,
    users.c.status_text,
    users.c.role,
    users.c.is_bot,
    users.c.privacy,
    users.c.state,
    users.c.created_at,
    users.c.updated_at,
)
_privacy = msgspec.json.Decoder(Privacy)
# LIKE without its wildcards: what people type is text, not a pattern.
ESCAPES = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


def find(conn: Connection, user_ids: Collection[str]) -> dict[str, UserRecord]:
    """Users by id, in any state."""
    rows = conn.execute(select(*RECORD).where(users.c.user_id.in_(user_ids)))
    return {row.user_id: record_of(row) for row in rows}


def find_by_login(conn: Connection, *, email: str | None, username: str | None) -> UserRecord | None:
    """The user with this address or name, without regard to case."""
    if email is not None:
        matches = func.lower(users.c.email) == email.lower()
    else:
        matches = func.lower(users.c.username) == (username or "").lower()
    row = conn.execute(select(*RECORD).where(matches)).first()
    return record_of(row) if row is not None else None


def insert_user(tx: WriteTx, user: NewUser) -> None:
    """Store a new user; raises ApiError `CONFLICT` that names every taken field."""
    insert_account(tx, {**msgspec.structs.asdict(user), "is_bot": False})


def insert_account(tx: WriteTx, columns: Mapping[str, Any]) -> None:
    """Store a new, active account of a person or a bot; raises like `insert_user`."""
    email, username = columns["email"], columns["username"]
    taken = _taken(tx.conn, email=email, username=username)
    if taken:
        raise taken
    values = {**columns, "privacy": "{}", "state": "active", "updated_at": columns["created_at"]}
    try:
        tx.conn.execute(insert(users).values(values))
    except IntegrityError as error:  # another process was faster
        raise _taken(tx.conn, email=email, username=username) or error from error


def update_user(tx: WriteTx, user_id: str, values: Mapping[str, Any], now: int) -> None:
    """Change columns of a user; raises ApiError `CONFLICT` when a new username or e-mail is taken."""
    new = {name: values[name] for name in ("email", "username") if name in values}
    if new and (taken := _taken(tx.conn, **new, but=user_id)):
        raise taken
    change = update(users).where(users.c.user_id == user_id).values({**values, "updated_at": now})
    try:
        tx.conn.execute(change)
    except IntegrityError as error:  # another process was faster
        raise _taken(tx.conn, **new, but=user_id) or error from error


def password_hash(conn: Connection, user_id: str) -> str | None:
    """The stored Argon2id encoding."""
    return conn.execute(select(users.c.password_hash).where(users.c.user_id == user_id)).scalar_one_or_none()


def is_admin(conn: Connection, user_id: str) -> bool:
    """Whether this is an active server admin."""
    found = select(users.c.user_id).where(
        users.c.user_id == user_id, users.c.role == "admin", users.c.state == "active"
    )
    return conn.execute(found).first() is not None


def search(
    conn: Connection, typed: str, now: int, *, after_username: str | None, limit: int
) -> list[UserRecord]:
    """Active users by username prefix, display-name word prefix, or exact discoverable e-mail; nobody who is
    banned `now`."""
    prefix = typed.lower().translate(ESCAPES) + "%"
    # Stores fold no letters beyond ASCII in LIKE or lower() alike, so names are tried in the usual cases.
    cases = {typed, typed.lower(), typed.upper(), typed.capitalize()}
    names = [
        users.c.display_name.like(start + case.translate(ESCAPES) + "%", escape="\\")
        for case in sorted(cases)
        for start in ("", "% ")
    ]
    username = func.lower(users.c.username)
    discoverable = users.c.privacy.like('%"discoverable_by_email":true%')
    query = (
        select(*RECORD)
        .where(
            users.c.state == "active",
            ~exists().where(in_force(now), user_bans.c.user_id == users.c.user_id),
            or_(
                username.like(prefix, escape="\\"),
                *names,
                (func.lower(users.c.email) == typed.lower()) & discoverable,
            ),
        )
        .order_by(username)
        .limit(limit)
    )
    if after_username is not None:
        query = query.where(username > after_username.lower())
    return [record_of(row) for row in conn.execute(query)]


def active_ids(conn: Connection, user_ids: Collection[str]) -> set[str]:
    """Those that are active accounts."""
    query = select(users.c.user_id).where(users.c.user_id.in_(user_ids), users.c.state == "active")
    return set(conn.execute(query).scalars())


def storage_quota(conn: Connection, user_id: str) -> int | None:
    """The user's own quota in bytes."""
    return conn.execute(select(users.c.storage_quota).where(users.c.user_id == user_id)).scalar_one_or_none()


def avatars(conn: Connection, user_ids: Collection[str]) -> dict[str, str]:
    """The files that the avatars of `user_ids` were made of."""
    found = select(users.c.user_id, users.c.avatar_file_id)
    rows = conn.execute(found.where(users.c.user_id.in_(user_ids), users.c.avatar_file_id.is_not(None)))
    return {row[0]: row[1] for row in rows}


def set_role(tx: WriteTx, user_id: str, role: Literal["user", "admin"], now: int) -> None:
    """Change the server role."""
    update_user(tx, user_id, {"role": role}, now)


def touch_login(tx: WriteTx, user_id: str, now: int) -> None:
    """Remember the time of the last login, which is no change of the profile."""
    tx.conn.execute(update(users).where(users.c.user_id == user_id).values(last_login_at=now))


def _taken(
    conn: Connection, *, email: str | None = None, username: str | None = None, but: str | None = None
) -> ApiError | None:
    details = []
    for name, value in (("email", email), ("username", username)):
        if value is None:
            continue
        found = conn.execute(
            select(users.c.user_id).where(func.lower(users.c[name]) == value.lower())
        ).scalar_one_or_none()
        if found is not None and found != but:
            details.append(Detail(name, "is taken"))
    return ApiError(ErrorCode.CONFLICT, "Already in use.", details=details) if details else None


def record_of(row: Row[*tuple[Any, ...]]) -> UserRecord:
    """The record in a row that holds `RECORD`, and possibly more."""
    values = {column.name: row._mapping[column.name] for column in RECORD}
    values["privacy"] = _privacy.decode(values["privacy"])
    return UserRecord(**values)
