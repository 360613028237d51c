"""The stores: reached, of the right version, and good for writing, reading and deleting."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import httpx
from sqlalchemy import Connection, delete, insert, select, text

from secureconnect import __version__
from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.doctor.base import Check, Finding, failed, fine, warned
from secureconnect.app.invariants import check_invariants
from secureconnect.app.object_store import open_blobs
from secureconnect.app.relational import RelationalStore, open_relational
from secureconnect.app.settings import Settings
from secureconnect.app.timeline import open_timeline
from secureconnect.infra.crypto.sealing import SealBroken, Sealer
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id
from secureconnect.migrations import runner

__all__ = ["store_checks"]

_DEEP = 3600.0
_SLOW = 0.5
_CLOCK_MS = 5_000
_PROBE = b"written by `secureconnect doctor`"

_DATABASE_FIX = "Check database.url, that the store runs, and that its user may read and write."


def store_checks(settings: Settings, *, deep: bool) -> list[Check]:
    """What holds the data."""
    objects = settings.object_store
    checks = [
        Check("database", lambda: _database(settings), _DATABASE_FIX),
        Check("object store", lambda: _objects(settings), _object_fix(settings)),
    ]
    if settings.timeline.backend == "cassandra":
        fix = "Check timeline.hosts, timeline.local_dc and the credentials, and `nodetool status`."
        checks.append(Check("timeline", lambda: _timeline(settings), fix))
    if objects.backend == "s3":
        checks.append(
            Check("object store, as clients see it", lambda: _public_objects(settings), _public_fix(settings))
        )
    if deep:
        checks.append(Check("invariants", lambda: _invariants(settings), _DATABASE_FIX, patience=_DEEP))
    return checks


def _open(settings: Settings, patience: float = 10.0) -> RelationalStore:
    return open_relational(settings, open_data_dir(settings), statement_timeout=patience)


async def _database(settings: Settings) -> Sequence[Finding]:
    if settings.embedded_sql and not settings.database_path.exists():
        return failed(
            "database", f"there is none at {settings.database_path}", "Start the server once, or restore."
        )
    database = _open(settings)
    try:
        seconds = await database.ping()
        size = await database.size()
        status = await database.read(runner.status)
        if status.pending:
            names = ", ".join(f"{step.version:04d} {step.name}" for step in status.pending)
            return failed("migrations", f"pending: {names}", "Run `secureconnect migrate up`.")
        if status.unreadable or status.changed:
            return failed("migrations", "the schema is of another program", "Run the version that made it.")
        await _write_read_delete(database)
        found = [
            Finding("database", "ok", f"answers in {seconds * 1000:.1f} ms, {size} bytes, can be written")
            if seconds < _SLOW
            else Finding(
                "database", "warn", f"answers in {seconds * 1000:.0f} ms", "Look at its load and disk."
            )
        ]
        found += fine("migrations", f"schema {status.version}, nothing is pending")
        found += await database.read(_future)
        found += await database.read(_server_clock)
        found += await database.read(lambda conn: _keys(conn, settings))
        return found
    finally:
        await database.close()


async def _write_read_delete(database: Database) -> None:
    from secureconnect.features.sessions.store import one_time_tokens as table

    mark = secrets.token_bytes(32)
    row: dict[str, Any] = {
        "token_hash": mark,
        "purpose": "doctor",
        "payload": "{}",
        "attempts": 0,
        "expires_at": 0,
    }

    def put(tx: WriteTx) -> None:
        tx.conn.execute(insert(table).values(row))

    def take(tx: WriteTx) -> None:
        tx.conn.execute(delete(table).where(table.c.token_hash == mark))

    await database.write(put)
    there = await database.read(
        lambda conn: conn.execute(select(table.c.purpose).where(table.c.token_hash == mark)).scalar()
    )
    await database.write(take)
    if there != "doctor":
        raise OSError("a row that was just written cannot be read")


def _future(conn: Connection) -> Sequence[Finding]:
    """Nothing can have happened after now, unless this clock, or an earlier one, is wrong."""
    last = conn.execute(text("SELECT max(last_at) FROM timeline_heads")).scalar()
    ahead = int(last or 0) - SystemClock().now()
    if ahead > _CLOCK_MS:
        return failed(
            "clock and data",
            f"the newest event is {ahead / 1000:.0f} s in the future",
            "The clock is behind, or was ahead: set it right, and keep it with chrony or systemd-timesyncd.",
        )
    return fine("clock and data", "no event is from the future")


def _server_clock(conn: Connection) -> Sequence[Finding]:
    """A server has a clock of its own, and rows of one say things about the other."""
    if conn.dialect.name == "sqlite":
        return []
    theirs = float(conn.execute(text("SELECT extract(epoch FROM now())")).scalar_one())
    apart = SystemClock().now() / 1000 - theirs
    if abs(apart) * 1000 > _CLOCK_MS:
        return failed(
            "clock of the database",
            f"it and the clock of this machine are {abs(apart):.0f} s apart",
            "Keep both with chrony or systemd-timesyncd.",
        )
    return fine("clock of the database", f"{abs(apart):.2f} s from ours")


def _keys(conn: Connection, settings: Settings) -> Sequence[Finding]:
    """The master key opens what it closed."""
    data_dir = open_data_dir(settings)
    sealer = Sealer(data_dir.master_key, data_dir.previous_master_keys)
    rows = conn.execute(text("SELECT kid, private_key_enc FROM signing_keys")).all()
    for kid, sealed in rows:
        try:
            sealer.open(bytes(sealed), f"signing_key:{kid}")
        except SealBroken as error:
            return failed(
                "master key",
                str(error),
                "Give the key that this installation was made with, as secrets.master_key or in "
                "secrets.previous_master_keys.",
            )
    return fine("master key", f"opens {len(rows)} signing keys")


async def _timeline(settings: Settings) -> Sequence[Finding]:
    database = _open(settings)
    try:
        metrics = Metrics("doctor", __version__)
        async with open_timeline(settings, database, SystemClock(), metrics) as opened:
            seconds = await opened.ping() if opened.ping is not None else 0.0
    finally:
        await database.close()
    return fine("timeline", f"Cassandra answers in {seconds * 1000:.1f} ms")


async def _objects(settings: Settings) -> Sequence[Finding]:
    blobs = open_blobs(
        settings, open_data_dir(settings), SystemClock(), Metrics("doctor", __version__), alone=False
    )
    key = f"exports/doctor/{new_id()}"
    try:
        started = time.monotonic()
        await blobs.put(key, _PROBE, content_type="text/plain")
        back = await blobs.read(key, at_most=1024)
        await blobs.delete([key])
        seconds = time.monotonic() - started
    finally:
        await blobs.close()
    if back != _PROBE:
        return failed("object store", "an object came back changed", _object_fix(settings))
    return fine("object store", f"{settings.object_store.backend}: written, read, deleted in {seconds:.3f} s")


async def _public_objects(settings: Settings) -> Sequence[Finding]:
    """A URL as clients get one has to work where they use it."""
    name = "object store, as clients see it"
    blobs = open_blobs(
        settings, open_data_dir(settings), SystemClock(), Metrics("doctor", __version__), alone=False
    )
    key = f"exports/doctor/{new_id()}"
    try:
        await blobs.put(key, _PROBE, content_type="text/plain")
        try:
            signed = await blobs.presign_get(
                key, file_name="doctor", content_type="text/plain", expires_in=60
            )
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.get(signed.url, headers=dict(signed.headers))
        finally:
            await blobs.delete([key])
    except httpx.TransportError as error:
        return failed(name, f"{type(error).__name__} at its public endpoint", _public_fix(settings))
    finally:
        await blobs.close()
    if answer.status_code != 200 or answer.content != _PROBE:
        return failed(name, f"a signed URL is answered with {answer.status_code}", _public_fix(settings))
    if settings.production and signed.url.startswith("http://"):
        return warned(
            name, "bytes of files travel unencrypted", "Give an https object_store.public_endpoint."
        )
    return fine(name, "a signed URL works")


def _object_fix(settings: Settings) -> str:
    given = settings.object_store
    if given.backend == "local":
        return "Check the disk, and that this user may write to the directory objects/."
    return (
        f"Check bucket {given.bucket!r}: that object_store.endpoint is reached from here, and that "
        "object_store.access_key and secret_key may read, write and delete there."
    )


def _public_fix(settings: Settings) -> str:
    return (
        f"Check object_store.public_endpoint for bucket {settings.object_store.bucket!r}: clients have to "
        "reach it, and a proxy in front has to pass the Host header on."
    )


async def _invariants(settings: Settings) -> Sequence[Finding]:
    database = _open(settings, _DEEP)
    try:
        found = await database.read(lambda conn: list(check_invariants(conn)))
        damage = await database.read(_damage)
    finally:
        await database.close()
    fix = "Keep a copy of the store, restore the latest backup, and report this."
    findings = [
        Finding(each.number, "ok", each.says)
        if each.holds
        else Finding(each.number, "fail", f"{each.says}: {'; '.join(each.broken[:3])}", fix)
        for each in found
    ]
    return [*findings, *(failed("file", damage, fix) if damage else fine("file", "undamaged"))]


def _damage(conn: Connection) -> str:
    """What SQLite finds damaged, empty if nothing; other stores check themselves."""
    if conn.dialect.name != "sqlite":
        return ""
    lines = [str(row[0]) for row in conn.exec_driver_sql("PRAGMA integrity_check(10)")]
    return "" if lines == ["ok"] else "; ".join(lines)
