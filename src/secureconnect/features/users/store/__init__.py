"""The tables of users and every query on them."""

from secureconnect.features.users.store.accounts import (
    active_ids,
    avatars,
    find,
    find_by_login,
    insert_user,
    is_admin,
    password_hash,
    search,
    set_role,
    storage_quota,
    touch_login,
    update_user,
)
from secureconnect.features.users.store.bans import add_ban, ban_in_force, lift_ban
from secureconnect.features.users.store.bots import count_bots, find_bot, insert_bot, list_bots
from secureconnect.features.users.store.erasing import due, nobody
from secureconnect.features.users.store.listing import (
    Position,
    count_accounts,
    find_account,
    is_last_admin,
    list_accounts,
)
from secureconnect.features.users.store.tables import user_bans, users

__all__ = [
    "Position",
    "active_ids",
    "add_ban",
    "avatars",
    "ban_in_force",
    "count_accounts",
    "count_bots",
    "due",
    "find",
    "find_account",
    "find_bot",
    "find_by_login",
    "insert_bot",
    "insert_user",
    "is_admin",
    "is_last_admin",
    "lift_ban",
    "list_accounts",
    "list_bots",
    "nobody",
    "password_hash",
    "search",
    "set_role",
    "storage_quota",
    "touch_login",
    "update_user",
    "user_bans",
    "users",
]
