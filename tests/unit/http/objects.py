"""A served local store, for tests of its byte routes."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from secureconnect.infra.blobs.base import SignedRequest
from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.infra.blobs.local_urls import UrlSigner
from tests.contract.object_server import LateApplication, serving_objects
from tests.unit.serving import Line, Serving

MIB = 1 << 20


KEY = "users/u/f"


class Clock:
    """Time moves when the test says so."""

    def __init__(self) -> None:
        self.time = 1_800_000_000_000

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.time / 1000


class Store(NamedTuple):
    """A served store, its directory and its time."""

    blobs: LocalBlobs
    server: Serving
    root: Path
    clock: Clock
    application: LateApplication

    async def put(self, size: int, key: str = KEY, content_type: str = "image/png") -> SignedRequest:
        return await self.blobs.presign_put(key, size=size, content_type=content_type, expires_in=60)

    async def get(self, key: str = KEY, name: str = "a.png") -> SignedRequest:
        return await self.blobs.presign_get(key, file_name=name, content_type="image/png", expires_in=60)

    async def stored(self, data: bytes, key: str = KEY) -> None:
        await self.blobs.put(key, data, content_type="image/png")

    def lie(self) -> list[str]:
        """Everything in the directory but tickets."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and ".uploads" not in path.parts
        )


@contextlib.asynccontextmanager
async def opened(root: Path, *, silence: float = 5.0, **http: Any) -> AsyncIterator[Store]:
    clock = Clock()

    def make(address: str) -> LocalBlobs:
        root.mkdir()
        return LocalBlobs(root, UrlSigner(bytes(32), address, clock))

    async with serving_objects(make, silence=silence, **http) as (blobs, server, application):
        yield Store(blobs, server, root, clock, application)


def target(request: SignedRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: test", *lines, "", ""]).encode("latin-1")


def upload_head(request: SignedRequest, size: int, *lines: str) -> bytes:
    return head("PUT", target(request), "content-type: image/png", f"content-length: {size}", *lines)


async def refusal(line: Line) -> tuple[int, str]:
    status, headers, body = await line.response()
    assert headers["content-type"] == "application/json"
    answer = json.loads(body)
    assert answer["success"] is False
    assert set(answer["meta"]) == {"timestamp", "request_id"}
    return status, answer["error"]["code"]


REFUSED = (403, "URL_SIGNATURE_INVALID")


def open_files(root: Path) -> list[str]:
    """Objects that this process holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            path = str(link.readlink())
            if path.startswith(str(root)):
                found.append(path)
    return found
