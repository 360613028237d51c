"""Data directories that can be made full, and free again, while a server works in them."""

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from tests.scenarios.server import Server

__all__ = ["KINDS", "Disk", "FileSizeLimit", "SmallFileSystem"]

_SIZE = 48 * 1024 * 1024


class Disk(Protocol):
    """Where a server has its data directory."""

    data_dir: Path

    def fill(self, server: Server) -> None:
        """From now on nothing more fits."""

    def free(self, server: Server) -> None:
        """There is room again."""


class SmallFileSystem:
    """A file system of its own, in memory, filled by a file. Only root can mount one."""

    def __init__(self, mounted: Path) -> None:
        self.data_dir = mounted / "data"
        self._filler = mounted / "filler"

    @classmethod
    @contextlib.contextmanager
    def at(cls, path: Path) -> Iterator["SmallFileSystem"]:
        path.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", path], check=True, capture_output=True
        )
        try:
            yield cls(path)
        finally:
            subprocess.run(["umount", "--lazy", path], check=True)

    @classmethod
    def possible(cls, path: Path) -> bool:
        """Whether this machine lets us."""
        try:
            with cls.at(path):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False
        finally:
            path.rmdir()

    def fill(self, server: Server) -> None:
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)) == 4096:
                pass

    def free(self, server: Server) -> None:
        self._filler.unlink()


class FileSizeLimit:
    """RLIMIT_FSIZE on the server alone: no file of it may grow beyond the write-ahead log of now."""

    def __init__(self, path: Path) -> None:
        self.data_dir = path / "data"

    @classmethod
    @contextlib.contextmanager
    def at(cls, path: Path) -> Iterator["FileSizeLimit"]:
        path.mkdir()
        yield cls(path)

    def fill(self, server: Server) -> None:
        size = (self.data_dir / "secureconnect.db-wal").stat().st_size
        self._limit(server, size + 32_768)

    def free(self, server: Server) -> None:
        self._limit(server, resource.RLIM_INFINITY)

    def _limit(self, server: Server, size: int) -> None:
        for pid in server.pids:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


#: How a disk can be full on this machine.
KINDS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Disk]]] = {
    "file size limit": FileSizeLimit.at,
    "file system": SmallFileSystem.at,
}
