"""The head of a conversation: the one row that every commit moves by a conditional write.

A head carries what the last commit wrote (its `tail`), so that committing is one compare-and-set, and what
it means for the other tables can be written afterwards by anybody, any number of times. Before the next
commit it must have been written: then a look at those tables shows everything up to the head.

A **claim** keeps everybody else from committing. Who holds one knows the seqs of the events to come while the
relational transaction that they belong to is still open (ADR 0021).
"""

from typing import Any, Final

import msgspec

from secureconnect.infra.timeline.base import Head
from secureconnect.infra.timeline.cassandra_link import Cql, Link, Undecided, unavailable

__all__ = [
    "HeadRow",
    "Held",
    "acquire",
    "head_now",
    "head_row",
    "open_head",
    "put_head",
    "release",
    "remove",
    "resolve",
]

_COLUMNS = "first_seq, last_seq, last_at, message_count, guard, revision, claim"
_READ: Final = f"SELECT {_COLUMNS} FROM timeline_heads WHERE conversation_id = ?"  # noqa: S608
_HEAD = Cql("SELECT", "timeline_heads", _READ)
_HEAD_NOW = Cql("SELECT", "timeline_heads", _READ, serial=True)
_OPEN = Cql(
    "INSERT",
    "timeline_heads",
    "INSERT INTO timeline_heads (conversation_id, first_seq, last_seq, last_at, message_count, guard,"
    " revision, claim) VALUES (?, 1, 0, 0, 0, 0, 0, ?) IF NOT EXISTS",
    conditional=True,
)
_PUT = Cql(
    "INSERT",
    "timeline_heads",
    "INSERT INTO timeline_heads (conversation_id, first_seq, last_seq, last_at, message_count, guard,"
    " revision, claim) VALUES (?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
    conditional=True,
)
_ACQUIRE = Cql(
    "UPDATE",
    "timeline_heads",
    "UPDATE timeline_heads SET claim = ? WHERE conversation_id = ? IF revision = ? AND claim = ''",
    conditional=True,
)
_RELEASE = Cql(
    "UPDATE",
    "timeline_heads",
    "UPDATE timeline_heads SET claim = '' WHERE conversation_id = ? IF claim = ?",
    conditional=True,
)
_COMMIT = Cql(
    "UPDATE",
    "timeline_heads",
    "UPDATE timeline_heads SET first_seq = ?, last_seq = ?, last_at = ?, message_count = ?, guard = ?,"
    " revision = ?, claim = ?, tail = ? WHERE conversation_id = ? IF revision = ? AND claim = ?",
    conditional=True,
)
_REMOVE = Cql(
    "DELETE",
    "timeline_heads",
    "DELETE FROM timeline_heads WHERE conversation_id = ? IF claim = ?",
    conditional=True,
)


class HeadRow(msgspec.Struct, frozen=True):
    """A head. `claim` is empty, or says which transaction has it."""

    first_seq: int
    last_seq: int
    last_at: int
    message_count: int
    guard: int
    revision: int
    claim: str

    def shown(self) -> Head:
        """As the port shows it."""
        return Head(self.first_seq, self.last_seq, self.last_at, self.guard)


class Held(Exception):
    """Another transaction has the claim that this one wants."""

    def __init__(self, claim: str) -> None:
        self.claim = claim
        super().__init__(claim)


def _row(row: Any) -> HeadRow | None:
    if row is None or row[5] is None:
        return None
    return HeadRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6] or "")


async def head_row(link: Link, conversation_id: str) -> HeadRow | None:
    """The head with everything that was acknowledged."""
    return _row(await link.row(_HEAD, conversation_id))


async def head_now(link: Link, conversation_id: str) -> HeadRow | None:
    """The head after whatever was on its way to it: nothing older can be decided any more."""
    return _row(await link.row(_HEAD_NOW, conversation_id))


async def open_head(link: Link, conversation_id: str, claim: str) -> HeadRow | None:
    """Make the head of a new log, claimed; None when there is one."""
    try:
        made = await link.decide(_OPEN, conversation_id, claim)
    except Undecided:
        made = False
    if made:
        return HeadRow(1, 0, 0, 0, 0, 0, claim)
    head = await head_now(link, conversation_id)
    return head if head is not None and head.claim == claim else None


async def put_head(link: Link, conversation_id: str, head: HeadRow) -> None:
    """Let there be a log whose events are written; one that is there already stays as it is.

    Raises:
        ApiError: `TIMELINE_UNAVAILABLE`; it may be there.
    """
    try:
        await link.decide(_PUT, conversation_id, *msgspec.structs.astuple(head))
    except Undecided:
        raise unavailable() from None


async def acquire(link: Link, conversation_id: str, claim: str, known: HeadRow | None) -> HeadRow | None:
    """Take the claim and return the head as it stays until it is given back; None without a log.

    `known` is a guess of what the head is.

    Raises:
        Held: somebody else has it.
    """
    head = known or await head_now(link, conversation_id)
    while True:
        if head is None:
            return None
        if head.claim == claim:
            return head
        if head.claim:
            raise Held(head.claim)
        try:
            if await link.decide(_ACQUIRE, claim, conversation_id, head.revision):
                return msgspec.structs.replace(head, claim=claim)
        except Undecided:
            pass  # the head tells
        head = await head_now(link, conversation_id)


async def release(link: Link, conversation_id: str, claim: str, *, unborn: bool) -> None:
    """Give a claim back without having changed anything. `unborn`: the log was opened under it, and goes."""
    try:
        await link.decide(_REMOVE if unborn else _RELEASE, conversation_id, claim)
    except Undecided:
        head = await head_now(link, conversation_id)
        if head is not None and head.claim == claim:
            raise unavailable() from None


async def resolve(link: Link, conversation_id: str, base: HeadRow, to: HeadRow, tail: bytes) -> bool:
    """Commit: move the head from `base`, whose claim ends with it, to `to`, which may have a new one.

    False when the head is not at `base` any more: somebody has committed this, or has refused it.
    """
    for _ in range(2):
        try:
            return await link.decide(
                _COMMIT,
                to.first_seq,
                to.last_seq,
                to.last_at,
                to.message_count,
                to.guard,
                to.revision,
                to.claim,
                tail,
                conversation_id,
                base.revision,
                base.claim,
            )
        except Undecided:
            head = await head_now(link, conversation_id)
            if head is None or (head.revision, head.claim) != (base.revision, base.claim):
                # Nobody but us had the claim: it was this commit that moved the head, unless it was refused.
                return head is not None and (head.revision, head.claim) == (to.revision, to.claim)
    raise unavailable()


async def remove(link: Link, conversation_id: str, claim: str) -> None:
    """Take the head of an empty log away, with the claim on it."""
    await release(link, conversation_id, claim, unborn=True)
