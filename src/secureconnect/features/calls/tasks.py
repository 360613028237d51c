"""What time does to calls."""

from secureconnect.edge.module import Task
from secureconnect.features.calls.service import Reaper

__all__ = ["tasks"]


def tasks(reaper: Reaper, *, every: float) -> list[Task]:
    """Ending what nobody else ends; and what each process does about the sockets that it holds."""
    return [
        Task("call_reaper", every, reaper.reap),
        Task("call_sockets", every, reaper.look_after, everywhere=True, at_once=True),
    ]
