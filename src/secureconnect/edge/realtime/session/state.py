"""How far a chat socket is on its way."""

from enum import IntEnum

__all__ = ["State"]


class State(IntEnum):
    """Before `REPLAYING` nothing but `welcome` and answers is sent (docs/reference/realtime.md §3)."""

    WAITING = 0  # for `hello`
    RESUMING = 1  # `hello` is being answered
    REPLAYING = 2  # what is owed is being sent; conversations that are owed nothing are live
    LIVE = 3
    CLOSED = 4
