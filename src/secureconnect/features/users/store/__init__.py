"""The tables of users and every query on them."""

from secureconnect.features.users.store.accounts import (
    active_ids,
    find,
    find_by_login,
    insert_user,
    is_admin,
    password_hash,
    search,
    set_role,
    touch_login,
    update_user,
)
from secureconnect.features.users.store.tables import user_bans, users

__all__ = [
    "active_ids",
    "find",
    "find_by_login",
    "insert_user",
    "is_admin",
    "password_hash",
    "search",
    "set_role",
    "touch_login",
    "update_user",
    "user_bans",
    "users",
]
