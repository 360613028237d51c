"""What transactions decided about logs that lie in another store.

A released step never changes.
"""

import sqlalchemy as sa
from alembic.operations import Operations

from secureconnect.migrations.columns import blob, id_, text, time

__all__ = ["downgrade", "upgrade"]

_TABLE = "timeline_intents"


def upgrade(op: Operations) -> None:
    """Create the table."""
    op.create_table(
        _TABLE,
        id_("event_id"),
        id_("claim_id"),
        id_("conversation_id"),
        text("kind"),
        blob("payload", optional=True),
        time("created_at"),
        time("done_at", optional=True),
        sa.PrimaryKeyConstraint("event_id"),
        sa.UniqueConstraint("claim_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("timeline_intents_created_at_idx", _TABLE, ["created_at"])


def downgrade(op: Operations) -> None:
    """Drop it; open intents are lost, so stop the processes and let `doctor` find none before."""
    op.drop_table(_TABLE)
