"""Looking for what is left of somebody: in tables, in the index, in objects, in files, in logs."""

import io
import zipfile
from collections.abc import Collection, Iterator
from typing import Any

from tests.scenarios.server import Server

__all__ = ["in_archive", "in_files", "in_rows", "terms"]


def in_rows(server: Server, markers: Collection[str]) -> Iterator[str]:
    """Where the databases of a server hold one of `markers`, in any column of any row."""
    for tables in server.every_table:
        for table in tables.names():
            for row in tables.rows(f'SELECT * FROM "{table}"'):
                for marker in _found(b"\x00".join(map(_bytes, row)), markers):
                    yield f"{table}: {marker} in {row}"


def in_files(server: Server, markers: Collection[str]) -> Iterator[str]:
    """Where a file of the data directory, or the log, holds one of `markers`: in its bytes or its name."""
    for path in (*server.logs, *server.data_dir.rglob("*")):
        if path.is_file():
            found = _found(path.read_bytes() + b"\x00" + path.name.encode(), markers)
            yield from (f"{path.relative_to(server.data_dir.parent)}: {marker}" for marker in found)


def terms(server: Server) -> set[str]:
    """Every term of the search index."""
    return server.search_terms()


def in_archive(archive: bytes, markers: Collection[str]) -> list[str]:
    """Where an archive holds one of `markers`."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return [
            f"{name}: {marker}"
            for name in opened.namelist()
            for marker in _found(name.encode() + b"\x00" + opened.read(name), markers)
        ]


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _found(data: bytes, markers: Collection[str]) -> list[str]:
    lowered = data.lower()
    return [marker for marker in markers if marker.lower().encode() in lowered]
