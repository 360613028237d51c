"""The published documents: OpenAPI, AsyncAPI and the page for people."""

import base64
import hashlib
from functools import cache
from html import escape

import msgspec

from secureconnect import __version__
from secureconnect.app.asyncapi import asyncapi_document
from secureconnect.app.health import SERVICE
from secureconnect.edge.http.answers import PageReply
from secureconnect.edge.http.front import Page
from secureconnect.edge.http.openapi import openapi_document
from secureconnect.edge.http.routing import Access, Route
from secureconnect.edge.http.streams import StreamRoute
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.kit.errors import ErrorCode

__all__ = ["PAGES", "docs_page", "document_pages", "openapi"]

#: Every GET without envelope.
PAGES = (
    ("/health", "The process answers"),
    ("/livez", "The event loop turns"),
    ("/readyz", "Requests can be served"),
    ("/metrics", "Prometheus metrics"),
    ("/openapi.json", "This document"),
    ("/asyncapi.json", "The sockets as AsyncAPI"),
    ("/docs", "The reference for people"),
    ("/.well-known/jwks.json", "Keys that verify access tokens"),
)

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color:#1c2330;background:#fff}"
    "code{font:14px/1.4 ui-monospace,monospace}h2{margin-top:2.5rem;text-transform:capitalize}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d8dde6;"
    "padding:.35rem .5rem;text-align:left;vertical-align:top}"
    "td:first-child{overflow-wrap:anywhere;width:45%}small{color:#5a6475}"
    "@media(prefers-color-scheme:dark){body{color:#e4e8ef;background:#14181f}"
    "td,th{border-color:#313a48}small{color:#9aa5b8}a{color:#8ab4ff}}"
)


def openapi(routes: list[Route], streams: list[StreamRoute]) -> bytes:
    """`/openapi.json`."""
    return openapi_document(routes, streams, PAGES, version=__version__)


def document_pages(
    routes: list[Route], streams: list[StreamRoute], commands: Commands, signaling: Commands
) -> list[Page]:
    """The pages that describe the product, rendered when they are first asked for."""
    openapi_json = cache(lambda: openapi(routes, streams))
    asyncapi_json = cache(lambda: asyncapi_document(commands, signaling, version=__version__))
    human = cache(lambda: docs_page(routes, streams))
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'".encode()

    async def serve_openapi(_: object) -> PageReply:
        return PageReply(openapi_json())

    async def serve_asyncapi(_: object) -> PageReply:
        return PageReply(asyncapi_json())

    async def serve_docs(_: object) -> PageReply:
        return PageReply(
            human(),
            content_type="text/html; charset=utf-8",
            headers=[(b"content-security-policy", policy)],
        )

    return [
        Page("/openapi.json", serve_openapi),
        Page("/asyncapi.json", serve_asyncapi),
        Page("/docs", serve_docs),
    ]


def docs_page(routes: list[Route], streams: list[StreamRoute]) -> bytes:
    """One HTML page without external resources."""
    tags = dict.fromkeys(route.tag for route in sorted(routes, key=lambda route: route.tag == "admin"))
    sections = "".join(_section(tag, [route for route in routes if route.tag == tag]) for tag in tags)
    sections += _streams(streams)
    codes = "".join(
        f"<tr><td><code>{code.name}</code></td><td>{code.status}</td><td>{escape(code.meaning)}</td></tr>"
        for code in ErrorCode
    )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{SERVICE} {__version__}</title><style>{_STYLE}</style>"
        f"<h1>SecureConnect {__version__}</h1>"
        "<p>Every answer is one JSON envelope: <code>success</code>, <code>data</code> or "
        "<code>error</code>, <code>meta</code>. Machines read "
        "<a href=/openapi.json>/openapi.json</a> and <a href=/asyncapi.json>/asyncapi.json</a>. "
        "The sockets are <code>/v1/ws/chat</code> and <code>/v1/ws/signaling</code>.</p>"
        f"{sections}<h2>Error codes</h2>"
        f"<table><tr><th>Code<th>Status<th>Meaning</tr>{codes}</table></html>"
    )
    return page.encode()


def _section(tag: str, routes: list[Route]) -> str:
    rows = "".join(
        f"<tr><td><code>{route.method} {escape(route.path)}</code></td><td>{escape(route.summary)}"
        f"<br><small>{_who(route)} {_fields(route)}</small></td></tr>"
        for route in routes
    )
    return f"<h2>{escape(tag)}</h2><table>{rows}</table>"


def _streams(streams: list[StreamRoute]) -> str:
    rows = "".join(
        f"<tr><td><code>{stream.method} {escape(stream.path)}</code></td><td>{escape(stream.summary)}"
        f"<br><small>Whoever holds the URL. The body is bytes.</small></td></tr>"
        for stream in streams
    )
    return f"<h2>object bytes</h2><table>{rows}</table>" if rows else ""


def _who(route: Route) -> str:
    if route.access is Access.PUBLIC:
        return "Everybody."
    who = "Server admins" if route.access is Access.ADMIN else "Users"
    return f"{who}{f' and bots with <code>{route.scope}</code>' if route.scope else ''}."


def _fields(route: Route) -> str:
    struct = route.body or route.query
    if struct is None:
        return ""
    names = ", ".join(
        f"<code>{field.encode_name}{'' if field.required else '?'}</code>"
        for field in msgspec.structs.fields(struct)
    )
    return f"{'Body' if route.body else 'Query'}: {names}."
