"""What clients meet while the process waits for its stores, and behind it the product once that is there.

A process answers from its first moment: that it lives, and that it is not ready.
"""

from collections.abc import Awaitable, Mapping
from typing import Any

from secureconnect.app.vitals import Dependency, Vitals
from secureconnect.edge.http.answers import Answers, Exchange, PageReply, Receive, Send
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.envelope import Headers
from secureconnect.edge.http.front import Front, HttpMetrics, Page
from secureconnect.edge.realtime.base import Admission, Gate, Refusal, UpgradeRequest
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Entrance", "WaitingVitals"]

_TEXT = "The server waits for its database."


class WaitingVitals(Vitals):
    """The pages of a process that does not know its stores yet."""

    async def readyz(self, _: Mapping[bytes, bytes]) -> PageReply:
        """Not yet."""
        return self.readiness(
            "unavailable", {"database": Dependency("down", None, "has not answered since the start")}
        )


class _Waiting(Front):
    """Answers every request but those for pages with 503."""

    async def _serve(self, exchange: Exchange) -> PageReply:
        page = self._page(exchange)
        if page is not None:
            return await page.handler(exchange.headers)
        raise ApiError(ErrorCode.DATABASE_UNAVAILABLE, _TEXT, retry_after=2)


class Entrance:
    """The application and the gate of a listening process, closed until `open`."""

    def __init__(
        self, pages: list[Page], metrics: HttpMetrics, answers: Answers, cors: Cors, address: ClientAddress
    ) -> None:
        self._answers = answers
        self._waiting = _Waiting(pages=pages, metrics=metrics, answers=answers, cors=cors, address=address)
        self._app: Front = self._waiting
        self._gate: Gate | None = None

    def open(self, app: Front, gate: Gate) -> None:
        """Let everybody in from now on."""
        self._app = app
        self._gate = gate

    def shed(self, secure: bool, method: bytes, url: bytes, headers: Headers, stays: bool) -> bytes | None:
        """The answer to a request that is not let in because too many run; None to let it in."""
        shedder = self._app.shedder
        return None if shedder is None else shedder.unread(secure, method, url, headers, stays)

    def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, send)

    async def admit(self, request: UpgradeRequest) -> Admission:
        """As the gate, when it is open. Raises ApiError `DATABASE_UNAVAILABLE` before."""
        if self._gate is None:
            raise ApiError(ErrorCode.DATABASE_UNAVAILABLE, _TEXT, retry_after=2)
        return await self._gate.admit(request)

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        """As the gate, when it is open."""
        if self._gate is not None:
            return self._gate.refuse(request, error)
        headers = {name.encode(): value.encode("latin-1") for name, value in request.headers.items()}
        context = self._waiting.context(headers, (request.peer, 0))
        status, given, body = self._answers.bare(error, context.request_id, secure=request.secure)
        return Refusal(status, [(name.decode(), value.decode()) for name, value in given], body)
