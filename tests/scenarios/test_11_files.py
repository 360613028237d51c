"""Uploads, downloads and quota: scenarios D1 to D5, D7, D11 and D12, and Z7."""

import asyncio
import hashlib
import io
from typing import Any

import pytest
from PIL import Image

from tests.scenarios.audit import audited
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import (
    begin,
    complete,
    download,
    fetch,
    file,
    picture,
    put,
    quota,
    store_refuses,
    thumbnail,
    until_status,
)
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.profiles import PROFILE, Profile
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, Answer, Person


def check_guarded(got: Answer) -> None:
    """What our own store says of every object; others serve from an origin that has nothing of ours."""
    if PROFILE is Profile.EMBEDDED:
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in got.headers["content-security-policy"]


async def test_d1_an_upload_comes_back_byte_for_byte(reg: Register) -> None:
    """Completed, downloaded as an attachment, and shown small without what the camera noted."""
    (a,) = await reg("a")
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    data = picture(800, 600, exif=exif)
    file_id = await file(a, data, "image/png", file_name="photo.png")
    answer = (await download(a, file_id)).ok()
    assert (answer["file"]["status"], answer["file"]["file_name"]) == ("completed", "photo.png")
    got = await fetch(answer["download_url"])
    assert (got.status, got.raw == data) == (200, True)
    assert got.headers["content-disposition"].startswith("attachment")
    check_guarded(got)
    assert got.headers["content-type"] == "image/png"
    webp = await thumbnail(a, file_id)
    assert b"secret" not in webp
    with Image.open(io.BytesIO(webp)) as small:
        assert (small.format, small.size) == ("WEBP", (320, 240))
        assert not {"exif", "xmp", "icc_profile"} & small.info.keys()
    assert (await download(a, file_id)).ok()["file"]["has_thumbnail"] is True
    assert b"secret" in (await fetch(answer["download_url"])).raw, "the original stays as it is"
    encrypted = await file(a, data, "image/png", is_encrypted=True)
    (await download(a, encrypted, "thumbnail")).is_error(403, "E2EE_BLOCKED")


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"file_size": 0}, ["file_size"]),
        ({"file_size": -1}, ["file_size"]),
        ({"file_size": 2_147_483_649}, ["file_size"]),
        ({"file_name": ""}, ["file_name"]),
        ({"file_name": 'a"\r\nX: y.html', "content_type": "text/html"}, ["file_name"]),
        ({"content_type": "x"}, ["content_type"]),
        ({"content_type": "application/x-msdownload"}, ["content_type"]),
        ({"sha256": "abc"}, ["sha256"]),
        (
            {"file_size": 0, "file_name": "..", "content_type": "a/b"},
            ["file_name", "file_size", "content_type"],
        ),
    ],
)
async def test_d2_what_may_not_be_uploaded(reg: Register, fields: dict[str, Any], faults: list[str]) -> None:
    """400 that names every faulty field; nothing is counted."""
    (a,) = await reg("a")
    body = {"file_name": "f.bin", "file_size": 10, "content_type": "image/png", **fields}
    answer = await a.post("/v1/storage/upload-url", body)
    answer.is_error(400, "VALIDATION_ERROR")
    assert answer.fields == faults
    assert (await quota(a))["used"] == 0


async def test_d2_names_lose_their_path(reg: Register) -> None:
    """`../../x` becomes `x`."""
    (a,) = await reg("a")
    file_id = await file(a, 10, file_name="../../x")
    assert (await download(a, file_id)).ok()["file"]["file_name"] == "x"


async def test_d4_other_bytes_than_announced(reg: Register) -> None:
    """A hash that does not fit: 409, failed, quota back, nothing left; a right one is kept."""
    (a,) = await reg("a")
    right = hashlib.sha256(b"x" * 1000).hexdigest()
    upload = await begin(a, 1000, sha256=right)
    assert (await put(upload["upload_url"], b"y" * 1000, upload["headers"])).status == 200
    (await complete(a, upload["file_id"])).is_error(409, "UPLOAD_MISMATCH")
    state = (await a.get(f"/v1/storage/uploads/{upload['file_id']}")).ok()
    assert state["file"]["status"] == "failed"
    assert (await quota(a))["used"] == 0
    (await complete(a, upload["file_id"])).is_error(409, "CONFLICT")
    again = await put(upload["upload_url"], b"x" * 1000, upload["headers"])
    if PROFILE is Profile.EMBEDDED:
        assert again.status == 403
    else:  # elsewhere a signature lasts as long as it does, and what it brings belongs to nothing
        (await complete(a, upload["file_id"])).is_error(409, "CONFLICT")
    upload = await begin(a, 1000)
    await put(upload["upload_url"], b"x" * 1000, upload["headers"])
    assert (await complete(a, upload["file_id"], sha256=right.upper())).ok()["sha256"] == right


