"""Tables and queries of polls."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    text,
    tuple_,
    update,
)

from secureconnect.features.polls.rules import PollRecord
from secureconnect.infra.database.base import METADATA, WriteTx

__all__ = [
    "OptionRecord",
    "Vote",
    "add_poll",
    "choices_of",
    "close",
    "closed_anonymous",
    "delete_polls",
    "expired",
    "find",
    "find_many",
    "forget_votes",
    "in_conversation",
    "options_of",
    "set_votes",
    "voters",
]

_OPEN = "expires_at IS NOT NULL AND closed_at IS NULL"

polls = Table(
    "polls",
    METADATA,
    Column("poll_id", String(36), primary_key=True),
    Column("conversation_id", String(36), nullable=False),
    Column("creator_id", String(36), nullable=False),
    Column("question", Text, nullable=False),
    Column("poll_type", Text, nullable=False),
    Column("allow_vote_change", Boolean, nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("is_encrypted", Boolean, nullable=False),
    Column("expires_at", BigInteger),
    Column("closed_at", BigInteger),
    Column("close_reason", Text),
    Column("total_votes", Integer, nullable=False),
    Column("total_voters", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("polls_conversation_id_idx", "conversation_id", "seq"),
    Index("polls_expires_at_idx", "expires_at", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
)

poll_options = Table(
    "poll_options",
    METADATA,
    Column("option_id", String(36), primary_key=True),
    Column("poll_id", String(36), nullable=False),
    Column("option_text", Text, nullable=False),
    Column("normalised", Text, nullable=False),
    Column("display_order", Integer, nullable=False),
    Column("vote_count", Integer, nullable=False),
    Index("poll_options_poll_id_key", "poll_id", "normalised", unique=True),
)

poll_votes = Table(
    "poll_votes",
    METADATA,
    Column("poll_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
    Column("option_id", String(36), primary_key=True),
    Column("single", Boolean, nullable=False),
    Column("voted_at", BigInteger, nullable=False),
    Index(
        "poll_votes_single_key",
        "poll_id",
        "user_id",
        unique=True,
        sqlite_where=text("single"),
        postgresql_where=text("single"),
    ),
    Index("poll_votes_option_id_idx", "option_id", "voted_at", "user_id"),
    sqlite_with_rowid=False,
)

_p, _o, _v = polls.c, poll_options.c, poll_votes.c

_RECORD = (
    _p.poll_id,
    _p.conversation_id,
    _p.creator_id,
    _p.question,
    _p.poll_type,
    _p.allow_vote_change,
    _p.anonymous,
    _p.is_encrypted,
    _p.expires_at,
    _p.closed_at,
    _p.close_reason,
    _p.total_votes,
    _p.total_voters,
    _p.seq,
    _p.created_at,
    _p.updated_at,
)


def _record(row: Any) -> PollRecord:
    return PollRecord(*row)


class OptionRecord(Struct, frozen=True):
    """One option and how often it was chosen."""

    option_id: str
    poll_id: str
    option_text: str
    display_order: int
    vote_count: int


class Vote(Struct, frozen=True):
    """Who chose an option, and when (ms)."""

    user_id: str
    voted_at: int


def add_poll(tx: WriteTx, poll: PollRecord, options: Sequence[OptionRecord], keys: Sequence[str]) -> None:
    """Store a new poll; `keys` tell its options apart."""
    tx.conn.execute(insert(polls).values(**{name: getattr(poll, name) for name in poll.__struct_fields__}))
    tx.conn.execute(
        insert(poll_options),
        [
            {
                "option_id": option.option_id,
                "poll_id": option.poll_id,
                "option_text": option.option_text,
                "normalised": key,
                "display_order": option.display_order,
                "vote_count": 0,
            }
            for option, key in zip(options, keys, strict=True)
        ],
    )


def find(conn: Connection, poll_id: str) -> PollRecord | None:
    """One poll."""
    return next(iter(find_many(conn, [poll_id])), None)


def find_many(conn: Connection, poll_ids: Collection[str]) -> list[PollRecord]:
    """Those that exist."""
    return [_record(row) for row in conn.execute(select(*_RECORD).where(_p.poll_id.in_(poll_ids)))]


def in_conversation(
    conn: Connection, conversation_id: str, *, first: int, before: int | None, open_at: int | None, limit: int
) -> list[PollRecord]:
    """Polls at or above the seq `first`, newest first; with `open_at` those that take votes at that time."""
    query = select(*_RECORD).where(_p.conversation_id == conversation_id, _p.seq >= first)
    if before is not None:
        query = query.where(_p.seq < before)
    if open_at is not None:
        query = query.where(_p.closed_at.is_(None), (_p.expires_at.is_(None)) | (_p.expires_at > open_at))
    return [_record(row) for row in conn.execute(query.order_by(_p.seq.desc()).limit(limit))]


def options_of(conn: Connection, poll_ids: Collection[str]) -> dict[str, list[OptionRecord]]:
    """The options of each poll, in their order."""
    found: dict[str, list[OptionRecord]] = {}
    rows = conn.execute(
        select(_o.option_id, _o.poll_id, _o.option_text, _o.display_order, _o.vote_count)
        .where(_o.poll_id.in_(poll_ids))
        .order_by(_o.poll_id, _o.display_order)
    )
    for row in rows:
        found.setdefault(row[1], []).append(OptionRecord(*row))
    return found


def choices_of(conn: Connection, user_id: str, poll_ids: Collection[str]) -> dict[str, set[str]]:
    """The options that a user chose, by poll."""
    found: dict[str, set[str]] = {}
    rows = conn.execute(
        select(_v.poll_id, _v.option_id).where(_v.poll_id.in_(poll_ids), _v.user_id == user_id)
    )
    for poll_id, option_id in rows:
        found.setdefault(poll_id, set()).add(option_id)
    return found


def set_votes(
    tx: WriteTx, poll: PollRecord, user_id: str, old: Collection[str], new: Collection[str], now: int
) -> None:
    """Replace the choice `old` of a user, read in this transaction, by `new` as a whole."""
    if old:
        tx.conn.execute(delete(poll_votes).where(_v.poll_id == poll.poll_id, _v.user_id == user_id))
    if new:
        tx.conn.execute(
            insert(poll_votes),
            [
                {
                    "poll_id": poll.poll_id,
                    "user_id": user_id,
                    "option_id": option_id,
                    "single": poll.poll_type == "single",
                    "voted_at": now,
                }
                for option_id in sorted(new)
            ],
        )
    changes = dict.fromkeys(sorted(set(new) - set(old)), 1) | dict.fromkeys(sorted(set(old) - set(new)), -1)
    for option_id, change in changes.items():
        tx.run("UPDATE poll_options SET vote_count = vote_count + ? WHERE option_id = ?", (change, option_id))
    tx.run(
        "UPDATE polls SET total_votes = total_votes + ?, total_voters = total_voters + ?, updated_at = ?"
        " WHERE poll_id = ?",
        (len(new) - len(old), bool(new) - bool(old), now, poll.poll_id),
    )


def voters(conn: Connection, option_id: str, *, after: Vote | None, limit: int) -> list[Vote]:
    """Who chose an option, earliest first, behind `after`."""
    query = select(_v.user_id, _v.voted_at).where(_v.option_id == option_id)
    if after is not None:
        query = query.where(tuple_(_v.voted_at, _v.user_id) > (after.voted_at, after.user_id))
    return [Vote(*row) for row in conn.execute(query.order_by(_v.voted_at, _v.user_id).limit(limit))]


def close(tx: WriteTx, poll_id: str, reason: str, now: int) -> None:
    """The result stands."""
    tx.conn.execute(
        update(polls).where(_p.poll_id == poll_id).values(closed_at=now, close_reason=reason, updated_at=now)
    )


def expired(conn: Connection, now: int, after: tuple[int, str], limit: int) -> list[PollRecord]:
    """Open polls whose time is over, the first to end first, behind (`expires_at`, id)."""
    place = tuple_(_p.expires_at, _p.poll_id)
    query = select(*_RECORD).where(text(_OPEN), _p.expires_at <= now, place > after)
    rows = conn.execute(query.order_by(_p.expires_at, _p.poll_id).limit(limit))
    return [_record(row) for row in rows]


def delete_polls(tx: WriteTx, poll_ids: Collection[str]) -> None:
    """Forget polls with their options and votes; ids of other messages are fine."""
    for table in (poll_votes, poll_options, polls):
        tx.conn.execute(delete(table).where(table.c.poll_id.in_(poll_ids)))


def closed_anonymous(conn: Connection, closed_before: int, limit: int) -> list[str]:
    """Anonymous polls closed before that time (ms) of which it is still known who voted."""
    known = select(_v.poll_id).where(_v.poll_id == _p.poll_id).exists()
    query = select(_p.poll_id).where(_p.anonymous, _p.closed_at < closed_before, known).limit(limit)
    return list(conn.execute(query).scalars())


def forget_votes(tx: WriteTx, poll_ids: Sequence[str], limit: int) -> int:
    """Drop who voted in these polls, at most `limit` votes; counts stay. Returns how many went."""
    rows = list(
        tx.conn.execute(
            select(_v.poll_id, _v.user_id, _v.option_id).where(_v.poll_id.in_(poll_ids)).limit(limit)
        )
    )
    for row in rows:
        tx.run("DELETE FROM poll_votes WHERE poll_id = ? AND user_id = ? AND option_id = ?", tuple(row))
    return len(rows)
