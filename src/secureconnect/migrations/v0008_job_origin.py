"""Which request put a job into the outbox, for traces.

A released step never changes.
"""

from alembic.operations import Operations

from secureconnect.migrations.columns import text

__all__ = ["READABLE_SINCE", "downgrade", "upgrade"]

#: Programs before this step neither write nor read the column.
READABLE_SINCE = 7


def upgrade(op: Operations) -> None:
    """Add the column."""
    op.add_column("outbox", text("origin", optional=True))


def downgrade(op: Operations) -> None:
    """Drop it; traces lose a link."""
    op.drop_column("outbox", "origin")
