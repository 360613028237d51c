"""Who is asking."""

from typing import Literal

import msgspec

__all__ = ["Principal", "RequestContext"]


class Principal(msgspec.Struct, frozen=True):
    """The authenticated caller of one request or socket.

    `role` comes from the token and is never used to allow administration, which asks the database.
    `authenticated_at` and `expires_at` are milliseconds since the epoch.
    """

    user_id: str
    session_id: str
    jti: str
    role: Literal["user", "admin"]
    expires_at: int
    kind: Literal["user", "bot"] = "user"
    scopes: frozenset[str] = frozenset()


class RequestContext(msgspec.Struct, frozen=True):
    """Where a request came from, for sessions, logs and audit records."""

    request_id: str
    client_ip: str
    user_agent: str | None = None
