"""Whoever is banned proves in vain who it is."""

from sqlalchemy import Connection

from secureconnect.features.auth.api import Bar
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = ["ban_bar"]


def ban_bar(users: Users, clock: Clock) -> Bar:
    """Keeps banned users out and tells them why, and until when if not for good. Only who gave a right proof
    hears it; a ban whose time is over bars nobody.
    """

    def bar(conn: Connection, record: UserRecord) -> None:
        ban = users.ban_of_in(conn, record.user_id, clock.now())
        if ban is None:
            return
        details = [Detail("reason", ban.reason)]
        if ban.banned_until is not None:
            details.append(Detail("banned_until", rfc3339(ban.banned_until)))
        raise ApiError(ErrorCode.ACCOUNT_BANNED, "This account is banned.", details=details)

    return bar
