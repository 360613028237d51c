"""Pushes over a real embedded store, with providers and sessions that tests play."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from secureconnect.features.audit.api import AuditEntry
from secureconnect.features.notifications.api import Notice
from secureconnect.features.push import store
from secureconnect.features.push.api import Provider
from secureconnect.features.push.rules import PushLimits
from secureconnect.features.push.service import Deliverer, Devices, PushQueue, Receipts
from secureconnect.features.push.service.devices import Device
from secureconnect.features.push.service.secrecy import Vault
from secureconnect.features.push.store import Delivery, Token
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.outbox.relational import RelationalOutbox
from secureconnect.infra.push.base import Push, PushTransport, Target, TargetFault
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal
from tests.unit.auth.world import Time

__all__ = ["Provided", "World", "device", "notice", "until", "world"]


class Provided:
    """A provider that takes pushes, or does first what a test wants."""

    def __init__(self) -> None:
        self.sent: list[tuple[Target, Push]] = []
        self.trouble: list[Exception] = []
        self.fault: TargetFault | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0

    async def check(self, target: Target) -> None:
        if self.fault is not None:
            raise self.fault

    async def send(self, target: Target, push: Push) -> None:
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        if self.trouble:
            raise self.trouble.pop(0)
        self.sent.append((target, push))

    async def close(self) -> None:
        self.open.set()


class Metrics:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.ends: Counter[tuple[str, str, str]] = Counter()
        self.up = True

    def pushed(self, provider: str, kind: str, result: str) -> None:
        self.ends[provider, kind, result] += 1

    def dependency(self, name: str, *, up: bool) -> None:
        assert name == "push"
        self.up = up

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None:
        """Not looked at here."""


class World:
    """The feature, with `fcm` and `webpush` there and `apns` missing."""

    def __init__(self, database: SqliteDatabase, limits: PushLimits) -> None:
        self.database = database
        self.clock = Time()
        self.metrics = Metrics()
        self.sealer = Sealer(os.urandom(32))
        self.vault = Vault(self.sealer.seal, self.sealer.open)
        self.outbox = RelationalOutbox(
            database, self.clock, self.metrics, alone=True, poll=3600, chance=lambda: 0.5
        )
        self.fcm, self.webpush = Provided(), Provided()
        transports: dict[Provider, PushTransport] = {"fcm": self.fcm, "webpush": self.webpush}
        self.ended: set[str] = set()
        self.sessions: dict[str, list[str]] = {}
        self.badge = 7
        self.audited: list[AuditEntry] = []
        self.devices = Devices(database, self.vault, transports, self.clock, limits)
        self.queue = PushQueue(database, self.outbox, self.vault, self, self.clock, limits)
        self.deliverer = Deliverer(
            database, self.outbox, self.vault, transports, self, self, self.metrics, self.clock
        )
        self.receipts = Receipts(database, self.clock, limits)

    def live_in(self, conn: Connection, user_id: str, now: int) -> Collection[str]:
        return set(self.sessions.get(user_id, [])) - self.ended

    async def unread(self, user_id: str) -> int:
        return self.badge

    def record_in(self, tx: WriteTx, entry: AuditEntry) -> None:
        tx.after_commit(lambda: self.audited.append(entry))

    def record(self, entry: AuditEntry) -> None:
        self.audited.append(entry)

    def person(self, user_id: str | None = None) -> Principal:
        """Somebody in a session."""
        user_id, session_id = user_id or new_id(), new_id()
        self.sessions.setdefault(user_id, []).append(session_id)
        return Principal(user_id=user_id, session_id=session_id, role="user", jti=new_id(), expires_at=2**53)

    async def push(
        self, to: Principal, preview: str | None = None, entry: str | None = None, **more: Any
    ) -> bool:
        """Tell somebody of something."""
        entry = entry or new_id()
        return await self.database.write(
            lambda tx: self.queue.push_in(tx, notice(to.user_id, **more), entry, preview=preview)
        )

    async def tokens(self, of: Principal) -> list[Token]:
        return await self.devices.list(of)

    async def deliveries(self, of: Principal) -> list[Delivery]:
        return await self.database.read(
            lambda conn: store.list_deliveries(conn, of.user_id, before=None, limit=100)
        )

    async def ends(self, result: str, count: int = 1) -> None:
        """Return once so many pushes ended like this."""

        async def counted() -> bool:
            return sum(n for key, n in self.metrics.ends.items() if key[2] == result) >= count

        await until(counted)

    async def status(self, of: Principal, status: str) -> Delivery:
        """The newest delivery, once it stands like this."""
        async with asyncio.timeout(10):
            while True:
                found = await self.deliveries(of)
                if found and found[0].status == status:
                    return found[0]
                await asyncio.sleep(0.005)

    def pass_time(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)
        self.outbox.wake("push")


def device(token: str = "registration-token-0123456789", provider: Provider = "fcm", **more: Any) -> Device:
    values: dict[str, Any] = {
        "provider": provider,
        "token": token,
        "device_id": None,
        "platform": None,
        "p256dh": b"P" * 65,
        "auth": b"A" * 16,
        **more,
    }
    return Device(**values)


def notice(user_id: str, **more: Any) -> Notice:
    values: dict[str, Any] = {
        "user_id": user_id,
        "type": "message",
        "title": "Secret club",
        "body": "New message from Anna",
        "data": {"conversation_id": "c1"},
        **more,
    }
    return Notice(**values)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the condition lives in the store
            await asyncio.sleep(0.005)


@asynccontextmanager
async def world(
    path: Path, *, running: bool = True, max_tokens: int = 20, max_age: int = 86_400
) -> AsyncIterator[World]:
    """A fresh one; with `running` its outbox does jobs."""
    database = open_sqlite(path / "secureconnect.db")
    tables = [METADATA.tables[name] for name in ("outbox", "push_tokens", "push_deliveries")]
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=tables))
    made = World(database, PushLimits(max_tokens, max_age, 180, 7))
    await made.deliverer.start()
    if running:
        await made.outbox.start()
    yield made
    await made.outbox.stop()
    await made.deliverer.stop()
    await database.close()
