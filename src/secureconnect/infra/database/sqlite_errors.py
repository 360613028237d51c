"""Which SQLite errors mean that the store, not the statement, is at fault, and what callers are told."""

import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError

from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["integrity", "is_fault", "is_timeout", "sqlite_code", "told", "unavailable"]

_FAULTS = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def sqlite_code(error: BaseException) -> int:
    """The primary result code behind `error` (https://www.sqlite.org/rescode.html), 0 for anything else."""
    if isinstance(error, DBAPIError):
        error = error.orig or error
    # The extended code carries the primary one in its low byte.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.Error) else 0


def is_fault(error: BaseException) -> bool:
    """Full, broken, locked: no statement can be blamed."""
    return sqlite_code(error) in _FAULTS


def is_timeout(error: BaseException) -> bool:
    """The statement was stopped because it ran too long."""
    return sqlite_code(error) == sqlite3.SQLITE_INTERRUPT


def unavailable(message: str = "The database cannot be used at the moment.") -> ApiError:
    """`DATABASE_UNAVAILABLE`, to be repeated after a second (docs/reference/rules.md §13,
    docs/reference/operations.md §9).
    """
    return ApiError(ErrorCode.DATABASE_UNAVAILABLE, message, retry_after=1)


def integrity(sql: str, params: tuple[object, ...], error: sqlite3.IntegrityError) -> IntegrityError:
    """The driver's error in the form in which stores meet it everywhere; it does not repeat `params`."""
    return IntegrityError(sql, params, error, hide_parameters=True)


def told(error: BaseException) -> BaseException:
    """What the caller of a failed unit of work is told: faults of the store as ApiError, others unchanged."""
    if is_fault(error) or is_timeout(error):
        answer = unavailable()
        answer.__cause__ = error
        return answer
    return error
