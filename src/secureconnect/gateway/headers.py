"""Which headers pass through the gateway (RFC 9110 §7.6, docs/reference/operations.md §4)."""

from collections.abc import Iterable

from secureconnect.edge.http.envelope import Headers
from secureconnect.infra.telemetry import tracing
from secureconnect.kit.principal import RequestContext

__all__ = ["answer_headers", "request_head"]

#: About one connection, not about the message.
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"expect",
    )
)
#: What a client may only claim: the gateway says these itself, or nobody does.
_CLAIMS = frozenset(
    (
        b"x-request-id",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-server",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"forwarded",
        b"x-user-id",
        b"x-user-role",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-http-method-override",
    )
)
_NOT_ASKED = _HOP_BY_HOP | _CLAIMS
_NOT_ANSWERED = _HOP_BY_HOP | {b"date", b"server"}  # which our own answer has


def request_head(
    method: str,
    target: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    context: RequestContext,
    *,
    secure: bool,
    extra: bytes = b"",
) -> bytes:
    """The head of the request as the role gets it, up to and with the empty line.

    The role sees one address: that of the client, as the gateway understands it. `extra` are whole header
    lines of the connection between gateway and role. Header names are lower case.
    """
    named: frozenset[bytes] | set[bytes] = _NOT_ASKED
    lines = [b"%b %b HTTP/1.1\r\n" % (method.encode(), target)]
    kept = []
    for header in headers:
        if header[0] == b"connection":
            named = named | _named_in(header[1])
        kept.append(header)
    work = tracing.current()
    if work is not None:  # the role goes on below our span, not below that of the client
        named = named | {b"traceparent"}
        extra += b"traceparent: %b\r\n" % tracing.traceparent(work).encode()
    for name, value in kept:
        if name not in named:
            lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(
        b"x-request-id: %b\r\nx-forwarded-for: %b\r\nx-forwarded-proto: %b\r\n%b\r\n"
        % (
            context.request_id.encode(),
            context.client_ip.encode(),
            b"https" if secure else b"http",
            extra,
        )
    )
    return b"".join(lines)


def answer_headers(headers: Headers, *, secure: bool) -> Headers:
    """The headers of a role's answer as the client gets them."""
    named: frozenset[bytes] | set[bytes] = _NOT_ANSWERED
    for name, value in headers:
        if name == b"connection":
            named = named | _named_in(value)
    kept = [header for header in headers if header[0] not in named]
    if secure and not any(name == b"strict-transport-security" for name, _ in kept):
        kept.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
    return kept


def _named_in(value: bytes) -> set[bytes]:
    """The headers that `Connection` declares to be of this connection; those that frame a message stay."""
    return {token.strip().lower() for token in value.split(b",")} - {b"content-length", b"host"}
