"""Our signatures beside those of an independent implementation."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from secureconnect.infra.blobs.s3_client import Address
from secureconnect.infra.blobs.sigv4 import EMPTY_HASH, Signer
from tests.unit.serving import FakeClock

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
MOMENT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> Signer:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: MOMENT.replace(tzinfo=None))
    clock = FakeClock()
    clock.time = MOMENT.timestamp() + 0.7
    return Signer(*KEYS, "eu-central-1", clock)


@pytest.mark.parametrize(
    ("method", "key", "query", "headers"),
    [
        ("GET", "users/u/f", {}, {}),
        (
            "PUT",
            "users/u/f",
            {},
            {"Content-Type": "image/png", "Content-Length": "1000", "If-None-Match": "*"},
        ),
        ("PUT", "users/u/f", {"partNumber": "7", "uploadId": "a/b+c=~_-."}, {"Content-Length": "5"}),
        (
            "GET",
            "exports/u/x.zip",
            {"response-content-disposition": "attachment; filename=\"a b\"; filename*=UTF-8''%C3%BC"},
            {},
        ),
    ],
)
def test_urls(signer: Signer, method: str, key: str, query: dict[str, str], headers: dict[str, str]) -> None:
    place = Address("https://s3.example.test:9000", "bucket", path_style=True).place(key)
    ours = signer.url(method, place, query, headers, 900)
    request = AWSRequest(
        method=method, url=f"{place.origin}{place.encoded}", params=dict(query), headers=headers
    )
    S3SigV4QueryAuth(Credentials(*KEYS), "s3", "eu-central-1", expires=900).add_auth(request)
    theirs = request.prepare().url
    assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)
    assert ours.partition("?")[0] == theirs.partition("?")[0]


@pytest.mark.parametrize("query", [{}, {"uploads": ""}, {"uploadId": "x/y", "part-number-marker": "1000"}])
def test_headers(signer: Signer, query: dict[str, str]) -> None:
    place = Address("http://127.0.0.1:9000", "bucket", path_style=True).place("users/u/f")
    ours = signer.headers("GET", place, query, {"X-Amz-Checksum-Mode": "ENABLED"}, EMPTY_HASH)
    request = AWSRequest(
        method="GET",
        url=f"{place.origin}{place.encoded}",
        params=dict(query),
        headers={"x-amz-checksum-mode": "ENABLED"},
    )
    S3SigV4Auth(Credentials(*KEYS), "s3", "eu-central-1").add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize(
    ("endpoint", "path_style", "origin", "path"),
    [
        ("https://s3.example.test", True, "https://s3.example.test", "/bucket/a/b"),
        ("https://s3.example.test:443", False, "https://bucket.s3.example.test", "/a/b"),
        ("http://s3.example.test:9000", False, "http://bucket.s3.example.test:9000", "/a/b"),
        ("http://[::1]:9000", True, "http://[::1]:9000", "/bucket/a/b"),
    ],
)
def test_addresses(endpoint: str, path_style: bool, origin: str, path: str) -> None:
    address = Address(endpoint, "bucket", path_style=path_style)
    place = address.place("a/b")
    assert (place.origin, place.path, place.host) == (origin, path, origin.partition("://")[2])
    assert address.place().path == ("/bucket" if path_style else "/")
