"""Which work may be refused while connections run short.

Whatever runs for a socket, a job or a route that people cannot do without is taken as it comes. Work for any
other request may be refused before its first connection; later it has begun, and goes on.
"""

from contextvars import ContextVar

__all__ = ["Deferrable", "asking", "defer"]


class Deferrable:
    """One request that may be refused until it was `admitted`."""

    __slots__ = ("admitted",)

    def __init__(self) -> None:
        self.admitted = False


_asking: ContextVar[Deferrable | None] = ContextVar("deferrable request", default=None)


def defer() -> None:
    """From here on, what this task asks of a database is for a request that may be refused."""
    _asking.set(Deferrable())


def asking() -> Deferrable | None:
    """The request that may be refused for which this task works; None when that is none."""
    return _asking.get()
