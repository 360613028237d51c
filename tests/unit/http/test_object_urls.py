"""URLs of objects over real connections: what they allow, and hostile ones."""

import json
from urllib.parse import urlsplit

import pytest

from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.infra.blobs.local_urls import UrlSigner
from tests.unit.http.objects import KEY, REFUSED, Store, head, refusal, target, upload_head


async def test_an_upload_is_answered_in_the_envelope_with_its_etag(store: Store) -> None:
    line = await store.server.line()
    request = await store.put(5)
    line.send(upload_head(request, 5, "origin: https://chat.example.test") + b"hello")
    status, headers, body = await line.response()
    data = json.loads(body)["data"]
    assert (status, data["size"], headers["etag"]) == (200, 5, f'"{data["etag"]}"')
    assert headers["access-control-allow-origin"] == "https://chat.example.test"
    assert "ETag" in headers["access-control-expose-headers"]
    assert headers["cache-control"] == "no-store"
    line.send(head("GET", target(await store.get())))
    status, headers, _ = await line.response()
    assert (status, headers["etag"]) == (200, f'"{data["etag"]}"')
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_browsers_may_ask_first(store: Store) -> None:
    line = await store.server.line()
    path = target(await store.put(5))
    asks = "access-control-request-method: PUT"
    line.send(head("OPTIONS", path, "origin: https://chat.example.test", asks))
    status, headers, _ = await line.response()
    assert status == 200
    assert "PUT" in headers["access-control-allow-methods"]
    assert "Range" in headers["access-control-allow-headers"]
    line.send(head("OPTIONS", path, "origin: https://evil.example.test", asks))
    assert await refusal(line) == (403, "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
async def test_other_methods_are_named(store: Store, method: str) -> None:
    line = await store.server.line()
    line.send(head(method, target(await store.put(5)), "content-length: 0"))
    status, headers, body = await line.response()
    assert (status, json.loads(body)["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert headers["allow"] == "GET, HEAD, OPTIONS, PUT"


@pytest.mark.parametrize(
    "path",
    [
        "../secrets/master_key",
        "..%2f..%2fsecrets/master_key",
        "%2e%2e/secrets/master_key",
        "users/u/../../../secrets/master_key",
        "/etc/passwd",
        "users%00/u/f",
        ".uploads/x",
        "users//u/f",
        "users\\u\\f",
        "%ff%fe",
        "x" * 5000,
    ],
)
async def test_paths_lead_nowhere_else(store: Store, path: str) -> None:
    """With a query that is genuine for another key, and with none."""
    await store.stored(b"x")
    secret = store.root.parent / "secrets"  # a neighbour, as in a data directory
    secret.mkdir()
    (secret / "master_key").write_text("secret")
    query = urlsplit((await store.get()).url).query
    line = await store.server.line()
    for tail in (f"?{query}", ""):
        line.send(head("GET", f"/v1/storage/objects/{path}{tail}"))
        assert await refusal(line) == REFUSED
        line.send(head("PUT", f"/v1/storage/objects/{path}{tail}", "content-length: 0"))
        assert await refusal(line) == REFUSED


async def test_a_key_that_we_would_never_sign_is_not_signed(store: Store) -> None:
    for key in ("../x", "a/../../x", ".uploads/x", "a\nb"):
        with pytest.raises(ValueError, match="key"):
            await store.get(key)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "signature=",
        "signature=" + "0" * 64,
        "signature=" + "0" * 63 + "%C3%A9",
        "expires=9999999999999&size=5&type=image%2Fpng&signature=" + "0" * 64,
        "expires=soon&signature=" + "f" * 64,
        "%ff=%fe",
        "&&&",
        "a=b;c=d",
        "signature[]=x",
    ],
)
async def test_made_up_queries_are_refused(store: Store, query: str) -> None:
    line = await store.server.line()
    for method in ("PUT", "GET"):
        line.send(head(method, f"/v1/storage/objects/{KEY}?{query}", "content-length: 0"))
        assert await refusal(line) == REFUSED


async def test_nothing_can_be_added_to_a_query(store: Store) -> None:
    line = await store.server.line()
    await store.stored(b"x")
    signed = await store.get()
    for addition in ("&x=y", "&type=text%2Fhtml", "&name=b.exe", "&expires=9999999999999"):
        line.send(head("GET", target(signed) + addition))
        assert await refusal(line) == REFUSED
    upload = await store.put(5)
    for addition in ("&size=6", "&part=1&upload=" + "0" * 32):
        line.send(head("PUT", target(upload) + addition, "content-type: image/png", "content-length: 0"))
        assert await refusal(line) == REFUSED
    line.send(head("PUT", target(signed), "content-length: 0"))
    assert await refusal(line) == REFUSED
    line.send(head("GET", target(upload)))
    assert await refusal(line) == REFUSED


async def test_another_installation_signs_differently(store: Store) -> None:
    await store.stored(b"x")
    foreign = UrlSigner(b"\1" * 32, f"http://127.0.0.1:{store.server.port}", store.clock)
    other = LocalBlobs(store.root, foreign)
    request = await other.presign_get(KEY, file_name="a", content_type="image/png", expires_in=60)
    await other.close()
    line = await store.server.line()
    line.send(head("GET", target(request)))
    assert await refusal(line) == REFUSED


async def test_urls_end_to_the_millisecond(store: Store) -> None:
    await store.stored(b"x")
    request, late = await store.get(), await store.put(1, "users/u/late")
    line = await store.server.line()
    store.clock.time = request.expires_at - 1
    line.send(head("GET", target(request)))
    assert (await line.response())[0] == 200
    store.clock.time += 1
    line.send(head("GET", target(request)))
    assert await refusal(line) == REFUSED
    line.send(upload_head(late, 1) + b"x")
    assert await refusal(line) == REFUSED
    assert store.lie() == ["users/u/f"]
