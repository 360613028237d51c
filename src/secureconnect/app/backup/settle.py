"""What must not come back to life with a restored store: whoever held it is not there any more."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, delete, update

from secureconnect.features.calls.store import abandon_all
from secureconnect.features.files.store.tables import files, storage_usage
from secureconnect.features.sessions.store import one_time_tokens, sessions
from secureconnect.infra.outbox.tables import outbox

__all__ = ["settle"]


def settle(conn: Connection, now: int, *, keep_sessions: bool) -> dict[str, int]:
    """Bring a store that was just filled to rest, in the transaction of `conn`; returns what was changed."""
    done: dict[str, int] = {}
    if not keep_sessions:
        done["sessions_revoked"] = conn.execute(
            update(sessions)
            .where(sessions.c.revoked_at.is_(None))
            .values(revoked_at=now, revoke_reason="restore")
        ).rowcount
    for name, step in _STEPS.items():
        done[name] = step(conn, now)
    return done


def _drop_one_time_tokens(conn: Connection, _: int) -> int:
    # What was used since the backup would be good for a second use.
    return conn.execute(delete(one_time_tokens)).rowcount


def _fail_uploads(conn: Connection, now: int) -> int:
    failed = (
        update(files)
        .where(files.c.status == "uploading")
        .values(status="failed", upload_id=None, updated_at=now)
    )
    count = conn.execute(failed).rowcount
    conn.execute(update(storage_usage).values(pending_bytes=0, pending_count=0))
    return count


def _release_jobs(conn: Connection, now: int) -> int:
    leased = (outbox.c.state == "pending") & outbox.c.lease_until.is_not(None)
    return conn.execute(update(outbox).where(leased).values(lease_until=None, next_at=now)).rowcount


def _abandon_calls(conn: Connection, _: int) -> int:
    return abandon_all(conn)


#: By the name under which the receipt counts them.
_STEPS: Final[dict[str, Callable[[Connection, int], int]]] = {
    "one_time_tokens_dropped": _drop_one_time_tokens,
    "uploads_failed": _fail_uploads,
    "jobs_released": _release_jobs,
    "calls_abandoned": _abandon_calls,
}
