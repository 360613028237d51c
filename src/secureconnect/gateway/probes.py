"""Asks every process of every role how it is, so that requests need not find out."""

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import Protocol

from secureconnect.gateway.instances import Instance, Role
from secureconnect.gateway.upstream import Broken, Connection, Late
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["ProbeMetrics", "Probes"]

log = get_logger()

_EVERY = 1.0
_PATIENCE = 2.0
_QUESTION = b"GET /readyz HTTP/1.1\r\nhost: %b\r\nuser-agent: secureconnect-gateway\r\n\r\n"


class ProbeMetrics(Protocol):
    """Shows how instances are."""

    def dependency(self, name: str, *, up: bool) -> None:
        """Whether an instance is reachable."""


class Probes:
    """Asks each instance every second; what hangs is given up after two.

    A closed circuit is not opened by what is found here, only by requests; an open one is closed by it alone.
    """

    def __init__(self, roles: Iterable[Role], metrics: ProbeMetrics) -> None:
        self._instances = [one for role in roles for one in role.instances]
        self._metrics = metrics
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Ask everybody once, then go on."""
        await asyncio.gather(*map(self.ask, self._instances))
        for one in self._instances:
            self._tasks += [
                asyncio.create_task(self._follow(one), name=f"probe {one.name}"),
                asyncio.create_task(one.breaker.watch(partial(self._trial, one)), name=f"trial {one.name}"),
            ]

    async def stop(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, instance: Instance) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self.ask(instance)

    async def _trial(self, instance: Instance) -> None:
        await self.ask(instance)
        if not instance.reachable:
            raise Broken(touched=False)

    async def ask(self, instance: Instance) -> None:
        """Ask one instance now, and remember what it said."""
        started = time.perf_counter()
        status = await _status(instance)
        instance.latency_ms = None if status is None else round((time.perf_counter() - started) * 1000, 3)
        ready, was = status == 200, instance.ready
        instance.reachable, instance.ready = status is not None, ready
        if was is not None and was != ready:
            if ready:
                log.info("instance is ready", dependency=instance.name)
            else:
                log.warning("instance is not ready", dependency=instance.name, reachable=instance.reachable)
        self._metrics.dependency(instance.name, up=instance.reachable)


async def _status(instance: Instance) -> int | None:
    connection: Connection | None = None
    try:
        async with asyncio.timeout(_PATIENCE):
            connection, _ = await instance.connection()
            connection.begin(_QUESTION % str(instance.target).encode(), head_only=False)
            await connection.head(_PATIENCE)
            while not connection.whole:
                await connection.chunk(_PATIENCE)
    except (Broken, Late, TimeoutError):
        if connection is not None:
            connection.close()
        return None
    connection.rest()
    instance.give_back(connection)
    return connection.status
