"""The metrics of a server, read as a monitor reads them."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.scenarios.server import Server

__all__ = ["metric"]


#: What every process tells of the same thing; everything else is each one's own, and added up.
_SHARED: dict[str, Callable[[list[float]], float]] = {
    "calls_active": max,
    "dependency_up": min,
    "outbox_pending": max,
}


async def metric(server: Server, name: str, **labels: str) -> float:
    """The sample of `name` with these labels: of the one process, or of all on the stores together."""
    found: list[float] = []
    async with httpx.AsyncClient(verify=False) as client:
        for piece in server.pieces:
            if piece.name == "gateway":  # it stands on nothing
                continue
            text = (await client.get(f"{piece.url}/metrics")).text
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    own = {key: value for key, value in sample.labels.items() if key != "service"}
                    if (sample.name, own) == (name, labels):
                        found.append(sample.value)
    assert found, (name, labels)
    return float(_SHARED.get(name, sum)(found))
