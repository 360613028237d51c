"""The routes of object bytes on a real connection, with nothing else of the product."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.dispatch import HttpEdge
from secureconnect.edge.http.objects import object_routes
from secureconnect.edge.http.routing import Router
from secureconnect.edge.http.streams import StreamRouter
from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.kit.clock import SystemClock
from tests.unit.serving import Serving, serving

__all__ = ["LateApplication", "object_edge", "serving_objects"]


class LateApplication:
    """An ASGI application that is known only after its port is."""

    edge: HttpEdge

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.edge(scope, receive, send)


class _Uncounted:
    def started(self) -> None:
        pass

    def finished(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        pass

    def refused_early(self, method: str, endpoint: str, status: int) -> None:
        pass


def object_edge(
    blobs: LocalBlobs, *, silence: float = 5.0, draining: Callable[[], bool] = lambda: False
) -> HttpEdge:
    """The HTTP edge of an empty product over `blobs`; nothing on its way asks for anybody."""
    nobody = cast("Any", None)
    cors = Cors(["https://chat.example.test"])
    return HttpEdge(
        router=Router([]),
        streams=StreamRouter(object_routes(blobs)),
        pages=[],
        authenticator=nobody,
        limiter=nobody,
        idempotency=nobody,
        denials=nobody,
        metrics=_Uncounted(),
        answers=Answers(SystemClock(), cors),
        cors=cors,
        address=ClientAddress([]),
        max_body_bytes=1000,
        request_timeout=silence,
        draining=draining,
        admission=Admission(nobody),
    )


@contextlib.asynccontextmanager
async def serving_objects(
    make: Callable[[str], LocalBlobs], *, silence: float = 5.0, **http: Any
) -> AsyncIterator[tuple[LocalBlobs, Serving, LateApplication]]:
    """The store that `make` makes for the address of a running server, that server, and what it serves."""
    late = LateApplication()
    async with serving(late, **http) as place:
        blobs = make(f"http://127.0.0.1:{place.port}")
        late.edge = object_edge(blobs, silence=silence)
        try:
            yield blobs, place, late
        finally:
            await blobs.close()
