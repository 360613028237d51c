"""What operators and load balancers ask (docs/reference/operations.md §5)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from secureconnect.app.vitals import Dependency, Vitals
from secureconnect.edge.http.answers import PageReply
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.database.base import Database
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["SERVICE", "Health"]

SERVICE = "secureconnect"
_PROBE_TIMEOUT = 2.0


class Health(Vitals):
    """Answers /health, /livez, /readyz and /metrics of a process that stands on the stores.

    Args:
        redis: asks Redis for a sign of life; None where there is none.
        timeline: asks the timeline's own store; None where it lies in the database.
        sfu: asks the server that forwards media; None where there is none, or it is not for this process.
        turn: the same of the servers that relay it.
        mail_goes_out: False since mail could not be handed over, until it can.
        pushes_go_out: the same of pushes to apps.
        draining: True once the process is stopping.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        metrics: Metrics,
        clock: Clock,
        *,
        redis: Callable[[], Awaitable[float]] | None,
        timeline: Callable[[], Awaitable[float]] | None,
        sfu: Callable[[], Awaitable[float]] | None,
        turn: Callable[[], Awaitable[float]] | None,
        mail_goes_out: Callable[[], bool],
        pushes_go_out: Callable[[], bool],
        draining: Callable[[], bool],
        metrics_token: str,
        service: str = SERVICE,
    ) -> None:
        super().__init__(service, metrics, clock, metrics_token=metrics_token)
        self._database = database
        self._blobs = blobs
        self._redis = redis
        self._timeline = timeline
        self._sfu = sfu
        self._turn = turn
        self._mail_goes_out = mail_goes_out
        self._pushes_go_out = pushes_go_out
        self._draining = draining

    async def readyz(self, _: Mapping[bytes, bytes]) -> PageReply:
        """200 while requests can be served: the relational store is the one thing that is required."""
        database, timeline, objects, redis, sfu, turn = await asyncio.gather(
            self._probe("database", self._database.ping),
            self._probe("timeline", self._timeline),
            self._probe("object_store", self._blobs.ping),
            self._probe("redis", self._redis),
            self._probe("sfu", self._sfu),
            self._probe("turn", self._turn),
        )
        # These are not asked for the sake of asking: what went out last says how they are.
        mail = self._seen("mail", self._mail_goes_out(), "mails wait")
        push = self._seen("push", self._pushes_go_out(), "pushes wait")
        dependencies = {
            "database": database,
            "timeline": timeline if self._timeline is not None else database,
            "redis": redis,
            "object_store": objects,
            "mail": mail,
            "push": push,
            "sfu": sfu,
            "turn": turn,
        }
        up = database.status == "up" and not self._draining()
        whole = all(each.status != "down" for each in dependencies.values())
        status = ("ready" if whole else "degraded") if up else "unavailable"
        return self.readiness(status, dependencies)

    def _seen(self, name: str, up: bool, otherwise: str) -> Dependency:
        self._metrics.dependency(name, up=up)
        return Dependency("up", None) if up else Dependency("down", None, otherwise)

    async def _probe(self, name: str, ping: Callable[[], Awaitable[float]] | None) -> Dependency:
        if ping is None:
            return Dependency("disabled", None)
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                seconds = await ping()
        except (ApiError, TimeoutError):
            self._metrics.dependency(name, up=False)
            return Dependency("down", None, "does not answer")
        self._metrics.dependency(name, up=True)
        return Dependency("up", round(seconds * 1000, 3))
