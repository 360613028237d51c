"""O6 and X16: traces reach a collector, go on where the caller began, and nobody minds when it is away."""

import asyncio
import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import file
from tests.scenarios.server import free_port
from tests.scenarios.steps import direct, request, send, ws

one_process = pytest.mark.only_on("embedded", reason="it reads the log of one process")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class _Collector(http.server.BaseHTTPRequestHandler):
    spans: list[Any]

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        assert self.path == "/v1/traces"
        for resource in request.resource_spans:
            (service,) = [one for one in resource.resource.attributes if one.key == "service.name"]
            assert service.value.string_value
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def collector(port: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """A receiver that reads what it gets with OpenTelemetry's own schema."""
    spans: list[Any] = []
    handler = type("Collector", (_Collector,), {"spans": spans})
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", spans
        server.shutdown()
        thread.join()


def named(spans: list[Any], name: str) -> list[Any]:
    return [span for span in spans if span.name == name]


async def until(there: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@one_process
async def test_o6_a_trace_goes_on(serve: Serve, reg: Register) -> None:
    with collector() as (url, spans):
        async with serve(observability={"otlp_endpoint": url, "trace_sample_ratio": 1}) as server:
            a, b = await reg("a", "b", url=server.url)
            conversation = (await direct(a, b))["conversation_id"]
            await file(a, b"1234")
            async with ws(b) as chat:
                await chat.command("message_send", conversation_id=conversation, content="secret words")
            given = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "of-the-trace"}
            body = {"conversation_id": conversation, "content": "secret words"}
            (await a.post("/v1/messages", body, headers=given)).ok(201)

            def mine() -> list[Any]:
                return [span for span in spans if span.trace_id.hex() == TRACE]

            await until(lambda: any(span.kind == 2 for span in mine()))
            (root,) = [span for span in mine() if span.kind == 2]
            assert (root.name, root.parent_span_id.hex()) == ("POST /v1/messages", PARENT)
            assert attributes(root)["http.route"] == "/v1/messages"
            assert attributes(root)["http.response.status_code"] == 201
            assert root.end_time_unix_nano > root.start_time_unix_nano
            children = [span for span in mine() if span.parent_span_id == root.span_id]
            assert "timeline.append" in {span.name for span in children}
            lines = [json.loads(line) for line in server.lines()]
            (line,) = [each for each in lines if each.get("request_id") == "of-the-trace"]
            assert (line["trace_id"], line["span_id"]) == (TRACE, root.span_id.hex())

            await until(lambda: named(spans, "ws.command message_send"))
            (command,) = named(spans, "ws.command message_send")
            (upgrade,) = named(spans, "GET /v1/ws/chat")
            assert [link.span_id for link in command.links] == [upgrade.span_id]
            (await request(server.url, "POST", "/v1/auth/password-reset/request", {"email": a.email})).ok()
            await until(
                lambda: named(spans, "outbox mail") and named(spans, "POST /v1/auth/password-reset/request")
            )
            (asked,) = named(spans, "POST /v1/auth/password-reset/request")
            assert asked.span_id in {
                link.span_id for job in named(spans, "outbox mail") for link in job.links
            }
            await until(lambda: any(span.name.startswith("object_store.") for span in spans))
            assert any(span.name.startswith("insert users") for span in spans)
            told = "".join(map(str, spans))
            for private in ("secret words", a.email, a.user_id, conversation):
                assert private not in told


@pytest.mark.only_on("postgres", "cassandra", reason="there is no gateway")
async def test_o6_from_the_gateway_to_the_store_and_the_bus(serve: Serve, reg: Register) -> None:
    """One trace through both processes; what the role publishes on the way is in it."""
    with collector() as (url, spans):
        async with serve(observability={"otlp_endpoint": url, "trace_sample_ratio": 1}) as server:
            a, b = await reg("a", "b", url=server.url)
            conversation = (await direct(a, b))["conversation_id"]
            given = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            body = {"conversation_id": conversation, "content": "secret words"}
            (await a.post("/v1/messages", body, headers=given)).ok(201)
            (await a.post(f"/v1/conversations/{conversation}/read", {"seq": 2}, headers=given)).ok()

            def mine(name: str) -> dict[bytes, Any]:
                found = named(spans, name)
                return {span.span_id: span for span in found if span.trace_id.hex() == TRACE}

            await until(lambda: len(mine("POST /v1/messages")) == 2 and mine("bus.publish"))
            await until(lambda: mine("proxy chat") and mine("timeline.append"))
            (append,) = mine("timeline.append").values()
            behind = mine("POST /v1/messages")[append.parent_span_id]
            hop = mine("proxy chat")[behind.parent_span_id]
            assert mine("POST /v1/messages")[hop.parent_span_id].parent_span_id.hex() == PARENT


@one_process
async def test_a_caller_that_keeps_nothing_is_followed(serve: Serve, reg: Register) -> None:
    """Its decision holds, whatever our share is; and so does ours."""
    with collector() as (url, spans):
        async with serve(observability={"otlp_endpoint": url, "trace_sample_ratio": 0}) as server:
            (a,) = await reg("a", url=server.url)
            (await a.get("/v1/users/me", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})).ok()
            (await a.get("/v1/users/me", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})).ok()
            await until(lambda: spans)
            assert {span.trace_id.hex() for span in spans} == {TRACE}
            assert len([span for span in spans if span.kind == 2]) == 1


@one_process
async def test_x16_a_collector_that_is_away(serve: Serve, reg: Register) -> None:
    """Requests do not mind; one line at its end and one at its return."""
    port = free_port()
    section = {"otlp_endpoint": f"http://127.0.0.1:{port}", "trace_sample_ratio": 1}
    async with serve(observability=section) as server:
        a, b = await reg("a", "b", url=server.url)
        conversation = (await direct(a, b))["conversation_id"]
        (await send(a, conversation, "hello")).ok(201)
        await until(lambda: any('"traces do not go out"' in line for line in server.lines()))
        with collector(port) as (_, spans):
            (await send(a, conversation, "hello")).ok(201)
            await until(lambda: spans and any('"traces go out again"' in line for line in server.lines()))
        assert sum('"traces do not go out"' in line for line in server.lines()) == 1
