"""Letters to one person that are on their way, and those that lie in the directory of mails."""

from collections.abc import AsyncIterator

from sqlalchemy import Connection

from secureconnect.features.mail.service import MailService
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import Page

__all__ = ["Letters"]


class Letters:
    """Implements `privacy.api.Belongings`. Letters are in no export: they were sent."""

    name = "letters"
    tables = frozenset({"outbox"})

    def __init__(self, database: Database, users: Users, mail: MailService) -> None:
        self._database = database
        self._users = users
        self._mail = mail

    async def exported(self, _: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`: by the address that the account still has."""

        def record(conn: Connection) -> UserRecord | None:
            return self._users.many_in(conn, [user_id]).get(user_id)

        known = await self._database.read(record)
        if known is not None:
            yield await self._mail.forget(known.email)