async def test_d5_completing(reg: Register, admin: Person) -> None:
    """By others 404, before any byte 409 and then possible, twice the same."""
    a, b = await reg("a", "b")
    upload = await begin(a, 10)
    file_id = upload["file_id"]
    (await complete(b, file_id)).is_error(404, "NOT_FOUND")
    (await complete(a, NIL)).is_error(404, "NOT_FOUND")
    (await complete(a, file_id)).is_error(409, "UPLOAD_INCOMPLETE")
    (await download(a, file_id)).is_error(409, "FILE_NOT_READY")
    (await download(b, file_id)).is_error(404, "NOT_FOUND")
    await put(upload["upload_url"], bytes(10), upload["headers"])
    first = (await complete(a, file_id)).ok()
    assert (await complete(a, file_id)).ok() == first
    # Later bytes never replace verified ones.
    store_refuses(await put(upload["upload_url"], b"x" * 10, upload["headers"]), 403)
    assert (await fetch((await download(a, file_id)).ok()["download_url"])).raw == bytes(10)
    record = await audited(admin, "file_upload_completed", target_id=file_id)
    assert record["details"] == {
        "file_name": "f.bin",
        "file_size": "10",
        "content_type": "application/octet-stream",
        "owner": a.user_id,
    }
    for person, wanted in ((b, "POST /v1/storage/upload-complete"), (a, None)):
        page = (await admin.get(f"/v1/admin/audit-logs?actor_id={person.user_id}&limit=50")).ok()
        denied = [row for row in page["audit_logs"] if row["event"] == "permission_denied"]
        assert [row["details"]["action"] for row in denied][-1:] == ([wanted] if wanted else [])


async def test_d12_lists_and_several_downloads(reg: Register) -> None:
    """Used is completed and pending; own files only; each refusal in its place."""
    a, b = await reg("a", "b")
    first, second = await file(a, 100, "image/png"), await file(a, 50, "text/plain")
    await begin(a, 7)
    foreign = await file(b, 10)
    total = (await quota(a))["total"]
    assert await quota(a) == {
        "used": 157,
        "pending": 7,
        "total": total,
        "available": total - 157,
        "usage_percentage": 0.0,
    }
    listed = (await a.get("/v1/storage/files?limit=1")).ok()
    assert ([one["file_id"] for one in listed["files"]], listed["has_more"]) == ([second], True)
    rest = (await a.get(f"/v1/storage/files?limit=1&cursor={listed['next_cursor']}")).ok()
    assert ([one["file_id"] for one in rest["files"]], rest["next_cursor"]) == ([first], None)
    (await b.get(f"/v1/storage/files?limit=1&cursor={listed['next_cursor']}")).is_error(
        400, "VALIDATION_ERROR"
    )
    images = (await a.get("/v1/storage/files?content_type=image/")).ok()
    assert [one["file_id"] for one in images["files"]] == [first]
    assert len((await a.get("/v1/storage/files?status=uploading")).ok()["files"]) == 1
    wanted = [second, foreign, NIL, first]
    several = (await a.post("/v1/storage/download-urls", {"file_ids": wanted})).ok()["files"]
    assert [one["file_id"] for one in several] == wanted
    assert [one["error_code"] for one in several] == [None, "NOT_FOUND", "NOT_FOUND", None]
    assert (await fetch(several[0]["download_url"])).raw == bytes(50)
    assert several[1]["download_url"] is None
    (await a.delete(f"/v1/storage/files/{foreign}")).is_error(404, "NOT_FOUND")


async def test_d3_d7_d11_short_lives_and_small_quotas(serve: Serve, reg: Register) -> None:
    """Another size, type, URL or time is refused; a quota holds in a race; what was not completed ends."""
    storage = {"quota_bytes": 10_000, "upload_ttl": 5, "upload_sweep_interval": 0.5, "max_pending": 12}
    async with serve(storage=storage) as server:
        a, b, c = await reg("a", "b", "c", url=server.url)
        admin = await make_admin(server)
        late = await begin(c, 100, "image/png")
        abandoned = await begin(c, 100)
        await put(abandoned["upload_url"], bytes(100), abandoned["headers"])
        for size in (999, 1001):
            await refused_bytes(a, size, 1000)
        wrong = await begin(a, 1000, "image/png")
        store_refuses(await put(wrong["upload_url"], bytes(1000), {"content-type": "text/html"}), 403)
        if PROFILE is Profile.EMBEDDED:
            changed = wrong["upload_url"].replace("size=1000", "size=1001")
            assert changed != wrong["upload_url"]
            assert (await put(changed, bytes(1001), wrong["headers"])).status == 403
        (await complete(a, wrong["file_id"])).is_error(409, "UPLOAD_INCOMPLETE")
        await race(b)
        await many_at_once(a)
        await expiry(server, admin, c, late, abandoned)


