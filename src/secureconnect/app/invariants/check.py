"""Runs every check on one snapshot."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.app.invariants import logs, members, others

__all__ = ["Invariant", "check_invariants"]

#: A broken store may hold a million findings; these are enough to see what kind of damage it is.
_SHOWN = 20

_CHECKS: tuple[tuple[str, str, Callable[[Connection], Iterable[str]]], ...] = (
    ("I1", "seqs of every conversation are first_seq to last_seq without a gap", logs.gapless),
    ("I2", "no event beyond its head, and none without one", logs.headed),
    ("I3", "messages and the events that brought them are the same", logs.brought),
    ("I4", "membership rows stand where their events stand", members.seated),
    ("I5", "groups have one owner who is an admin member, direct conversations two members", members.owned),
    ("I6", "members are those that the events say", members.folded),
    ("I7", "votes are counted as given, and one each in single polls", others.counted_votes),
    ("I8", "storage use is the sum over files", others.used_storage),
    ("I9", "calls hold no more people than they may", others.call_places),
    ("I10", "one unused refresh token per session; none valid of banned or deleted users", others.sessions),
    ("I11", "read and delivered marks lie within the log", members.marks),
)


class Invariant(Struct, frozen=True):
    """What was checked; `broken` tells the first cases by their ids, never by content."""

    number: str
    says: str
    broken: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.broken


def check_invariants(conn: Connection) -> Iterator[Invariant]:
    """Check the whole store in the snapshot of `conn`; takes seconds per million events."""
    for number, says, find in _CHECKS:
        yield Invariant(number, says, tuple(islice(find(conn), _SHOWN)))
