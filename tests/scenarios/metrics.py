"""The metrics of a server, read as a monitor reads them."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.scenarios.server import Server

__all__ = ["metric"]


async def metric(server: Server, name: str, **labels: str) -> float:
    """The one sample of `name` with these labels and that of the service."""
    async with httpx.AsyncClient(verify=False) as client:
        text = (await client.get(f"{server.url}/metrics")).text
    wanted = {"service": "secureconnect", **labels}
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    (value,) = [sample.value for sample in samples if (sample.name, sample.labels) == (name, wanted)]
    return float(value)
