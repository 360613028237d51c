"""Rows as values. Times in milliseconds since the epoch."""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Row

from secureconnect.features.conversations.api import Member, Type
from secureconnect.features.conversations.store.tables import (
    conversation_participants,
    conversations,
)
from secureconnect.kit.objects import ConversationSettings

__all__ = [
    "MEMBER",
    "RECORD",
    "DirectExists",
    "Invite",
    "NewMember",
    "Record",
    "Seat",
    "decode_settings",
    "encode_settings",
    "member_of",
    "record_of",
]

_C = conversations.c
_P = conversation_participants.c

decode_settings = msgspec.json.Decoder(ConversationSettings).decode

#: The columns of `Record` and, behind them, of a `Member` next to it.
RECORD = (
    _C.conversation_id,
    _C.type,
    _C.title,
    _C.description,
    _C.avatar_url,
    _C.created_by,
    _C.owner_id,
    _C.direct_key,
    _C.settings,
    _C.member_count,
    _C.created_at,
    _C.updated_at,
)
MEMBER = (
    _P.user_id,
    _P.role,
    _P.joined_at,
    _P.first_visible_seq,
    _P.cleared_seq,
    _P.last_read_seq,
    _P.last_delivered_seq,
    _P.archived,
    _P.muted_until,
    _P.hidden,
)


class DirectExists(Exception):
    """Another unit of work made the same direct conversation first."""


class Record(Struct, frozen=True):
    """A conversation as stored."""

    conversation_id: str
    type: Type
    title: str | None
    description: str | None
    avatar_url: str | None
    created_by: str
    owner_id: str | None
    direct_key: str | None
    settings: ConversationSettings
    member_count: int
    created_at: int
    updated_at: int


class NewMember(Struct, frozen=True):
    """A membership that begins at `seq`; marks start there."""

    user_id: str
    role: str
    seq: int
    first_visible_seq: int


class Seat(NamedTuple):
    """A conversation and one user's place in it; `hidden` until the next message."""

    record: Record
    member: Member
    hidden: bool


class Invite(Struct, frozen=True):
    """A link as stored; `code_enc` is sealed."""

    invite_id: str
    code_hash: bytes
    code_enc: bytes
    conversation_id: str
    created_by: str
    created_at: int
    expires_at: int
    max_uses: int | None
    uses: int
    revoked_at: int | None

    def usable(self, now: int) -> bool:
        """Whether it lets one more user in at `now`."""
        return self.open(now) and (self.max_uses is None or self.uses < self.max_uses)

    def open(self, now: int) -> bool:
        """Whether it is neither revoked nor expired at `now`."""
        return self.revoked_at is None and self.expires_at > now


def encode_settings(settings: ConversationSettings) -> str:
    """The stored form."""
    return msgspec.json.encode(settings).decode()


def record_of(row: Row[*tuple[Any, ...]]) -> Record:
    """From a row that starts with `RECORD`."""
    values = list(row[:12])
    values[8] = decode_settings(values[8])
    return Record(*values)


def member_of(row: Row[*tuple[Any, ...]], record: Record) -> Seat:
    """From a row of `RECORD` and `MEMBER`."""
    user_id, role, joined_at, first, cleared, read, delivered, archived, muted_until, hidden = row[12:22]
    member = Member(
        record.conversation_id,
        user_id,
        record.type,
        role,
        record.owner_id,
        record.settings,
        record.member_count,
        joined_at,
        max(first, cleared + 1),
        read,
        delivered,
        archived,
        muted_until,
    )
    return Seat(record, member, hidden)
