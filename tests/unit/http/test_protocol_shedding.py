"""Requests that are refused by their head alone."""

import functools

from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.shedding import Shedder
from secureconnect.kit.clock import SystemClock
from tests.unit.http.raw_requests import App, get
from tests.unit.serving import serving, until


class Full(Admission):
    """Full as long as the test says so."""

    now = True

    @property
    def full(self) -> bool:
        return self.now


class Counts:
    def __init__(self) -> None:
        self.refused: list[tuple[str, str, int]] = []
        self.shed_ = 0

    def shed(self) -> None:
        self.shed_ += 1

    def refused_early(self, method: str, endpoint: str, status: int) -> None:
        self.refused.append((method, endpoint, status))


async def test_the_connection_goes_on_after_a_refusal() -> None:
    app, counts = App(), Counts()
    full = Full(counts)
    shedder = Shedder(full, Answers(SystemClock(), Cors([])), counts, ["/health"])
    async with serving(app, shed=functools.partial(shedder.unread, False)) as place:
        line = await place.line()
        line.send(b"GET /one HTTP/1.1\r\nx-request-id: abc-1\r\n\r\n")
        status, headers, body = await line.response()
        assert (status, b"SERVICE_UNAVAILABLE" in body, b"abc-1" in body) == (503, True, True)
        assert headers["x-request-id"] == "abc-1"
        assert 1 <= int(headers["retry-after"]) <= 3
        # A small body is dropped, one that comes slowly too.
        line.send(b"POST /two HTTP/1.1\r\ncontent-length: 5\r\n\r\nhe")
        line.send(b"llo")
        assert (await line.response())[0] == 503
        # Several at once are each answered, in order.
        line.send(get("/a") + get("/b"))
        assert [(await line.response())[0] for _ in range(2)] == [503, 503]
        assert app.seen == []
        line.send(get("/health"))
        assert (await line.response())[2] == b"/health"
        full.now = False
        line.send(get("/three"))
        assert (await line.response())[2] == b"/three"
        assert app.seen == ["/health", "/three"]
        assert counts.refused == [("GET", "unmatched", 503), ("POST", "unmatched", 503)] + 2 * [
            ("GET", "unmatched", 503)
        ]
        assert counts.shed_ == 4


async def test_a_large_body_is_for_the_application_to_refuse() -> None:
    app, counts = App(), Counts()
    shedder = Shedder(Full(counts), Answers(SystemClock(), Cors([])), counts, [])
    async with serving(app, shed=functools.partial(shedder.unread, False)) as place:
        line = await place.line()
        line.send(b"POST /big HTTP/1.1\r\ncontent-length: 100000\r\n\r\n")
        await until(lambda: app.seen == ["/big"])


async def test_a_client_of_one_request_is_told_and_left() -> None:
    counts = Counts()
    shedder = Shedder(Full(counts), Answers(SystemClock(), Cors([])), counts, [])
    async with serving(App(), shed=functools.partial(shedder.unread, False)) as place:
        line = await place.line()
        line.send(b"GET /one HTTP/1.1\r\nconnection: close\r\n\r\n")
        status, headers, _ = await line.response()
        assert (status, headers["connection"]) == (503, "close")
        await until(lambda: not place.server.server_state.connections)
