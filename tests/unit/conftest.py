"""Tests that hold bytes in their hands run on both event loops: uvloop is what the server runs on."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

_BOTH = ("test_transport", "test_protocol", "test_object_")


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name.startswith(_BOTH):
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
