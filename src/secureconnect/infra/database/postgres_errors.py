"""What errors of a PostgreSQL or CockroachDB server mean, and what callers are told.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. CockroachDB answers with the same ones;
whatever it wants to be tried again is 40001.
"""

from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError

from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Verdict", "integrity", "is_collision", "kind_of", "scrub", "told", "unavailable", "verdict"]


class Verdict(Enum):
    """What is to be done about an error."""

    #: Somebody else was in the way: run the unit of work again.
    RETRY = "retry"
    #: The connection is gone, the server perhaps with it.
    LOST = "lost"
    #: The transaction was refused everything since a statement of it failed.
    ABORTED = "aborted"
    #: The server answers but cannot serve: no space, no memory, no time, read-only.
    UNABLE = "unable"
    #: The unit of work raised it; its caller knows what it means.
    PASS = "pass"  # noqa: S105 - not a password


# Serialization failure; deadlock, or what may become one; a transaction in which we stood still for too long.
_RETRY = frozenset({"40001", "40P01", "55P03", "25P03"})
# Administrator's shutdown, crash of another backend, starting up or shutting down.
_LOST = frozenset({"57P01", "57P02", "57P03"})
# Statement timeout, read-only standby, transaction too long; whether the commit took place is unknown.
_UNABLE = frozenset({"57014", "25006", "25P04", "40003"})
# Resources (disk, memory, connections), system errors, limits, access.
_UNABLE_CLASSES = frozenset({"53", "54", "58", "28", "3D", "F0", "XX"})
_ABORTED = "25P02"
_DUPLICATE_TABLE, _NOT_UNIQUE = "42P07", "23505"
# Two processes that migrate at once meet here; the second runs again and finds nothing left to do.
_MIGRATED = frozenset({"pg_type", "pg_class", "schema_migrations"})


def _driver_error(error: BaseException) -> BaseException:
    """The driver's own error behind SQLAlchemy's, which is behind the one that stores see."""
    if isinstance(error, DBAPIError):
        found: BaseException = error.orig or error
        return found.__cause__ or found
    return error


def verdict(error: BaseException) -> Verdict:
    """What `error`, raised by a unit of work or by the driver, means."""
    error = _driver_error(error)
    if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError):
        return Verdict.RETRY  # a migration was applied beside us
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        migrating = code == _NOT_UNIQUE and error.table_name in _MIGRATED
        if code in _RETRY or code == _DUPLICATE_TABLE or migrating:
            return Verdict.RETRY
        if code in _LOST or code.startswith("08"):
            return Verdict.LOST
        if code == _ABORTED:
            return Verdict.ABORTED
        if code in _UNABLE or code[:2] in _UNABLE_CLASSES:
            return Verdict.UNABLE
        return Verdict.PASS
    if isinstance(error, asyncpg.DataError):
        return Verdict.PASS  # an InterfaceError, but about a parameter
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError):
        return Verdict.LOST
    return Verdict.PASS


def kind_of(error: BaseException) -> str:
    """The label of `db_query_errors_total`."""
    cause = _driver_error(error)
    if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
        return "constraint"
    if getattr(cause, "sqlstate", None) == "57014":
        return "timeout"
    found = verdict(error)
    return {Verdict.RETRY: "serialization", Verdict.LOST: "connection"}.get(found, "other")


def is_collision(error: BaseException) -> bool:
    """Whether a key was written that exists. Serializable transactions meet this also when whoever was faster
    committed after their look (https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html)."""
    return getattr(_driver_error(error), "sqlstate", None) == _NOT_UNIQUE


def scrub(error: BaseException) -> None:
    """Take out what a statement was given: errors end in logs, parameters are texts, hashes, addresses."""
    if isinstance(error, asyncpg.PostgresError):
        error.detail = error.context = error.internal_query = None
        if isinstance(error, asyncpg.DataError):  # "invalid input syntax for type integer: …"
            error.args = (f"invalid input ({error.sqlstate})",)
    elif isinstance(error, asyncpg.DataError):
        error.args = ("invalid input for a parameter",)


def integrity(sql: str, params: tuple[object, ...], error: Exception) -> IntegrityError:
    """The driver's error in the form in which stores meet it everywhere; it does not repeat `params`."""
    return IntegrityError(sql, params, error, hide_parameters=True)


def unavailable(message: str = "The database cannot be used at the moment.") -> ApiError:
    """`DATABASE_UNAVAILABLE`, to be repeated after a second (docs/reference/operations.md §9)."""
    return ApiError(ErrorCode.DATABASE_UNAVAILABLE, message, retry_after=1)


def told(error: BaseException) -> BaseException:
    """What the caller of a failed unit of work is told: faults of the store as ApiError, others unchanged."""
    if verdict(error) is Verdict.PASS:
        return error
    answer = unavailable()
    answer.__cause__ = error
    return answer
