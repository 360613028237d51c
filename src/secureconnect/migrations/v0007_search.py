"""The index of searches, on servers. SQLite has it in a file of its own, which migrates by being made anew.

What it holds can be made again from the timeline; `search_progress` says how far it got.
"""

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["downgrade", "upgrade"]

_SERVERS = "postgresql"
_TABLES = ("search_documents", "search_conversations", "search_progress")
_STATEMENTS = (
    (
        "CREATE TABLE search_documents (position BIGINT PRIMARY KEY, message_id VARCHAR(36) NOT NULL,"
        " conversation_id VARCHAR(36) NOT NULL, seq BIGINT NOT NULL, sent_at BIGINT NOT NULL,"
        " words TSVECTOR NOT NULL)"
    ),
    "CREATE UNIQUE INDEX search_documents_place_key ON search_documents (conversation_id, seq)",
    "CREATE INDEX search_documents_conversation_id_idx ON search_documents (conversation_id, position)",
    "CREATE INDEX search_documents_words_idx ON search_documents USING gin (words)",
    "CREATE TABLE search_conversations (conversation_id VARCHAR(36) PRIMARY KEY, first_seq BIGINT NOT NULL)",
    "CREATE TABLE search_progress (version BIGINT PRIMARY KEY, upto BIGINT NOT NULL, older_than VARCHAR(36))",
)


def upgrade(op: Operations) -> None:
    """Create the tables of the index."""
    if op.get_bind().dialect.name == _SERVERS:
        for statement in _STATEMENTS:
            op.execute(sa.text(statement))


def downgrade(op: Operations) -> None:
    """Drop them."""
    if op.get_bind().dialect.name == _SERVERS:
        for table in _TABLES:
            op.drop_table(table)
