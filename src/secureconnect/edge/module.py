"""What a feature contributes to the product; `app` collects these and asks no feature anything else."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from secureconnect.edge.http.front import Page
from secureconnect.edge.http.routing import Route
from secureconnect.edge.http.streams import StreamRoute
from secureconnect.edge.realtime.session.commands import Command
from secureconnect.infra.outbox.base import Kind

__all__ = ["Module", "Task"]


class Task(Struct, frozen=True):
    """A periodic job: `run` does one bounded batch and returns how many items it touched.

    Of several processes one runs it, unless it looks after something that each has for itself (`everywhere`).
    `at_once`: the first turn comes with the start.
    """

    name: str
    every: float
    run: Callable[[], Awaitable[int]]
    everywhere: bool = False
    at_once: bool = False


class Module(Struct, frozen=True, kw_only=True):
    """One feature. `role` is the process that serves it when the product is split: its routes, pages and
    sockets (`sockets` are paths), its tasks, and its kinds of jobs in the outbox (`jobs`). What `start`
    begins is begun in every process; it asks stores first, since it is called again when one was away.

    `bereaved` is called in one process after another one died: what that one left undone since the given time
    (ms) is to be done. It may be called twice for one death.
    """

    name: str
    role: str
    routes: Sequence[Route] = ()
    streams: Sequence[StreamRoute] = ()
    pages: Sequence[Page] = ()
    commands: Sequence[Command] = ()
    sockets: Sequence[str] = ()
    jobs: Sequence[Kind] = ()
    tasks: Sequence[Task] = ()
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    bereaved: Callable[[int], Awaitable[None]] | None = None