async def refused_bytes(a: Person, size: int, announced: int) -> None:
    upload = await begin(a, announced)
    answer = await put(upload["upload_url"], bytes(size), upload["headers"])
    store_refuses(answer, 403, "URL_SIGNATURE_INVALID")
    (await complete(a, upload["file_id"])).is_error(409, "UPLOAD_INCOMPLETE")


async def race(b: Person) -> None:
    """6000 and 6000 of 10,000; then twenty at once."""

    async def ask(size: int) -> Answer:
        body = {"file_name": "f", "file_size": size, "content_type": "image/png"}
        return await b.post("/v1/storage/upload-url", body)

    first = await file(b, 6000)
    answer = await ask(6000)
    answer.is_error(413, "QUOTA_EXCEEDED")
    assert answer.error["details"] == [{"field": "file_size", "message": "4000 bytes are available"}]
    (await b.delete(f"/v1/storage/files/{first}")).ok()
    assert (await quota(b))["used"] == 0
    answers = await asyncio.gather(*(ask(1000) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 10 + [413] * 10
    assert (await quota(b))["available"] == 0
    taken = next(answer for answer in answers if answer.status == 200).ok()["file_id"]
    (await b.delete(f"/v1/storage/files/{taken}")).ok()  # gives the upload up
    (await ask(1000)).ok()


async def many_at_once(a: Person) -> None:
    """No more than storage.max_pending may run; one that ends makes room."""
    body = {"file_name": "f", "file_size": 10, "content_type": "image/png"}
    running = (await a.get("/v1/storage/files?status=uploading")).ok()["files"]
    uploads = [await begin(a, 10) for _ in range(12 - len(running))]
    (await a.post("/v1/storage/upload-url", body)).is_error(409, "LIMIT_REACHED")
    await put(uploads[0]["upload_url"], bytes(10), uploads[0]["headers"])
    (await complete(a, uploads[0]["file_id"])).ok()
    (await a.post("/v1/storage/upload-url", body)).ok()


async def expiry(server: Server, admin: Person, c: Person, late: Any, abandoned: Any) -> None:
    for upload in (late, abandoned):
        await until_status(c, upload["file_id"], "failed")
        record = await audited(admin, "file_upload_expired", target_id=upload["file_id"])
        assert (record["actor_type"], record["details"]["owner"]) == ("system", c.user_id)
        (await complete(c, upload["file_id"])).is_error(409, "CONFLICT")
    assert (await quota(c))["used"] == 0
    store_refuses(await put(late["upload_url"], bytes(100), late["headers"]), 403)

    async def gone() -> bool:
        return not any(c.user_id in key for key in await asyncio.to_thread(server.object_keys))

    await eventually(gone)
    assert await metric(server, "storage_uploads_total", result="expired") >= 2
    assert await metric(server, "storage_upload_rejected_total", reason="quota") == 11


@pytest.mark.parametrize(
    "name", ['a".html', "a%0d%0aX: y.html", "рисунок 日本.html", "a;filename=b.exe", "a\\'b"]
)
async def test_z7_names_cannot_leave_their_header(reg: Register, name: str) -> None:
    """A hostile name and type: an attachment whose header is intact and encoded; and D14, never inline."""
    (a,) = await reg("a")
    data = b"<script>alert(1)</script>"
    upload = await begin(a, len(data), "text/html", file_name=name)
    await put(upload["upload_url"], data, upload["headers"])
    stored = (await complete(a, upload["file_id"])).ok()["file_name"]
    got = await fetch((await download(a, upload["file_id"])).ok()["download_url"])
    assert (got.status, got.raw) == (200, data)
    header = got.headers["content-disposition"]
    assert header.startswith("attachment;")
    assert header.isascii()
    assert "x" not in got.headers
    assert len(got.headers.get_list("content-disposition")) == 1
    from urllib.parse import unquote

    assert unquote(header.partition("filename*=UTF-8''")[2]) == stored
    assert got.headers["content-type"].startswith("text/html")
    check_guarded(got)
