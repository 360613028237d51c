"""Handing pushes over to providers, and keeping what they say."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Literal, Protocol

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.push import store
from secureconnect.features.push.api import Badges, Provider, PushKind
from secureconnect.features.push.service.queueing import Payload
from secureconnect.features.push.service.scouting import PAUSE, Scouts
from secureconnect.features.push.service.secrecy import Vault
from secureconnect.features.push.store import Token
from secureconnect.infra.crypto.sealing import SealBroken
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Ending, Gone, Outbox, RetryLater, Work
from secureconnect.infra.push.base import (
    Push,
    PushDelayed,
    PushGone,
    PushRefused,
    PushTransport,
)
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["Deliverer", "PushMetrics", "Result"]

log = get_logger()

_AT_ONCE = 64
#: Endpoints that hang take no more than this from all others.
_AT_ONCE_PER_USER = 8
_TIMEOUT = 10.0
_LONGEST = 300.0

Result = Literal["sent", "failed", "expired", "gone"]


class PushMetrics(Protocol):
    """Counts pushes."""

    def pushed(self, provider: Provider, kind: PushKind, result: Result) -> None:
        """One push came to its end."""

    def dependency(self, name: str, *, up: bool) -> None:
        """Whether all providers that the settings name take pushes."""


class Deliverer:
    """Does the `push` jobs of the outbox.

    Args:
        transports: those that this server can reach.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        vault: Vault,
        transports: Mapping[Provider, PushTransport],
        badges: Badges,
        audit: Audit,
        metrics: PushMetrics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._vault = vault
        self._transports = transports
        self._badges = badges
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._down: dict[Provider, float] = {}
        self._scouts = Scouts(clock)
        self._sending = Counter[str]()
        self._hurrying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the jobs of the outbox, which starts after this."""
        counted = await self._database.read(store.count_by_provider)
        for provider in counted.keys() - self._transports.keys():
            log.error(
                "devices of a provider that is not configured", provider=provider, devices=counted[provider]
            )
        self._outbox.handle("push", self._handle, at_once=_AT_ONCE, timeout=_TIMEOUT, gave_up=self._gave_up)

    async def stop(self) -> None:
        """End the connections."""
        if self._hurrying is not None:
            self._hurrying.cancel()
            await asyncio.gather(self._hurrying, return_exceptions=True)
        for transport in self._transports.values():
            await transport.close()

    @property
    def reachable(self) -> bool:
        """Whether no provider refuses to take anything at all."""
        return not self._down

    async def ping(self) -> float | None:
        """Nothing is asked of providers but pushes: None, as long as they take those.

        Raises:
            OSError: one takes nothing from us.
        """
        if self._down:
            raise OSError(f"{', '.join(sorted(self._down))} takes no pushes")
        return None

    async def _handle(self, work: Work) -> None:
        payload = work.decode(Payload)
        token = await self._database.lookup(lambda conn: store.find_token(conn, payload.token_id))
        if token is None or not token.active or token.user_id != payload.user_id:
            await self._end(work, payload, "failed", "the device takes no pushes any more")
            return
        transport = self._transports.get(payload.provider)
        if transport is None:
            raise Gone(f"this server does not push by {payload.provider}")
        if self._sending[payload.user_id] >= _AT_ONCE_PER_USER:
            raise RetryLater("other pushes to the same user are on their way", 1)
        try:
            self._sending[payload.user_id] += 1
            try:
                await self._send(transport, token, payload, work)
            finally:
                self._sending[payload.user_id] -= 1
                self._sending += Counter()  # forgets those with none
        except PushGone as gone:
            self._reached(payload.provider, up=True)
            await self._end(work, payload, "gone", gone.reason, since=gone.since)
        except PushRefused as refused:
            self._reached(payload.provider, up=True)
            await self._end(work, payload, "failed", refused.reason)
        except PushDelayed as delayed:
            self._reached(payload.provider, up=not delayed.unreachable, reason=delayed.reason)
            await self._note(work, delayed.reason)
            where = payload.provider if delayed.unreachable else delayed.host
            # Not at once: most who do not answer do a second later.
            if (
                work.attempt > 1
                and where is not None
                and self._scouts.includes(where, work.job_id, for_ever=delayed.unreachable)
            ):
                raise RetryLater(delayed.reason, PAUSE) from delayed
            raise RetryLater(delayed.reason, _wait(delayed.after, work.attempt)) from delayed
        else:
            self._reached(payload.provider, up=True)
            if self._scouts.back(work.job_id):
                self._hurry_soon()
            await self._end(work, payload, "sent", None)

    async def _send(self, transport: PushTransport, token: Token, payload: Payload, work: Work) -> None:
        try:
            target = self._vault.target(token)
            content = self._vault.open_content(payload.sealed)
        except SealBroken as error:
            raise Gone("sealed with an unknown master key") from error
        push = Push(
            push_id=work.job_id,
            kind=content.kind,
            title=content.title,
            body=content.body,
            data=content.data,
            badge=await self._badges.unread(payload.user_id),
            written_at=work.due_at,
            expires_at=work.expires_at,
            urgent=content.urgent,
            quiet=content.quiet,
            topic=content.topic,
            repeat=work.attempt > 1,
        )
        await transport.send(target, push)

    async def _end(
        self, work: Work, payload: Payload, result: Result, error: str | None, *, since: int | None = None
    ) -> None:
        """Remove the job with what became of it."""
        now = self._clock.now()

        def end(tx: WriteTx) -> None:
            self._outbox.finish_in(tx, work)
            status: Literal["sent", "failed"] = "sent" if result == "sent" else "failed"
            store.mark_delivery(tx, work.job_id, status, work.attempt, error, now)
            if error is None:
                store.token_worked(tx, payload.token_id, now)
            elif result == "gone":
                store.deactivate(tx, payload.token_id, error, unless_after=since)
            else:
                store.token_failed(tx, payload.token_id, error)
            if error is not None:
                self._record_in(tx, payload, error)
            tx.after_commit(lambda: self._metrics.pushed(payload.provider, payload.kind, result))

        await self._database.write(end)

    async def _note(self, work: Work, reason: str) -> None:
        now = self._clock.now()
        await self._database.write(
            lambda tx: store.mark_delivery(tx, work.job_id, "queued", work.attempt, reason, now), brief=True
        )

    def _gave_up(self, tx: WriteTx, work: Work, ending: Ending, reason: str) -> None:
        payload = work.decode(Payload)
        store.mark_delivery(tx, work.job_id, ending, work.attempt, reason, self._clock.now())
        self._record_in(tx, payload, reason)
        tx.after_commit(lambda: self._metrics.pushed(payload.provider, payload.kind, ending))

    def _record_in(self, tx: WriteTx, payload: Payload, reason: str) -> None:
        """A call that could not ring is worth a record."""
        if payload.kind == "call":
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="call_push_failed",
                    result="failure",
                    reason=reason[:200],
                    actor_type="system",
                    target_type="user",
                    target_id=payload.user_id,
                    details={"provider": payload.provider},
                ),
            )

    def _reached(self, provider: Provider, *, up: bool, reason: str = "") -> None:
        """One line when a provider stops taking pushes, one when it takes them again."""
        if up and provider in self._down:
            duration = round(self._clock.monotonic() - self._down.pop(provider), 3)
            log.info("pushes go out again", dependency="push", provider=provider, duration_s=duration)
            self._hurry_soon()
        elif not up and provider not in self._down:
            self._down[provider] = self._clock.monotonic()
            log.warning("pushes do not go out", dependency="push", provider=provider, reason=reason)
        self._metrics.dependency("push", up=self.reachable)

    def _hurry_soon(self) -> None:
        if self._hurrying is None or self._hurrying.done():
            self._hurrying = asyncio.create_task(self._hurry(), name="pushes that waited")

    async def _hurry(self) -> None:
        with contextlib.suppress(ApiError):  # the store is away: they wait for their turns
            await self._outbox.hurry("push")


def _wait(after: float | None, attempt: int) -> float | None:
    """What the provider asks for, but not less than the usual back-off."""
    return None if after is None else max(after, min(_LONGEST, 2.0 ** min(attempt - 1, 16)))
