"""Which account somebody at a provider has."""

import msgspec
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.oidc import store
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.principal import RequestContext

__all__ = ["Link", "Links"]


class Link(msgspec.Struct, frozen=True):
    """A subject of a provider, to be linked to an account."""

    provider: str
    subject: str


class Links:
    """Keeps the links. Implements `auth.api.Continued` for logins whose link waits for the second step:
    whoever lacks it shall not leave a way in behind.
    """

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    def owner_in(self, conn: Connection, link: Link) -> str | None:
        """Whose this subject is."""
        return store.owner(conn, link.provider, link.subject)

    def add_in(self, tx: WriteTx, link: Link, user_id: str, context: RequestContext) -> None:
        """From now on this subject logs in to this account.

        Raises:
            store.Raced: it has an account since.
        """
        store.add(tx, link.provider, link.subject, user_id, self._clock.now())
        self._audit.record_in(
            tx,
            AuditEntry(
                event="oidc_linked",
                actor_id=user_id,
                target_type="user",
                target_id=user_id,
                context=context,
                details={"provider": link.provider},
            ),
        )

    def continue_in(self, tx: WriteTx, user_id: str, then: str, context: RequestContext) -> None:
        link = msgspec.json.decode(then, type=Link)
        if self.owner_in(tx.conn, link) is None:
            self.add_in(tx, link, user_id, context)
