"""The head of a log as Cassandra shows it: written last of all that a commit writes there.

So whatever it covers is in the other tables, and reading needs nothing but Cassandra. Where the log really
stands is in `decided_heads`; this follows.
"""

from typing import Final

from secureconnect.infra.timeline.base import Head
from secureconnect.infra.timeline.cassandra_link import Cql, Link
from secureconnect.infra.timeline.decided_heads import HeadRow

__all__ = ["head_row", "shown"]

_HEAD: Final = Cql(
    "SELECT",
    "timeline_heads",
    "SELECT first_seq, last_seq, last_at, message_count, guard, revision FROM timeline_heads"
    " WHERE conversation_id = ?",
)


async def head_row(link: Link, conversation_id: str) -> HeadRow | None:
    """The head with everything that was acknowledged."""
    row = await link.row(_HEAD, conversation_id)
    return None if row is None or row[5] is None else HeadRow(*row)


def shown(head: HeadRow) -> Head:
    """As the port shows it."""
    return Head(head.first_seq, head.last_seq, head.last_at, head.guard)
