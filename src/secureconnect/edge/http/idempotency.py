"""`Idempotency-Key`: the first answer again instead of a second effect
(docs/reference/conventions.md §3.6).
"""

import hashlib
import re
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import METADATA, Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid

__all__ = ["Idempotency", "Key", "Replay", "idempotency_keys"]

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_REMEMBERED_MS = 24 * 3600 * 1000
# Longer than any request may take: an older unfinished row belongs to a process that died.
_ABANDONED_MS = 60_000

idempotency_keys = Table(
    "idempotency_keys",
    METADATA,
    Column("caller_id", String(36), primary_key=True),
    Column("method", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("status", Integer, nullable=True),
    Column("response", LargeBinary, nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Index("idempotency_keys_created_at_idx", "created_at"),
)


class Key(NamedTuple):
    """What one remembered answer belongs to."""

    caller_id: str
    method: str
    path: str
    key: str


class Replay(NamedTuple):
    """A remembered answer: its status and the envelope up to `meta`."""

    status: int
    body: bytes


class Idempotency:
    """Remembers answers for 24 hours, sealed: they may hold what is nowhere else stored readable.

    So is the hash of the body, from which a password could be guessed.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock

    @staticmethod
    def check(text: str) -> str:
        """Raises ApiError `VALIDATION_ERROR` when the header is malformed."""
        if not _KEY.fullmatch(text):
            raise invalid("Idempotency-Key", "1 to 128 characters of A-Z a-z 0-9 . _ : - are allowed")
        return text

    async def begin(self, key: Key, body: bytes) -> Replay | None:
        """Take the key for a first run (None), or return what the first run answered.

        Raises:
            ApiError: `IDEMPOTENCY_CONFLICT` for another body, `REQUEST_IN_PROGRESS` while the first runs.
        """
        key = _stored(key)
        digest = hashlib.sha256(body).digest()
        now = self._clock.now()
        return await self._database.write(lambda tx: self._begin_in(tx, key, digest, now))

    async def finish(self, key: Key, status: int, body: bytes) -> None:
        """Remember the answer; 5xx and 429 are forgotten, so that a repeat runs again."""
        key = _stored(key)
        sealed = self._sealer.seal(body, _place(key))
        keep = status < 500 and status != ErrorCode.RATE_LIMIT_EXCEEDED.status

        def work(tx: WriteTx) -> None:
            if keep:
                tx.conn.execute(
                    update(idempotency_keys).where(*_is(key)).values(status=status, response=sealed)
                )
            else:
                tx.conn.execute(delete(idempotency_keys).where(*_is(key)))

        await self._database.write(work)

    def _begin_in(self, tx: WriteTx, key: Key, digest: bytes, now: int) -> Replay | None:
        columns = idempotency_keys.c
        row = tx.conn.execute(
            select(columns.body_hash, columns.status, columns.response, columns.created_at).where(*_is(key))
        ).first()
        if row is not None and row.created_at > now - _REMEMBERED_MS:
            if self._sealer.open(row.body_hash, _place(key)) != digest:
                raise ApiError(
                    ErrorCode.IDEMPOTENCY_CONFLICT, "This Idempotency-Key was used with another body."
                )
            if row.status is not None:
                return Replay(row.status, self._sealer.open(row.response, _place(key)))
            if row.created_at > now - _ABANDONED_MS:
                raise _running()
        values = {
            "body_hash": self._sealer.seal(digest, _place(key)),
            "status": None,
            "response": None,
            "created_at": now,
        }
        if row is not None:
            tx.conn.execute(update(idempotency_keys).where(*_is(key)).values(values))
            return None
        try:
            tx.conn.execute(insert(idempotency_keys).values({**key._asdict(), **values}))
        except IntegrityError as error:  # another process took it between our two statements
            raise _running() from error
        return None

    async def purge(self) -> int:
        """Forget answers older than 24 hours; returns how many."""
        before = self._clock.now() - _REMEMBERED_MS
        return await self._database.write(
            lambda tx: (
                tx.conn.execute(
                    delete(idempotency_keys).where(idempotency_keys.c.created_at < before)
                ).rowcount
            )
        )


def _stored(key: Key) -> Key:
    """Paths may hold the code of an invite: only their hash is stored."""
    return key._replace(path=hashlib.sha256(key.path.encode()).hexdigest())


def _place(key: Key) -> str:
    return "idempotency:" + " ".join(key)


def _is(key: Key) -> tuple[ColumnElement[bool], ...]:
    columns = idempotency_keys.c
    return (
        columns.caller_id == key.caller_id,
        columns.method == key.method,
        columns.path == key.path,
        columns.key == key.key,
    )


def _running() -> ApiError:
    return ApiError(
        ErrorCode.REQUEST_IN_PROGRESS, "The first request with this key still runs.", retry_after=1
    )
