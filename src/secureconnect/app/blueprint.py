"""The features without anything below them: what they declare is known before any store is open.

The gateway makes its routing table of it, and the documents are written from it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from secureconnect import __version__
from secureconnect.app.asyncapi import asyncapi_document
from secureconnect.app.documents import openapi
from secureconnect.app.product import assemble_product
from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.http.routing import Route
from secureconnect.edge.http.streams import StreamRoute
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock

__all__ = ["Blueprint", "asyncapi_bytes", "draw", "openapi_bytes"]

_KEY = bytes(31) + b"\x01"


class Blueprint(msgspec.Struct, frozen=True):
    """What all features together declare."""

    modules: list[Module]
    #: Of the signaling socket; those of the chat socket stand in the modules.
    signaling: Commands

    @property
    def routes(self) -> list[Route]:
        """In the order of the features."""
        return [route for module in self.modules for route in module.routes]

    @property
    def streams(self) -> list[StreamRoute]:
        """Routes of bytes."""
        return [stream for module in self.modules for stream in module.streams]

    def commands(self) -> Commands:
        """Of the chat socket."""
        return Commands(command for module in self.modules for command in module.commands)


def draw(settings: Settings) -> Blueprint:
    """Assemble the real product over stores that are not there. Nothing of it may be run."""
    stores: dict[str, Any] = {field.name: _Absent() for field in msgspec.structs.fields(Stores)}
    stores |= {"clock": SystemClock(), "metrics": Metrics("blueprint", __version__), "vapid_key": _KEY}
    product = assemble_product(settings, Stores(**stores))
    product.hasher.close()
    return Blueprint(product.modules, product.calls.commands)


def openapi_bytes() -> bytes:
    """Exactly what a server answers at `/openapi.json`."""
    drawn = draw(Settings())
    return openapi(drawn.routes, drawn.streams)


def asyncapi_bytes() -> bytes:
    """Exactly what a server answers at `/asyncapi.json`."""
    drawn = draw(Settings())
    return asyncapi_document(drawn.commands(), drawn.signaling, version=__version__)


class _Absent:
    """Stands for a store while features are put together: it may be given away and listened to."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: object, **__: object) -> Any:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())
