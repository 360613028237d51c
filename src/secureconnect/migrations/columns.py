"""How the migrations write their columns. Never changes: released steps are made of it.

Types: ids are `String(36)`, times milliseconds since the epoch in `BigInteger`, JSON is `Text`, hashes and
ciphertexts `LargeBinary`, every other text `Text`.
"""

import sqlalchemy as sa

__all__ = ["blob", "count", "flag", "id_", "number", "text", "time"]


def id_(name: str, *, optional: bool = False) -> sa.Column[str]:
    """A UUID in text form."""
    return sa.Column(name, sa.String(36), nullable=optional)


def text(name: str, *, optional: bool = False) -> sa.Column[str]:
    """Any text, JSON too."""
    return sa.Column(name, sa.Text(), nullable=optional)


def time(name: str, *, optional: bool = False) -> sa.Column[int]:
    """Milliseconds since the epoch."""
    return sa.Column(name, sa.BigInteger(), nullable=optional)


def number(name: str, *, optional: bool = False) -> sa.Column[int]:
    """A seq, a size in bytes, or another number that may pass 2^31."""
    return sa.Column(name, sa.BigInteger(), nullable=optional)


def count(name: str, *, optional: bool = False) -> sa.Column[int]:
    """A small number."""
    return sa.Column(name, sa.Integer(), nullable=optional)


def flag(name: str) -> sa.Column[bool]:
    """Yes or no."""
    return sa.Column(name, sa.Boolean(), nullable=False)


def blob(name: str, *, optional: bool = False) -> sa.Column[bytes]:
    """Hashes and ciphertexts."""
    return sa.Column(name, sa.LargeBinary(), nullable=optional)
