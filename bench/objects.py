"""A large file through the local object store, up in parts and down in one piece, beside bare limits."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.measure import Process, cpu_seconds, memory_bytes, table
from bench.product import ENVIRONMENT, Product, running
from bench.verdict import Verdict

__all__ = ["run"]

_MIB = 1 << 20
_STORAGE = {
    "SECURECONNECT__STORAGE__MAX_FILE_BYTES": str(1 << 40),
    "SECURECONNECT__STORAGE__QUOTA_BYTES": str(1 << 40),
}
#: What flat means: the server may hold a few pieces of a transfer, whatever its length.
_FLAT = 32.0


class _Sample(NamedTuple):
    seconds: float
    cpu: float


def run(*, mib: int, core: int) -> tuple[str, list[Verdict]]:
    """One file of `mib` MiB; the server on `core`, its client on whichever other there is."""
    size = mib * _MIB
    with tempfile.TemporaryDirectory(prefix="secureconnect-bench-") as name:
        folder = Path(name)
        source = _source(folder / "source", size)
        environment = {**ENVIRONMENT, **_STORAGE}
        bare_up, bare_down = _bare(folder, source, size, core)
        with running(folder / "data", core=core, environment=environment) as product:
            client = _Client(product, source)
            client.transfer(min(size, 32 * _MIB))  # what is loaded once counts as before
            before = memory_bytes(product.pid)
            up, down = client.transfer(size)
            peak, after = _peak(product.pid), memory_bytes(product.pid)
        copied = _timed(lambda: _copy(source, folder / "copy"))
        (folder / "copy").unlink()
        read = _timed(lambda: subprocess.run(["cat", str(source)], check=True, stdout=subprocess.DEVNULL))
    gib = size / (1 << 30)
    rows = [
        ["cat > file, synced", copied, mib / copied, "", ""],
        ["bare socket to file, synced", bare_up.seconds, mib / bare_up.seconds, bare_up.cpu / gib, 1.0],
        ["upload in parts of 16 MiB", up.seconds, mib / up.seconds, up.cpu / gib, up.cpu / bare_up.cpu],
        ["cat file", read, mib / read, "", ""],
        ["bare file to socket", bare_down.seconds, mib / bare_down.seconds, bare_down.cpu / gib, 1.0],
        ["download", down.seconds, mib / down.seconds, down.cpu / gib, down.cpu / bare_down.cpu],
    ]
    text = table(
        f"A file of {mib:,} MiB through the local object store",
        ["", "s", "MiB/s", "server CPU, s/GiB", "ratio"],
        rows,
    )
    memory = table(
        "Resident memory of the server, MiB",
        ["before", "highest", "after"],
        [[_mib(before), _mib(peak), _mib(after)]],
    )
    grown = (peak - before) / _MIB
    return f"{text}\n\n{memory}", [
        Verdict(f"MiB of memory more while {mib:,} MiB go up and down", grown, _FLAT)
    ]


class _Client:
    """Uploads and downloads with as little work of its own as there can be."""

    def __init__(self, product: Product, source: Path) -> None:
        self._product = product
        account = {
            "email": "b@example.test",
            "username": "bench",
            "password": "Violet-77-Lamp",
            "display_name": "B",
        }
        self._token = product.call("", "POST", "/v1/auth/register", account)["access_token"]
        self._source = source

    def transfer(self, size: int) -> tuple[_Sample, _Sample]:
        """The first `size` bytes of the source, up and down."""
        body = {"file_name": "f.bin", "file_size": size, "content_type": "application/octet-stream"}
        upload = self._call("POST", "/v1/storage/upload-url", body)
        up = self._sampled(lambda: self._upload(upload, size))
        signed = self._call("GET", f"/v1/storage/download-url/{upload['file_id']}")
        return up, self._sampled(lambda: self._download(signed["download_url"], size))

    def _upload(self, upload: Any, size: int) -> None:
        with self._connected() as connection, self._source.open("rb") as file:
            if upload["multipart"] is None:
                self._put(connection, upload["upload_url"], file.fileno(), 0, size, upload["headers"])
            else:
                step = upload["multipart"]["part_size"]
                for part in self._parts(upload):
                    offset = (part["part_number"] - 1) * step
                    self._put(connection, part["url"], file.fileno(), offset, min(step, size - offset), {})
        self._call("POST", "/v1/storage/upload-complete", {"file_id": upload["file_id"]})

    def _parts(self, upload: Any) -> list[Any]:
        """The URLs of all parts, some of which the first answer may have left out."""
        given, count = upload["multipart"]["parts"], upload["multipart"]["part_count"]
        missing = sorted(set(range(1, count + 1)) - {part["part_number"] for part in given})
        for start in range(0, len(missing), 1_000):
            body = {"file_id": upload["file_id"], "part_numbers": missing[start : start + 1_000]}
            given = given + self._call("POST", "/v1/storage/upload-parts", body)["parts"]
        return list(given)

    def _put(
        self,
        connection: socket.socket,
        url: str,
        source: int,
        offset: int,
        size: int,
        headers: dict[str, str],
    ) -> None:
        lines = [f"PUT {_target(url)} HTTP/1.1", "host: bench", f"content-length: {size}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        end = offset + size
        while offset < end:
            offset += os.sendfile(connection.fileno(), source, offset, end - offset)
        head = _head(connection)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head)

    def _download(self, url: str, size: int) -> None:
        with self._connected() as connection:
            connection.sendall(f"GET {_target(url)} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
            _head(connection, body=False)
            _discard(connection, size)

    def _sampled(self, work: Callable[[], None]) -> _Sample:
        before = cpu_seconds(self._product.pid)
        seconds = _timed(work)
        return _Sample(seconds, cpu_seconds(self._product.pid) - before)

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._product.port))

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return self._product.call(self._token, method, path, body)


def _bare(folder: Path, source: Path, size: int, core: int) -> tuple[_Sample, _Sample]:
    target = folder / "bare"
    with Process.running(Process.python("bench.bare_bytes"), core=core) as server:
        port = int(server.hear())

        def upload() -> None:
            with socket.create_connection(("127.0.0.1", port)) as connection, source.open("rb") as file:
                connection.sendall(f"PUT {size} {target}\n".encode())
                connection.sendfile(file)
                connection.recv(3, socket.MSG_WAITALL)

        def download() -> None:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(f"GET {target}\n".encode())
                _discard(connection, size)

        samples = []
        for work in (upload, download):
            before = cpu_seconds(server.pid)
            seconds = _timed(work)
            samples.append(_Sample(seconds, cpu_seconds(server.pid) - before))
    target.unlink()
    return samples[0], samples[1]


def _source(path: Path, size: int) -> Path:
    block = os.urandom(16 * _MIB)
    with path.open("wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
    return path


def _copy(source: Path, target: Path) -> None:
    with target.open("wb") as file:
        subprocess.run(["cat", str(source)], check=True, stdout=file)
        os.fsync(file.fileno())


def _head(connection: socket.socket, *, body: bool = True) -> bytes:
    """The head of an answer, byte by byte, so that nothing of a body is taken; a small body is read too."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    return head + (connection.recv(length, socket.MSG_WAITALL) if body else b"")


def _discard(connection: socket.socket, left: int) -> None:
    piece = bytearray(_MIB)
    while left:
        received = connection.recv_into(piece, min(left, _MIB), socket.MSG_TRUNC)
        if not received:
            raise RuntimeError("the connection ended early")
        left -= received


def _peak(pid: int) -> int:
    """The most memory that `pid` ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _mib(count: int) -> float:
    return count / _MIB
