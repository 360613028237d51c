"""Failed logins of one person."""

from collections.abc import AsyncIterator

from sqlalchemy import Connection

from secureconnect.features.auth import store
from secureconnect.features.auth.service.lockout import identifier
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import Page, delete_some

__all__ = ["LoginFailures"]


class LoginFailures:
    """Implements `privacy.api.Belongings`. Failures are counted under hashes, so they are in no export."""

    name = "login_attempts"
    tables = frozenset({"login_attempts"})

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    async def exported(self, _: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`: nothing."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`; what was typed before there was an account counts too."""
        record = await self._database.read(lambda conn: self._record(conn, user_id))
        known = [identifier(user_id, "")]
        if record is not None:
            known += [identifier(None, record.email), identifier(None, record.username)]
        attempts = store.login_attempts
        where = attempts.c.identifier_hash.in_(known)
        yield await self._database.write(lambda tx: delete_some(tx, attempts, where))

    def _record(self, conn: Connection, user_id: str) -> UserRecord | None:
        return self._users.many_in(conn, [user_id]).get(user_id)
