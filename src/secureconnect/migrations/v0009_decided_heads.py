"""Where logs stand that lie in Cassandra, and the intents of one log.

A released step never changes.
"""

import sqlalchemy as sa
from alembic.operations import Operations

from secureconnect.migrations.columns import id_, number, time

__all__ = ["READABLE_SINCE", "downgrade", "upgrade"]

#: Programs before this step do not know the table, and need none beside a timeline in the database.
READABLE_SINCE = 7

_TABLE = "decided_heads"
_INDEX = "timeline_intents_conversation_id_idx"


def upgrade(op: Operations) -> None:
    """Create the table and the index."""
    op.create_table(
        _TABLE,
        id_("conversation_id"),
        number("first_seq"),
        number("last_seq"),
        time("last_at"),
        number("message_count"),
        number("guard"),
        number("revision"),
        sa.PrimaryKeyConstraint("conversation_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(_INDEX, "timeline_intents", ["conversation_id"])


def downgrade(op: Operations) -> None:
    """Drop them; move a timeline in Cassandra into the database before."""
    op.drop_index(_INDEX, "timeline_intents")
    op.drop_table(_TABLE)
