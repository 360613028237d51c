"""What sessions contribute."""

from secureconnect.edge.module import Module
from secureconnect.edge.realtime.base import CallDoor, Memberships
from secureconnect.features.sessions.http import pages, routes
from secureconnect.features.sessions.service import Access, KeyRing, SessionService, Tickets
from secureconnect.features.sessions.tasks import tasks
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    service: SessionService,
    tickets: Tickets,
    keyring: KeyRing,
    access: Access,
    memberships: Memberships,
    calls: CallDoor,
    cursors: Cursors,
) -> Module:
    """Tokens, sessions, tickets and keys."""

    async def start() -> None:
        await keyring.load()
        await access.start()

    return Module(
        name="sessions",
        role="auth",
        routes=routes(service, tickets, memberships, calls, cursors),
        pages=pages(keyring),
        tasks=tasks(service, keyring),
        start=start,
    )
