"""What sessions contribute."""

from secureconnect.edge.module import Module
from secureconnect.edge.realtime.base import CallDoor, Memberships
from secureconnect.edge.realtime.gate import CHAT_PATH
from secureconnect.features.sessions.http import pages, routes
from secureconnect.features.sessions.service import Access, KeyRing, SessionService, Tickets
from secureconnect.features.sessions.tasks import tasks
from secureconnect.kit.pagination import Cursors

__all__ = ["modules"]

_SOCKETS = "sockets"


def modules(
    service: SessionService,
    tickets: Tickets,
    keyring: KeyRing,
    access: Access,
    memberships: Memberships,
    calls: CallDoor,
    cursors: Cursors,
) -> list[Module]:
    """Tokens, sessions and keys; tickets and the chat socket go where sockets are."""
    declared = routes(service, tickets, memberships, calls, cursors)

    async def start() -> None:
        await keyring.load()
        await access.start()

    return [
        Module(
            name="sessions",
            role="auth",
            routes=[route for route in declared if route.tag != _SOCKETS],
            pages=pages(keyring),
            tasks=tasks(service, keyring),
            start=start,
        ),
        Module(
            name="chat_socket",
            role="chat",
            routes=[route for route in declared if route.tag == _SOCKETS],
            sockets=[CHAT_PATH],
        ),
    ]
