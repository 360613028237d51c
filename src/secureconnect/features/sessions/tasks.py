"""Background jobs of sessions."""

from secureconnect.edge.module import Task
from secureconnect.features.sessions.service import KeyRing, SessionService

__all__ = ["tasks"]


def tasks(service: SessionService, keyring: KeyRing) -> list[Task]:
    """Rotate keys in time, forget what expired long ago."""

    async def rotate() -> int:
        await keyring.load()
        return 0

    return [
        Task("signing_keys", 60, rotate, everywhere=True),
        Task("session_count", 60, service.count),
        Task("session_retention", 3600, service.purge),
    ]
