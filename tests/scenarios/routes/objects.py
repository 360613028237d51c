"""Bytes of objects, through URLs that other routes gave."""

from typing import Any

from tests.scenarios.routes.world import Case, World
from tests.scenarios.steps import Answer, Person, request

__all__ = ["CASES", "ids"]

BYTES = b"hello"


async def upload_url(a: Person) -> Any:
    body = {"file_name": "a.txt", "file_size": len(BYTES), "content_type": "text/plain"}
    return (await a.post("/v1/storage/upload-url", body)).ok()


async def upload(w: World) -> Answer:
    given = await upload_url(w.a)
    return await request(w.a.url, "PUT", given["upload_url"], headers=given["headers"], content=BYTES)


async def download(w: World) -> Answer:
    given = await upload_url(w.a)
    await request(w.a.url, "PUT", given["upload_url"], headers=given["headers"], content=BYTES)
    (await w.a.post("/v1/storage/upload-complete", {"file_id": given["file_id"]})).ok()
    signed = (await w.a.get(f"/v1/storage/download-url/{given['file_id']}")).ok()
    return await request(w.a.url, "GET", signed["download_url"])


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """Where A's file lies is no secret; without the signature it helps nobody."""
    return {"key": f"users/{a.user_id}/{(await upload_url(a))['file_id']}"}


CASES: dict[str, Case] = {
    "PUT /v1/storage/objects/{key}": upload,
    "GET /v1/storage/objects/{key}": download,
}
