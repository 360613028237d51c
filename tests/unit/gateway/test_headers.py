"""What passes through the gateway and what does not."""

from secureconnect.gateway.headers import answer_headers, request_head
from secureconnect.infra.telemetry import tracing
from secureconnect.kit.principal import RequestContext

CONTEXT = RequestContext("request-1", "198.51.100.7", None)


def passed(*headers: tuple[bytes, bytes], secure: bool = False) -> list[bytes]:
    head = request_head("GET", b"/v1/x?y=1", headers, CONTEXT, secure=secure)
    assert head.endswith(b"\r\n\r\n")
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first == b"GET /v1/x?y=1 HTTP/1.1"
    return lines


def test_what_the_gateway_says_itself() -> None:
    assert passed(secure=True) == [
        b"x-request-id: request-1",
        b"x-forwarded-for: 198.51.100.7",
        b"x-forwarded-proto: https",
    ]


def test_what_clients_may_only_claim_is_dropped() -> None:
    lines = passed(
        (b"x-user-id", b"42"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-host", b"evil.test"),
        (b"forwarded", b"for=203.0.113.9"),
        (b"x-real-ip", b"203.0.113.9"),
        (b"x-request-id", b"bad id"),
        (b"authorization", b"Bearer t"),
    )
    assert lines[0] == b"authorization: Bearer t"
    assert len(lines) == 4
    assert not any(b"203.0.113.9" in line or b"evil" in line for line in lines)


def test_headers_of_the_connection_end_here() -> None:
    lines = passed(
        (b"connection", b"keep-alive, X-Mine"),
        (b"x-mine", b"1"),
        (b"keep-alive", b"timeout=5"),
        (b"te", b"trailers"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"expect", b"100-continue"),
        (b"traceparent", b"00-1-2-01"),
    )
    assert lines[0] == b"traceparent: 00-1-2-01"
    assert len(lines) == 4


def test_a_client_cannot_hide_what_frames_its_message() -> None:
    lines = passed((b"connection", b"content-length, host"), (b"content-length", b"3"), (b"host", b"a"))
    assert lines[:2] == [b"content-length: 3", b"host: a"]


def test_answers_lose_what_the_gateway_adds() -> None:
    given = [
        (b"date", b"now"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"content-type", b"application/json"),
    ]
    assert answer_headers(given, secure=False) == [(b"content-type", b"application/json")]
    assert (b"strict-transport-security", b"max-age=31536000; includeSubDomains") in answer_headers(
        given, secure=True
    )


def test_a_trace_goes_on_below_the_gateway() -> None:
    """The role's spans are below ours, and ours is below the client's."""
    tracing.configure(1)
    try:
        given = tracing.parse_traceparent(f"00-{'a' * 32}-{'b' * 16}-01")
        work = tracing.start("x", "server", given)
        assert work is not None
        headers = [(b"traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode()), (b"accept", b"*/*")]
        with tracing.span(work):
            head = request_head("GET", b"/v1/x", headers, CONTEXT, secure=False)
        assert head.count(b"traceparent") == 1
        assert f"traceparent: 00-{'a' * 32}-{work.span_id.hex()}-01\r\n".encode() in head
        assert head.endswith(b"\r\n\r\n")
        # While nothing is traced here, what the client says goes on as it is.
        assert f"-{'b' * 16}-01".encode() in request_head("GET", b"/", headers, CONTEXT, secure=False)
    finally:
        tracing.configure(None)
