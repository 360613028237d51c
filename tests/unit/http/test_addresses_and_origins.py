"""Which address a request counts for, and which origins may read answers."""

import pytest

from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors

BEHIND = ClientAddress(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1,198.51.100.1 , 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, , 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1:4711", "10.0.0.1"),
        ("10.0.0.1", "' OR 1=1", "10.0.0.1"),
        ("fd00::1", "2001:db8::7, fd00::2", "2001:db8::7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("unix", "198.51.100.1", "unix"),
    ],
)
def test_the_rightmost_untrusted_entry_counts(peer: str, forwarded: str | None, client: str) -> None:
    assert BEHIND.of(peer, forwarded) == client


def test_without_trusted_proxies_the_peer_counts() -> None:
    assert ClientAddress([]).of("127.0.0.1", "198.51.100.1") == "127.0.0.1"


def test_an_address_is_written_in_one_way() -> None:
    """Otherwise one client has as many limits as it has spellings."""
    assert BEHIND.of("10.0.0.1", "2001:DB8:0::0007") == "2001:db8::7"
    assert BEHIND.of("10.0.0.1", "2001:db8::7%eth0") == "10.0.0.1"
    assert BEHIND.of("10.0.0.1", "::ffff:198.51.100.1") == "198.51.100.1"
    assert BEHIND.of("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"


ORIGIN = b"https://chat.example.test"
LISTED = Cors([ORIGIN.decode()])


def test_a_listed_origin_is_named_and_nothing_else_allowed() -> None:
    headers = dict(LISTED.headers(ORIGIN))
    assert headers[b"access-control-allow-origin"] == ORIGIN
    assert headers[b"vary"] == b"Origin"
    assert b"access-control-allow-credentials" not in headers
    assert b"access-control-allow-methods" not in headers
    for name in (b"X-Request-ID", b"Retry-After", b"Idempotent-Replayed", b"X-RateLimit-Remaining"):
        assert name in headers[b"access-control-expose-headers"]


def test_a_preflight_is_told_everything() -> None:
    headers = dict(LISTED.headers(ORIGIN, preflight=True))
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"):
        assert method in headers[b"access-control-allow-methods"]
    for name in (b"Authorization", b"Content-Type", b"Idempotency-Key", b"X-Session-ID", b"traceparent"):
        assert name in headers[b"access-control-allow-headers"]
    assert headers[b"access-control-max-age"] == b"86400"


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.test",
        b"http://chat.example.test",
        b"https://chat.example.test:8443",
        b"https://chat.example.test.evil.test",
        b"null",
        b"",
        b"\xff",
        b"*",
    ],
)
def test_others_get_nothing(origin: bytes) -> None:
    assert not LISTED.allows(origin)
    assert LISTED.headers(origin) == [(b"vary", b"Origin")]


def test_no_origin_no_headers() -> None:
    assert LISTED.headers(None) == []


def test_a_star_lists_everybody() -> None:
    assert dict(Cors(["*"]).headers(b"https://a.test"))[b"access-control-allow-origin"] == b"https://a.test"
