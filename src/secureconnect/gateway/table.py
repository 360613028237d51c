"""Which role answers a path: made of what the features declare, and of nothing else."""

from collections.abc import Iterable, Mapping

import msgspec

from secureconnect.edge.http.routing import Route, Router
from secureconnect.edge.http.streams import StreamRoute, StreamRouter

__all__ = ["Offer", "Place", "RoutingTable"]

#: The parameter by which all requests about one call go to one process.
_CALL = "/v1/calls/{id}"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one feature serves, and in which role. `pages` and `sockets` are whole paths."""

    role: str
    routes: Iterable[Route] = ()
    streams: Iterable[StreamRoute] = ()
    pages: Iterable[str] = ()
    sockets: Iterable[str] = ()


class Place(msgspec.Struct, frozen=True):
    """Where a request belongs.

    Args:
        role: who answers.
        endpoint: the route template, for metrics and logs.
        routes: method → route, or
        streams: method → route of bytes; neither for pages.
        values: of the parameters of the path, in order.
        call_id: the call that it is about, if it is about one.
    """

    role: str
    endpoint: str
    routes: Mapping[str, Route] = {}
    streams: Mapping[str, StreamRoute] = {}
    values: tuple[str, ...] = ()
    call_id: str | None = None

    @property
    def page(self) -> bool:
        """It is a page."""
        return not self.routes and not self.streams


class RoutingTable:
    """Finds the role of a path.

    Raises:
        ValueError: two roles want the same path.
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        routes: list[Route] = []
        streams: list[StreamRoute] = []
        self._roles: dict[str, str] = {}
        self._pages: dict[str, str] = {}
        self._sockets: dict[str, str] = {}
        for offer in offers:
            for route in offer.routes:
                self._claim(route.path, offer.role)
                routes.append(route)
            for stream in offer.streams:
                self._claim(stream.path, offer.role)
                streams.append(stream)
            self._pages.update(dict.fromkeys(offer.pages, offer.role))
            self._sockets.update(dict.fromkeys(offer.sockets, offer.role))
        self._router = Router(routes)
        self._streams = StreamRouter(streams)

    @property
    def roles(self) -> Mapping[str, str]:
        """Route template → role, for people."""
        return {**self._roles, **self._pages, **self._sockets}

    def find(self, path: str) -> Place | None:
        """Where a request for `path` belongs; None when nobody serves it."""
        page = self._pages.get(path)
        if page is not None:
            return Place(page, path)
        stream = self._streams.find(path)
        if stream is not None:
            endpoint = next(iter(stream[0].values())).path
            return Place(self._roles[endpoint], endpoint, streams=stream[0])
        found = self._router.find(path)
        if found is None:
            return None
        methods, values = found
        endpoint = next(iter(methods.values())).path
        call_id = values[0].lower() if values and endpoint.startswith(_CALL) else None
        return Place(self._roles[endpoint], endpoint, methods, values=values, call_id=call_id)

    def socket(self, path: str) -> str | None:
        """The role that opens sockets at `path`."""
        return self._sockets.get(path)

    def _claim(self, path: str, role: str) -> None:
        if self._roles.setdefault(path, role) != role:
            raise ValueError(f"{path} is served by {self._roles[path]} and by {role}")
