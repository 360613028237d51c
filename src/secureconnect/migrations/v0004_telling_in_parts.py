"""How far the members of a large group were told of what happened in it.

A released step never changes.
"""

from alembic.operations import Operations

from secureconnect.migrations.columns import id_, number

__all__ = ["downgrade", "upgrade"]


def upgrade(op: Operations) -> None:
    """Add the part that is under way, which is none."""
    op.add_column("notification_progress", number("part_seq", optional=True))
    op.add_column("notification_progress", id_("part_to", optional=True))


def downgrade(op: Operations) -> None:
    """Forget it: who was told in parts is told of the same again."""
    op.drop_column("notification_progress", "part_to")
    op.drop_column("notification_progress", "part_seq")
