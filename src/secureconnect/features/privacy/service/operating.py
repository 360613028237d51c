"""What the operator does for a person, from the command line."""

from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry, Receipts
from secureconnect.features.privacy import rules
from secureconnect.features.privacy.service.exporting import Exporter
from secureconnect.features.users.api import Account, Accounts
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock

__all__ = ["Operating"]


class Operating:
    """Exports into a file, and looks after an erasure."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        exporter: Exporter,
        audit: Audit,
        receipts: Receipts,
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._exporter = exporter
        self._audit = audit
        self._receipts = receipts
        self._clock = clock

    async def export(self, user_id: str, path: str) -> dict[str, int]:
        """Write the archive over the empty file at `path`; returns the rows by file."""
        counts = await self._exporter.write(user_id, path)
        entry = AuditEntry(
            event="export_requested", actor_type="system", target_type="user", target_id=user_id
        )
        await self._database.write(lambda tx: self._audit.record_in(tx, entry))
        return counts

    async def check_may_erase(self, user_id: str) -> None:
        """Raises ApiError `CONFLICT` for the last server admin."""
        now = self._clock.now()

        def read(conn: Connection) -> tuple[Account | None, bool]:
            account = self._accounts.find_in(conn, user_id, now)
            return account, self._accounts.is_last_admin_in(conn, user_id, now)

        account, last = await self._database.read(read)
        if account is not None and account.record.active and account.record.role == "admin" and last:
            raise rules.last_admin()

    async def receipt(self, user_id: str) -> dict[str, int] | None:
        """How much was erased, by store; None until it is done."""

        def read(conn: Connection) -> dict[str, str] | None:
            if self._accounts.find_in(conn, user_id, self._clock.now()) is not None:
                return None
            return self._receipts.details_in(conn, "user_erased", user_id)

        found = await self._database.read(read)
        return {name: int(count) for name, count in found.items()} if found is not None else None
