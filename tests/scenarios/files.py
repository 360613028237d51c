"""Steps with files: `file(A,n,t)` of the scenarios, and what uses its URLs."""

import asyncio
import io
import time
from typing import Any

import httpx
from PIL import Image

from tests.scenarios.profiles import PROFILE, Profile
from tests.scenarios.steps import Answer, Person

__all__ = [
    "begin",
    "complete",
    "download",
    "fetch",
    "file",
    "picture",
    "put",
    "quota",
    "readable",
    "store_refuses",
    "thumbnail",
    "until_status",
]


def picture(width: int = 400, height: int = 300, kind: str = "PNG", **options: Any) -> bytes:
    """A real picture."""
    out = io.BytesIO()
    Image.effect_noise((width, height), 40).convert("RGB").save(out, kind, **options)
    return out.getvalue()


async def begin(a: Person, size: int, content_type: str = "application/octet-stream", **fields: Any) -> Any:
    """An upload that was admitted."""
    body = {"file_name": "f.bin", "file_size": size, "content_type": content_type, **fields}
    return (await a.post("/v1/storage/upload-url", body)).ok()


async def put(url: str, data: bytes, headers: dict[str, str] | None = None, method: str = "PUT") -> Answer:
    """Send bytes to a signed URL, without any credential."""
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        response = await client.request(method, url, content=data, headers=headers or {})
    assert response.status_code != 500, response.text
    return Answer(response.status_code, response.headers, response.content)


async def fetch(url: str, **headers: str) -> Answer:
    """Get what a signed URL leads to, without any credential."""
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        response = await client.get(url, headers=headers)
    assert response.status_code != 500, response.text
    return Answer(response.status_code, response.headers, response.content)


async def readable(url: str, data: bytes) -> bool:
    """Whether the store gives these bytes; one that has just started answers before it finds them."""
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        return (await client.get(url)).content == data


def store_refuses(answer: Answer, status: int, code: str | None = None) -> None:
    """A store says no: our own as documented, another one in its own words."""
    if PROFILE is not Profile.EMBEDDED:
        assert 400 <= answer.status < 500, answer.raw
        return
    assert answer.status == status, answer.raw
    if code is not None:
        assert answer.error["code"] == code


async def complete(a: Person, file_id: str, **fields: Any) -> Answer:
    return await a.post("/v1/storage/upload-complete", {"file_id": file_id, **fields})


async def file(
    a: Person, data: bytes | int, content_type: str = "application/octet-stream", **fields: Any
) -> str:
    """The id of a completed file."""
    data = bytes(data) if isinstance(data, int) else data
    upload = await begin(a, len(data), content_type, **fields)
    assert (await put(upload["upload_url"], data, upload["headers"])).status == 200
    return str((await complete(a, upload["file_id"])).ok()["file_id"])


async def download(a: Person, file_id: str, variant: str | None = None) -> Answer:
    """Ask for the URL of a file."""
    query = f"?variant={variant}" if variant is not None else ""
    return await a.get(f"/v1/storage/download-url/{file_id}{query}")


async def thumbnail(a: Person, file_id: str, seconds: float = 10) -> bytes:
    """The thumbnail, as soon as there is one."""
    deadline = time.monotonic() + seconds
    while (answer := await download(a, file_id, "thumbnail")).status == 404:
        assert time.monotonic() < deadline, "there is no thumbnail in time"
        await asyncio.sleep(0.05)
    return (await fetch(answer.ok()["download_url"])).raw


async def quota(a: Person) -> Any:
    return (await a.get("/v1/storage/quota")).ok()


async def until_status(a: Person, file_id: str, status: str, seconds: float = 10) -> Any:
    """The upload, once its file has this status."""
    deadline = time.monotonic() + seconds
    while True:
        state = (await a.get(f"/v1/storage/uploads/{file_id}")).ok()
        if state["file"]["status"] == status:
            return state
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.05)
