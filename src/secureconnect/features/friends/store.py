"""The tables `friendships` and `blocks` and every query on them."""

from collections.abc import Callable, Collection, Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Index,
    Row,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from secureconnect.features.friends.rules import Block, Friendship, Request
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = [
    "accept_friendship",
    "blocked",
    "blocked_with",
    "blocks",
    "count_friends",
    "count_outgoing",
    "delete_block",
    "delete_friendship",
    "find_block",
    "find_friendship",
    "friend_ids",
    "friends_among",
    "friendships",
    "insert_block",
    "insert_friendship",
    "list_blocks",
    "list_requests",
    "pair_of",
    "replace_reason",
]

friendships = Table(
    "friendships",
    METADATA,
    Column("user_low", String(36), primary_key=True),
    Column("user_high", String(36), primary_key=True),
    Column("requested_by", String(36), nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("friendships_user_high_idx", friendships.c.user_high, friendships.c.user_low)

blocks = Table(
    "blocks",
    METADATA,
    Column("blocker_id", String(36), primary_key=True),
    Column("blocked_id", String(36), primary_key=True),
    Column("reason", Text),
    Column("created_at", BigInteger, nullable=False),
)
Index("blocks_blocked_id_idx", blocks.c.blocked_id, blocks.c.blocker_id)

_F = friendships.c
_B = blocks.c
# Ids per statement: stores limit the parameters of one.
_CHUNK = 500


def pair_of(a: str, b: str) -> tuple[str, str]:
    """The two in the order in which a pair is stored."""
    return (a, b) if a < b else (b, a)


def find_friendship(conn: Connection, a: str, b: str) -> Friendship | None:
    """The relation of a pair."""
    row = conn.execute(select(friendships).where(_is_pair(a, b))).first()
    return _friendship(row) if row is not None else None


def insert_friendship(tx: WriteTx, friendship: Friendship) -> None:
    """Store a new relation; raises ApiError `CONFLICT` when the pair has one."""
    try:
        tx.conn.execute(insert(friendships).values(msgspec.structs.asdict(friendship)))
    except IntegrityError as error:  # another process was faster
        raise ApiError(
            ErrorCode.CONFLICT, "Somebody was faster.", details=[Detail("id", "already asked")]
        ) from error


def accept_friendship(tx: WriteTx, a: str, b: str, now: int) -> None:
    """Turn the pair's request into a friendship."""
    tx.conn.execute(update(friendships).where(_is_pair(a, b)).values(status="accepted", updated_at=now))


def delete_friendship(tx: WriteTx, a: str, b: str) -> None:
    """Leave the pair without relation."""
    tx.conn.execute(delete(friendships).where(_is_pair(a, b)))


def count_friends(conn: Connection, user_id: str) -> int:
    """Friends of a user."""
    return _count(conn, _others(user_id, _F.status == "accepted"))


def count_outgoing(conn: Connection, user_id: str) -> int:
    """Requests of a user that nobody answered yet."""
    return _count(conn, _others(user_id, _F.status == "pending", _F.requested_by == user_id))


def friend_ids(conn: Connection, user_id: str) -> set[str]:
    """Friends of a user."""
    return set(conn.execute(_others(user_id, _F.status == "accepted")).scalars())


def friends_among(conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
    """Those of `others` that are friends of a user."""

    def query(some: Sequence[str]) -> CompoundSelect[str]:
        return union_all(
            select(_F.user_high).where(
                _F.user_low == user_id, _F.user_high.in_(some), _F.status == "accepted"
            ),
            select(_F.user_low).where(
                _F.user_high == user_id, _F.user_low.in_(some), _F.status == "accepted"
            ),
        )

    return _in_chunks(conn, others, query)


def list_requests(
    conn: Connection,
    user_id: str,
    direction: Request,
    *,
    after: tuple[int, str] | None,
    limit: int,
) -> list[Friendship]:
    """Open requests, newest first, that follow (created_at, id of the other one)."""
    outgoing = direction == "outgoing"
    mine = (_F.requested_by == user_id) if outgoing else (_F.requested_by != user_id)
    pending = _F.status == "pending"
    found = union_all(
        select(friendships, _F.user_high.label("other")).where(_F.user_low == user_id, pending, mine),
        select(friendships, _F.user_low.label("other")).where(_F.user_high == user_id, pending, mine),
    ).subquery()
    query = select(found).order_by(found.c.created_at.desc(), found.c.other).limit(limit)
    if after is not None:
        query = query.where(_below(found.c.created_at, found.c.other, after))
    return [_friendship(row) for row in conn.execute(query)]


def find_block(conn: Connection, blocker_id: str, blocked_id: str) -> Block | None:
    """The block that one user set against another."""
    row = conn.execute(select(blocks).where(_is_block(blocker_id, blocked_id))).first()
    return Block(row.blocked_id, row.reason, row.created_at) if row is not None else None


def insert_block(tx: WriteTx, blocker_id: str, block: Block) -> None:
    """Store a new block; raises ApiError `CONFLICT` when it exists."""
    values = {"blocker_id": blocker_id, **msgspec.structs.asdict(block)}
    try:
        tx.conn.execute(insert(blocks).values(values))
    except IntegrityError as error:  # another process was faster
        raise ApiError(
            ErrorCode.CONFLICT, "Somebody was faster.", details=[Detail("id", "already blocked")]
        ) from error


def replace_reason(tx: WriteTx, blocker_id: str, blocked_id: str, reason: str | None) -> None:
    """Give an existing block another reason."""
    tx.conn.execute(update(blocks).where(_is_block(blocker_id, blocked_id)).values(reason=reason))


def delete_block(tx: WriteTx, blocker_id: str, blocked_id: str) -> bool:
    """Lift a block; False when there was none."""
    return tx.conn.execute(delete(blocks).where(_is_block(blocker_id, blocked_id))).rowcount > 0


def list_blocks(
    conn: Connection, blocker_id: str, *, after: tuple[int, str] | None, offset: int, limit: int
) -> list[Block]:
    """Blocks that a user set, newest first, that follow (created_at, blocked id)."""
    query = (
        select(_B.blocked_id, _B.reason, _B.created_at)
        .where(_B.blocker_id == blocker_id)
        .order_by(_B.created_at.desc(), _B.blocked_id)
        .offset(offset)
        .limit(limit)
    )
    if after is not None:
        query = query.where(_below(_B.created_at, _B.blocked_id, after))
    return [Block(row.blocked_id, row.reason, row.created_at) for row in conn.execute(query)]


def blocked(conn: Connection, a: str, b: str) -> bool:
    """Whether one of the two blocked the other."""
    query = select(_B.blocker_id).where(or_(_is_block(a, b), _is_block(b, a))).limit(1)
    return conn.execute(query).first() is not None


def blocked_with(conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
    """Those of `others` with a block between them and a user."""

    def query(some: Sequence[str]) -> CompoundSelect[str]:
        return union_all(
            select(_B.blocked_id).where(_B.blocker_id == user_id, _B.blocked_id.in_(some)),
            select(_B.blocker_id).where(_B.blocked_id == user_id, _B.blocker_id.in_(some)),
        )

    return _in_chunks(conn, others, query)


def _is_pair(a: str, b: str) -> ColumnElement[bool]:
    low, high = pair_of(a, b)
    return and_(_F.user_low == low, _F.user_high == high)


def _is_block(blocker_id: str, blocked_id: str) -> ColumnElement[bool]:
    return and_(_B.blocker_id == blocker_id, _B.blocked_id == blocked_id)


def _others(user_id: str, *conditions: ColumnElement[bool]) -> CompoundSelect[str]:
    """Ids at the other end of a user's relations; one half for each place of the user in a pair."""
    return union_all(
        select(_F.user_high).where(_F.user_low == user_id, *conditions),
        select(_F.user_low).where(_F.user_high == user_id, *conditions),
    )


def _below(time: ColumnElement[int], tie: ColumnElement[str], after: tuple[int, str]) -> ColumnElement[bool]:
    return or_(time < after[0], and_(time == after[0], tie > after[1]))


def _count(conn: Connection, query: CompoundSelect[str]) -> int:
    return conn.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def _in_chunks(
    conn: Connection, ids: Collection[str], query: Callable[[Sequence[str]], CompoundSelect[str]]
) -> set[str]:
    wanted = list(ids)
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        found.update(conn.execute(query(wanted[start : start + _CHUNK])).scalars())
    return found


def _friendship(row: Row[*tuple[object, ...]]) -> Friendship:
    return Friendship(
        row.user_low, row.user_high, row.requested_by, row.status, row.created_at, row.updated_at
    )
