"""The machine: settings, disk, clock, open files, certificates, backups."""

import asyncio
import ctypes
import datetime as dt
import os
import resource
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from secureconnect.app.backup.names import made_at, stored
from secureconnect.app.data_dir import restore_mark
from secureconnect.app.doctor.base import Check, Finding, failed, fine, warned
from secureconnect.app.settings import Settings
from secureconnect.app.settings.production import warnings

__all__ = ["machine_checks"]

_GIB = 1 << 30
_SLOW_SYNC = 0.1
_SPARE_FILES = 200
_EXPIRES_SOON = dt.timedelta(days=14)
_BACKUP_AGE = 26 * 3600
_TIME_ERROR = 5  # TIME_ERROR of adjtimex(2): the clock is not kept by anything


def machine_checks(settings: Settings) -> list[Check]:
    """What does not need any store."""
    return [
        Check("settings", lambda: _settings(settings), "Run `secureconnect config check`."),
        Check("disk", lambda: asyncio.to_thread(_disk, settings), "Check the disk and who may write there."),
        Check("clock", lambda: asyncio.to_thread(_clock), "Let chrony or systemd-timesyncd keep the clock."),
        Check("open files", lambda: asyncio.to_thread(_files, settings), "Raise `ulimit -n`."),
        Check("tls", lambda: asyncio.to_thread(_tls, settings), "Renew the certificate."),
        Check("backup", lambda: asyncio.to_thread(_backups, settings), "See docs/how-to/backup.md."),
    ]


async def _settings(settings: Settings) -> Sequence[Finding]:
    found = [Finding("settings", "warn", warning, "") for warning in warnings(settings)]
    return found or fine("settings", f"environment {settings.server.environment}, nothing to say")


def _disk(settings: Settings) -> Sequence[Finding]:
    folder = settings.data_dir
    if not folder.is_dir():
        if not settings.embedded_sql:
            return fine("disk", f"{folder} is made at the first start")
        return failed(
            "disk", f"there is no data directory {folder}", "Give --data-dir, or start the server once."
        )
    if restore_mark(folder).exists():
        return failed("disk", "a restore was not finished", "Run `secureconnect restore` again.")
    usage = shutil.disk_usage(folder)
    seconds = _sync_seconds(folder)
    share = usage.free / usage.total
    told = f"{usage.free / _GIB:.1f} GiB free ({share:.0%}) in {folder}, a sync takes {seconds * 1000:.1f} ms"
    if share < 0.03:
        return failed(
            "disk", told, "Free space, or move the data directory to a larger disk: writes will fail."
        )
    if share < 0.10:
        return warned("disk", told, "Free space, or move the data directory to a larger disk.")
    if seconds > _SLOW_SYNC:
        return warned("disk", told, "Every acknowledged message waits for a sync: use a faster disk.")
    return fine("disk", told)


def _sync_seconds(folder: Path) -> float:
    probe = folder / f".doctor.{os.getpid()}"
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        started = time.perf_counter()
        os.write(descriptor, b"\0" * 4096)
        os.fsync(descriptor)
        return time.perf_counter() - started
    finally:
        os.close(descriptor)
        probe.unlink()


def _clock() -> Sequence[Finding]:
    """Whether the kernel says that something keeps its clock; stores compare theirs with it too."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        state = -1
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    if state == -1:
        return warned("clock", f"{now}; the kernel does not say whether it is kept", "Check it by hand.")
    if state == _TIME_ERROR:
        return warned(
            "clock", f"{now}, and nothing keeps it right", "Let chrony or systemd-timesyncd keep the clock."
        )
    return fine("clock", f"{now}, kept in time")


def _files(settings: Settings) -> Sequence[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.realtime.max_sockets + _SPARE_FILES
    if soft < needed:
        return warned(
            "open files",
            f"{soft} open files, but realtime.max_sockets is {settings.realtime.max_sockets}",
            f"Give the service at least {needed} (`ulimit -n`, LimitNOFILE=), or lower realtime.max_sockets.",
        )
    return fine("open files", f"{soft} open files for {settings.realtime.max_sockets} sockets")


def _tls(settings: Settings) -> Sequence[Finding]:
    path = settings.server.tls_cert_file
    if not path:
        return fine("tls", "not served here; a proxy in front may")
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
    ends = certificate.not_valid_after_utc
    left = ends - dt.datetime.now(dt.UTC)
    told = f"{path} is good until {ends.isoformat(timespec='seconds')}"
    if left < dt.timedelta(0):
        return failed("tls", told.replace("is good", "was good"), "Renew it, then send SIGHUP to the server.")
    if left < _EXPIRES_SOON:
        return warned("tls", told, "Renew it, then send SIGHUP to the server.")
    return fine("tls", told)


def _backups(settings: Settings) -> Sequence[Finding]:
    given = settings.backup
    if not given.schedule:
        return warned(
            "backup", "none are made here", "Set backup.schedule and backup.dir (docs/how-to/backup.md)."
        )
    found = stored(Path(given.dir)) if Path(given.dir).is_dir() else []
    if not found:
        return warned("backup", f"there is none in {given.dir} yet", "Run `secureconnect backup`.")
    age = time.time() - (made_at(found[-1]) or 0)
    told = f"{len(found)} in {given.dir}, the newest {age / 3600:.1f} h old"
    if age > _BACKUP_AGE:
        return failed("backup", told, "Look for `job failed` with job=backup in the log.")
    return fine("backup", told)
