"""A real Prometheus with the shipped rules, asked which alerts fire."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from stack.monitoring import DEPLOY, Prometheus
from stack.server import MissingProgram
from tests.scenarios.patience import eventually

__all__ = ["Alarms", "watching"]


class Alarms:
    """Asks Prometheus."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus

    async def firing(self) -> set[tuple[str, str]]:
        """Every alert that fires, with what it is about: a dependency, a kind, or an address."""
        async with httpx.AsyncClient(verify=False) as client:
            answer = (await client.get(f"{self.prometheus.url}/api/v1/alerts")).json()
        found = [alert["labels"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"]
        return {
            (
                labels["alertname"],
                labels.get("dependency") or labels.get("kind") or labels.get("instance", ""),
            )
            for labels in found
        }

    async def watches(self) -> bool:
        """Whether every target was seen: what a counter showed at first counts as no increase."""
        async with httpx.AsyncClient(verify=False) as client:
            answer = (await client.get(f"{self.prometheus.url}/api/v1/targets?state=active")).json()
        targets = answer["data"]["activeTargets"]
        return bool(targets) and all(target["health"] == "up" for target in targets)

    async def fires(self, name: str, about: str = "", seconds: float = 30) -> None:
        """Return once this alert fires; `about` is empty for whatever it is about."""
        await eventually(lambda: self._is(name, about, wanted=True), seconds)

    async def ends(self, name: str, about: str = "", seconds: float = 30) -> None:
        """Return once it does not."""
        await eventually(lambda: self._is(name, about, wanted=False), seconds)

    async def _is(self, name: str, about: str, *, wanted: bool) -> bool:
        firing = await self.firing()
        return any(found == name and about in ("", what) for found, what in firing) is wanted


def _hurried(directory: Path) -> list[Path]:
    """The shipped rules: expressions and thresholds untouched, looked at every second, without `for`."""
    directory.mkdir(exist_ok=True)
    made = []
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        text = re.sub(r"\n\s+for: \S+", "", path.read_text().replace("interval: 30s", "interval: 1s"))
        made.append(directory / path.name)
        made[-1].write_text(text)
    assert made
    return made


@contextlib.asynccontextmanager
async def watching(directory: Path, targets: Mapping[str, Sequence[str]]) -> AsyncIterator[Alarms]:
    """Scrape these addresses, by job, while the block runs; skips the test where there is no Prometheus."""
    prometheus = Prometheus(directory / "prometheus", targets, interval="1s", rules=_hurried(directory))
    try:
        await asyncio.to_thread(prometheus.start)
    except MissingProgram as missing:
        pytest.skip(str(missing))
    try:
        yield Alarms(prometheus)
    finally:
        await asyncio.to_thread(prometheus.close)
