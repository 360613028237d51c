"""Accounts that end."""

import secrets
from typing import Any

from sqlalchemy import Connection, select

from secureconnect.features.users.store.tables import users

__all__ = ["due", "nobody"]

_u = users.c


def due(conn: Connection, now: int, limit: int) -> list[str]:
    """Deleted accounts whose time has come."""
    query = select(_u.user_id).where(_u.erase_at <= now, _u.state == "deleted").order_by(_u.erase_at)
    return list(conn.execute(query.limit(limit)).scalars())


def nobody(user_id: str) -> dict[str, Any]:
    """The columns of an erased account. No mail can reach its address (RFC 2606 §2), and nobody can take that
    before, which is random, or its name, which is longer than names may be."""
    return {
        "email": f"{secrets.token_hex(16)}@erased.invalid",
        "email_verified_at": None,
        "username": user_id,
        "password_hash": None,
        "display_name": "Deleted user",
        "about": None,
        "avatar_file_id": None,
        "avatar_url": None,
        "status_text": None,
        "role": "user",
        "privacy": "{}",
        "storage_quota": None,
        "state": "erased",
        "erase_at": None,
        "last_login_at": None,
    }
