"""The data directory of an embedded server: what lies in it, who may read it, and that one process serves it.

<data_dir>/             0700
    secureconnect.db    unless `database.url` names another file
    search.db           the search index, which is made anew when it is missing
    objects/            0700
    secrets/            0700, files 0600, made at the first start
        master_key      32 random bytes in base64, unless given by settings
        cursor_key      32 random bytes in base64
        vapid_key       the private key of Web Push, 32 bytes in base64
    push.jsonl          pushes to apps, until a provider is configured
    lock                held while a process serves the directory
    restoring           there while a restore is not finished: no server starts then
"""

import base64
import binascii
import fcntl
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings

__all__ = ["DataDirectory", "DirectoryLock", "InUse", "open_data_dir", "restore_mark"]

_KEY_BYTES = 32


class InUse(Failure):
    """Another process works on the data directory."""


class DataDirectory(msgspec.Struct, frozen=True):
    """An existing data directory and the keys of the installation, 32 bytes each."""

    path: Path
    database: Path
    search: Path
    objects: Path
    master_key: bytes
    previous_master_keys: tuple[bytes, ...]
    cursor_key: bytes
    vapid_key: bytes

    def __repr__(self) -> str:
        return f"DataDirectory({str(self.path)!r})"

    def lock(self) -> "DirectoryLock":
        """Take the directory, and a database outside of it, for this process; a context manager.

        Raises:
            InUse: another process holds it.
        """
        paths = [self.path / "lock"]
        if self.database.parent.resolve() != self.path.resolve():
            paths.append(self.database.with_name(f"{self.database.name}.lock"))
        return DirectoryLock(paths)


def open_data_dir(settings: Settings) -> DataDirectory:
    """Make what is missing of the data directory and read its keys. Takes no lock.

    Raises:
        Failure: it cannot be made or read, or a key in it is damaged or gone; nothing was overwritten.
    """
    path, database = settings.data_dir, settings.database_path
    if settings.secrets.master_key and not settings.embedded_sql:
        return _shared_keys(settings, path, database)
    objects, keys = path / "objects", path / "secrets"
    try:
        for directory in (path, objects, keys):
            _make_private(directory)
        if settings.secrets.master_key:
            master_key = base64.b64decode(settings.secrets.master_key)
        else:
            master_key = _master_key(keys / "master_key", database)
        return DataDirectory(
            path=path,
            database=database,
            search=path / "search.db",
            objects=objects,
            master_key=master_key,
            previous_master_keys=tuple(map(base64.b64decode, settings.secrets.previous_master_keys)),
            cursor_key=_key(keys / "cursor_key"),
            vapid_key=_vapid_key(settings, keys / "vapid_key"),
        )
    except OSError as error:
        raise Failure(
            f"the data directory {path} cannot be used: {error.strerror}: {error.filename}\n"
            "Give another one with --data-dir, or give this user the right to write there."
        ) from error


def _shared_keys(settings: Settings, path: Path, database: Path) -> DataDirectory:
    """The same keys in every process that is given the same master key; nothing is kept on its disk.

    They follow from the oldest master key in use, so that a rotation does not change them at once.
    """
    _make_private(path)
    master_key = base64.b64decode(settings.secrets.master_key)
    previous = tuple(map(base64.b64decode, settings.secrets.previous_master_keys))
    oldest = previous[-1] if previous else master_key
    return DataDirectory(
        path=path,
        database=database,
        search=path / "search.db",
        objects=path / "objects",
        master_key=master_key,
        previous_master_keys=previous,
        cursor_key=hmac.digest(oldest, b"secureconnect cursors", "sha256"),
        vapid_key=_shared_vapid_key(settings, oldest),
    )


def _shared_vapid_key(settings: Settings, oldest: bytes) -> bytes:
    from secureconnect.infra.push.vapid import scalar_key, scalar_of  # which takes time to load

    if settings.push.vapid_private_key:
        return scalar_of(settings.push.vapid_private_key)
    for attempt in count():
        raw = hmac.digest(oldest, b"secureconnect vapid %d" % attempt, "sha256")
        with suppress(ValueError):  # not every number is a key
            scalar_key(raw)
            break
    return raw


class DirectoryLock:
    """Holds lock files until closed or until the process is gone, however it ends."""

    def __init__(self, paths: list[Path]) -> None:
        with ExitStack() as stack:
            for path in paths:
                _hold(stack, path)
            self._held = stack.pop_all()

    def close(self) -> None:
        """Let others in."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def restore_mark(data_dir: Path) -> Path:
    """The file that says that a restore is not finished."""
    return data_dir / "restoring"


def _hold(stack: ExitStack, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with suppress(OSError):
            owner = path.read_text("ascii", "replace").strip()
            raise InUse(
                f"{path.parent} is in use by another SecureConnect process (pid {owner or 'unknown'})\n"
                "Stop it first, or give this one another directory with --data-dir."
            ) from error
        raise
    except OSError as error:
        raise Failure(f"the lock file {path} cannot be used: {error.strerror}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not directory.is_dir():
            raise


def _master_key(path: Path, database: Path) -> bytes:
    if not path.exists() and database.exists():
        # A new key could not read what the old one encrypted, and would hide that it is gone.
        raise Failure(
            f"{path} is missing, but {database} exists and needs it\n"
            "Restore the file from your copy of the data directory, or give secrets.master_key."
        )
    return _key(path)


def _vapid_key(settings: Settings, path: Path) -> bytes:
    from secureconnect.infra.push.vapid import new_scalar, scalar_of  # which takes time to load

    given = settings.push.vapid_private_key
    return scalar_of(given) if given else _key(path, new_scalar)


def _random_key() -> bytes:
    return secrets.token_bytes(_KEY_BYTES)


def _key(path: Path, make: Callable[[], bytes] = _random_key) -> bytes:
    """The key in `path`, made when there is none; whole or not there, even after a power cut."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, base64.b64encode(make()) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with suppress(FileExistsError):  # another process was first: its key counts
            os.link(fresh, path)
        fresh.unlink()
        _sync_directory(path.parent)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise Failure(
            f"{path} does not hold {_KEY_BYTES} bytes in base64\n"
            "Restore the file from your copy of the data directory."
        )
    return key


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
