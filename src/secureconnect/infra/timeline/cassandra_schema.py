"""The tables of the timeline in Cassandra (docs/reference/data.md §3), and how they are made.

All rows are written under timestamps that follow from the number of the commit in its log, so that doing it
twice, or late, changes nothing. A row of `timeline_heads` comes after everything that it covers.
"""

from typing import Final

__all__ = ["BUCKET", "TABLES", "UPGRADES", "bucket_of", "slot_of"]

#: Seqs per partition, so that none grows without bound.
BUCKET: Final = 8192

#: Messages of some 70 minutes stand together in the index, in so many parts.
_SLOT_BITS: Final = 22
_SHARDS: Final = 16


def bucket_of(seq: int) -> int:
    """The partition of a seq within its conversation."""
    return seq // BUCKET


def slot_of(message_id: str) -> tuple[int, int]:
    """Where an id stands in `message_index`: its stretch of time, and its part of it."""
    return int(message_id[:8] + message_id[9:13], 16) >> _SLOT_BITS, int(message_id[-1], 16) % _SHARDS


_HEADS = """CREATE TABLE IF NOT EXISTS timeline_heads (
    conversation_id text PRIMARY KEY, first_seq bigint, last_seq bigint, last_at bigint, message_count bigint,
    guard bigint, revision bigint)"""
_EVENTS = """CREATE TABLE IF NOT EXISTS timeline_events (
    conversation_id text, bucket bigint, seq bigint, event_id text, kind text, actor_id text, sent_at bigint,
    data blob, target_id text, target_seq bigint,
    PRIMARY KEY ((conversation_id, bucket), seq))"""
_MESSAGES = """CREATE TABLE IF NOT EXISTS messages (
    conversation_id text, bucket bigint, seq bigint, message_id text, sender_id text, client_message_id text,
    content text, is_encrypted boolean, message_type text, metadata frozen<map<text, text>>, e2ee blob,
    sent_at bigint, sender_name text, reply_to_message_id text, reply_to_seq bigint, thread_root_id text,
    mentions frozen<list<text>>, mention_all boolean, mention_here boolean, forwarded boolean, silent boolean,
    pinned boolean, attachment_count int, reaction_count int, reply_count int, edited_at bigint, edit_count
    int, deleted_at bigint, deleted_by text, delete_reason text, expires_at bigint, PRIMARY KEY
    ((conversation_id, bucket), seq)) WITH CLUSTERING ORDER BY (seq DESC)"""
_INDEX = """CREATE TABLE IF NOT EXISTS message_index (
    slot bigint, shard int, message_id text, conversation_id text, seq bigint,
    PRIMARY KEY ((slot, shard), message_id)) WITH CLUSTERING ORDER BY (message_id DESC)"""
_SLOTS = """CREATE TABLE IF NOT EXISTS message_slots (
    part int, slot bigint, PRIMARY KEY (part, slot)) WITH CLUSTERING ORDER BY (slot DESC)"""
_REACTIONS = """CREATE TABLE IF NOT EXISTS message_reactions (
    message_id text, user_id text, emoji text, reacted_at bigint,
    PRIMARY KEY (message_id, user_id, emoji))"""
_ATTACHMENTS = """CREATE TABLE IF NOT EXISTS message_attachments (
    message_id text, position int, file_id text, file_name text, content_type text, file_size bigint,
    is_encrypted boolean, uploaded_at bigint, has_thumbnail boolean, available boolean,
    PRIMARY KEY (message_id, position))"""
_VERSIONS = """CREATE TABLE IF NOT EXISTS message_versions (
    message_id text, version int, content text, metadata frozen<map<text, text>>, e2ee blob, edited_at bigint,
    PRIMARY KEY (message_id, version))"""
_THREADS = """CREATE TABLE IF NOT EXISTS thread_index (
    thread_root_id text, seq bigint, conversation_id text, message_id text, sender_id text,
    PRIMARY KEY (thread_root_id, seq))"""
_EXPIRIES = """CREATE TABLE IF NOT EXISTS message_expiries (
    hour bigint, expires_at bigint, message_id text, PRIMARY KEY (hour, expires_at, message_id))"""
_HOURS = """CREATE TABLE IF NOT EXISTS expiry_hours (
    part int, hour bigint, PRIMARY KEY (part, hour))"""

#: What each version of the schema adds, from version 1 on. Each statement may be run again.
UPGRADES: Final = (
    (
        _HEADS,
        _EVENTS,
        _MESSAGES,
        _INDEX,
        _SLOTS,
        _REACTIONS,
        _ATTACHMENTS,
        _VERSIONS,
        _THREADS,
        _EXPIRIES,
        _HOURS,
    ),
)

#: Every table that holds something of a conversation.
TABLES: Final = (
    "timeline_heads",
    "timeline_events",
    "messages",
    "message_index",
    "message_slots",
    "message_reactions",
    "message_attachments",
    "message_versions",
    "thread_index",
    "message_expiries",
    "expiry_hours",
)
