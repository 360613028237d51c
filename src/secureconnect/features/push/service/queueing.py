"""Pushes that follow from what happened: queued in its transaction, one for each device."""

from collections.abc import Callable, Collection
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from secureconnect.features.notifications.api import Notice
from secureconnect.features.push import store
from secureconnect.features.push.api import Provider, PushKind, Ring
from secureconnect.features.push.rules import (
    RING_SECONDS,
    Content,
    PushLimits,
    of_hush,
    of_notice,
    of_ring,
    of_test,
)
from secureconnect.features.push.service.secrecy import Vault
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Job, Outbox
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal

__all__ = ["LoggedIn", "Payload", "PushQueue"]


class Payload(msgspec.Struct):
    """What the outbox stores: to which device, and, sealed, what to say."""

    user_id: str
    token_id: str
    provider: Provider
    kind: PushKind
    sealed: bytes


class LoggedIn(Protocol):
    """Who is logged in; `sessions` knows."""

    def live_in(self, conn: Connection, user_id: str, now: int) -> Collection[str]:
        """The ids of the user's live sessions."""


class PushQueue:
    """Implements `notifications.api.Pushes` and `push.api.RingingPushes`.

    A push is a job of the outbox, whose id is also that of the delivery. While one waits, a later push of the
    same entry to the same device takes its place.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        vault: Vault,
        sessions: LoggedIn,
        clock: Clock,
        limits: PushLimits,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._vault = vault
        self._sessions = sessions
        self._clock = clock
        self._limits = limits

    def push_in(self, tx: WriteTx, notice: Notice, notification_id: str, *, preview: str | None) -> bool:
        queued = self._queue_in(
            tx,
            notice.user_id,
            lambda: of_notice(notice, notification_id, preview),
            max_age=self._limits.max_age,
        )
        return queued > 0

    def ring_in(self, tx: WriteTx, ring: Ring) -> bool:
        max_age = min(RING_SECONDS, self._limits.max_age)
        return self._queue_in(tx, ring.user_id, lambda: of_ring(ring), max_age=max_age) > 0

    def hush_in(self, tx: WriteTx, ring: Ring) -> bool:
        max_age = min(RING_SECONDS, self._limits.max_age)
        return self._queue_in(tx, ring.user_id, lambda: of_hush(ring), max_age=max_age) > 0

    async def test(self, caller: Principal, title: str, body: str) -> int:
        """Push this to the caller's own devices; returns how many there are.

        Raises:
            ApiError: `NOT_FOUND` without any.
        """
        content = of_test(title, body)

        def work(tx: WriteTx) -> int:
            queued = self._queue_in(tx, caller.user_id, lambda: content, max_age=self._limits.max_age)
            if not queued:
                raise ApiError(ErrorCode.NOT_FOUND, "No device of yours takes pushes.")
            return queued

        return await self._database.write(work)

    def _queue_in(self, tx: WriteTx, user_id: str, content: Callable[[], Content], *, max_age: int) -> int:
        tokens = store.active_tokens(tx, user_id)
        if not tokens:  # of most who are told of something
            return 0
        now = self._clock.now()
        live = self._sessions.live_in(tx.conn, user_id, now)
        said = content()
        sealed = self._vault.content(said)
        queued = 0
        for token_id, provider, session_id in tokens:
            if session_id in live:
                payload = Payload(user_id, token_id, provider, said.kind, sealed)
                key = f"push:{said.topic}:{token_id}" if said.topic is not None else None
                job = Job("push", payload, dedup_key=key, max_age=max_age)
                delivery_id = self._outbox.enqueue_in(tx, job)
                store.queue_delivery(tx, delivery_id, user_id, token_id, said.kind, now)
                queued += 1
        return queued
