"""Files and avatars."""

from tests.scenarios.files import begin, complete, download, file, picture, put
from tests.scenarios.routes.world import Case, World
from tests.scenarios.steps import Answer, Person, send

__all__ = ["CASES", "OPEN", "ids"]

_PARTS = 70 * 1024 * 1024


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try."""
    file_id = await file(a, b"hello", "text/plain")
    return {"file_id": file_id, "file_ids": file_id, "avatar_file_id": file_id}


async def show(w: World) -> Answer:
    return await w.a.get(f"/v1/storage/uploads/{(await begin(w.a, 10))['file_id']}")


async def renew(w: World) -> Answer:
    file_id = (await begin(w.a, _PARTS))["file_id"]
    return await w.a.post("/v1/storage/upload-parts", {"file_id": file_id, "part_numbers": [1, 5]})


async def done(w: World) -> Answer:
    upload = await begin(w.a, 5)
    await put(upload["upload_url"], b"12345", upload["headers"])
    return await complete(w.a, upload["file_id"])


async def several(w: World) -> Answer:
    file_ids = [await file(w.a, 5), await file(w.b, 5)]
    return await w.a.post("/v1/storage/download-urls", {"file_ids": file_ids})


async def attached(w: World) -> Answer:
    await send(w.a, w.g, "look", attachments=[await file(w.a, 5)])
    return await w.b.get(f"/v1/conversations/{w.g}/files?limit=5&content_type=application/")


async def show_avatar(w: World) -> Answer:
    return await w.a.put("/v1/users/me/avatar", {"file_id": await file(w.a, picture(), "image/png")})


async def avatar(w: World) -> Answer:
    await show_avatar(w)
    return await w.b.get(f"/v1/users/{w.a.user_id}/avatar")


async def picture_of_group(w: World) -> Answer:
    file_id = await file(w.a, picture(), "image/png")
    (await w.a.patch(f"/v1/conversations/{w.g}", {"avatar_file_id": file_id})).ok()
    return await w.b.get(f"/v1/conversations/{w.g}/avatar")


async def one(w: World) -> Answer:
    return await download(w.a, await file(w.a, 5), "original")


async def delete(w: World) -> Answer:
    return await w.a.delete(f"/v1/storage/files/{await file(w.a, 5)}")


CASES: dict[str, Case] = {
    "POST /v1/storage/upload-url": lambda w: w.a.post(
        "/v1/storage/upload-url",
        {"file_name": "a.png", "file_size": 5, "content_type": "image/png", "sha256": "0" * 64},
    ),
    "GET /v1/storage/uploads/{file_id}": show,
    "POST /v1/storage/upload-parts": renew,
    "POST /v1/storage/upload-complete": done,
    "GET /v1/storage/download-url/{file_id}": one,
    "POST /v1/storage/download-urls": several,
    "GET /v1/storage/files": lambda w: w.a.get("/v1/storage/files?status=completed&limit=5"),
    "DELETE /v1/storage/files/{file_id}": delete,
    "GET /v1/storage/quota": lambda w: w.a.get("/v1/storage/quota"),
    "GET /v1/conversations/{id}/files": attached,
    "PUT /v1/users/me/avatar": show_avatar,
    "DELETE /v1/users/me/avatar": lambda w: w.a.delete("/v1/users/me/avatar"),
    "GET /v1/users/{id}/avatar": avatar,
    "GET /v1/conversations/{id}/avatar": picture_of_group,
}

#: What strangers are told of each file stands in the answer.
OPEN = {"POST /v1/storage/download-urls": 200}
