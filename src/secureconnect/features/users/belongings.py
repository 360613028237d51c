"""The account of one person, and how it was kept out."""

from collections.abc import AsyncIterator

from secureconnect.features.users.store import user_bans, users
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import Page, PersonalRows, PersonalTable

__all__ = ["Profile"]

_SHOWN = (
    "user_id",
    "email",
    "email_verified_at",
    "username",
    "display_name",
    "about",
    "avatar_url",
    "status_text",
    "role",
    "privacy",
    "storage_quota",
    "state",
    "erase_at",
    "last_login_at",
    "created_at",
    "updated_at",
)


class Profile:
    """Implements `privacy.api.Belongings`. The row of the account itself goes blank last, with
    `Accounts.erase_in`: an erasure that was interrupted needs to know whom it is about.
    """

    name = "account"
    tables = frozenset({"users", "user_bans"})

    def __init__(self, database: Database) -> None:
        self._rows = PersonalRows(
            database,
            self.name,
            PersonalTable(
                users,
                lambda user_id: users.c.user_id == user_id,
                "profile.json",
                _SHOWN,
                json=("privacy",),
                erased=False,
            ),
            PersonalTable(
                user_bans,
                lambda user_id: user_bans.c.user_id == user_id,
                "bans.json",
                ("reason", "banned_at", "banned_until", "lifted_at"),
            ),
        )

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        async for page in self._rows.exported(user_id):
            yield page

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        async for count in self._rows.erased(user_id):
            yield count
