"""Letters on their way: sealed in the store, sent with one identity, counted at their end."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from secureconnect.features.mail.api import PasswordReset
from secureconnect.features.mail.service import MailService
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.mail.base import Mail, MailDelayed, MailRefused
from secureconnect.infra.outbox.relational import RelationalOutbox
from secureconnect.kit.principal import RequestContext
from tests.unit.auth.world import HERE, Time

TOKEN = "token-that-nobody-may-read"
LETTER = PasswordReset("anna", TOKEN, 3600)


class Transport:
    """Takes mails, or says what the next attempts get instead."""

    def __init__(self) -> None:
        self.attempts: list[Mail] = []
        self.trouble: list[Exception] = []

    async def send(self, mail: Mail) -> None:
        self.attempts.append(mail)
        if self.trouble:
            raise self.trouble.pop(0)

    async def forget(self, address: str, /) -> int:
        return 0

    async def ping(self) -> float | None:
        if self.trouble:
            raise self.trouble.pop(0)
        return 0.01


class Metrics:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.ends: Counter[tuple[str, str]] = Counter()
        self.up: list[bool] = []

    def emailed(self, kind: str, result: str) -> None:
        self.ends[kind, result] += 1

    def dependency(self, name: str, *, up: bool) -> None:
        assert name == "mail"
        self.up.append(up)

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None:
        """Not looked at here."""


class Office:
    """A mail service over a real store, with the keys that it had when it was opened."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clock = Time()
        self.metrics = Metrics()
        self.transport = Transport()
        self.sealer = Sealer(os.urandom(32))
        self.outbox = RelationalOutbox(
            database, self.clock, self.metrics, alone=True, poll=3600, chance=lambda: 0.5
        )
        self.mail = self.service(self.sealer)

    def service(self, sealer: Sealer, ask_every: float = 3600) -> MailService:
        return MailService(
            self.database,
            self.outbox,
            self.transport,
            self.clock,
            self.metrics,
            seal=sealer.seal,
            unseal=sealer.open,
            public_url="https://chat.example.test",
            max_age=259_200,
            ask_every=ask_every,
        )

    async def open(self) -> None:
        await self.mail.start()
        await self.outbox.start()

    async def write(self, good_for: int | None = None) -> None:
        await self.database.write(
            lambda tx: self.mail.send_in(tx, "anna@example.test", LETTER, good_for=good_for)
        )

    async def counted(self, kind: str, result: str) -> None:
        await until(lambda: _is(self.metrics.ends[kind, result] == 1))

    async def nothing_waits(self) -> bool:
        (mail,) = [queue for queue in await self.outbox.queues() if queue.kind == "mail"]
        return mail.pending == 0

    def pass_time(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)
        self.outbox.wake("mail")


async def _is(value: bool) -> bool:
    return value


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the condition lives in the store
            await asyncio.sleep(0.005)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=[METADATA.tables["outbox"]]))
    made = Office(database)
    yield made
    await made.outbox.stop()
    await database.close()


async def test_a_letter_is_sent_once(office: Office) -> None:
    await office.open()
    await office.write()
    await office.counted("password_reset", "sent")
    (mail,) = office.transport.attempts
    assert (mail.to, mail.subject, mail.written_at) == (
        "anna@example.test",
        "Set a new password",
        office.clock.now(),
    )
    assert f"https://chat.example.test/reset-password?token={TOKEN}" in mail.text
    await until(office.nothing_waits)
    assert office.metrics.up == [True]


async def test_a_server_that_is_back_gets_what_waited_at_once(office: Office) -> None:
    """It is asked while it is away; nobody waits for the next turn of a mail."""
    away = MailDelayed("away", unreachable=True)
    office.transport.trouble = [away, away, away]
    office.mail = office.service(office.sealer, ask_every=0.001)
    await office.open()
    await office.write()
    await office.counted("password_reset", "sent")
    assert len(office.transport.attempts) == 2
    assert office.metrics.up == [False, True, True]
    await until(office.nothing_waits)
    await office.mail.stop()


async def test_nothing_of_a_letter_can_be_read_in_the_store(office: Office) -> None:
    await office.write()
    content = b"".join(path.read_bytes() for path in office.database.path.parent.iterdir())
    assert b"password_reset" in content  # which text it is tells the operator what waits
    for secret in (TOKEN, "anna", "example.test"):
        assert secret.encode() not in content


async def test_every_attempt_is_the_same_mail(office: Office) -> None:
    office.transport.trouble = [MailDelayed("away", unreachable=True)] * 2
    await office.open()
    await office.write()
    for attempts, wait in ((1, 1), (2, 2)):
        await until(lambda n=attempts: _is(len(office.transport.attempts) == n))  # type: ignore[misc]
        assert not office.mail.reachable or attempts > 1
        await until(lambda: _postponed(office))
        office.pass_time(wait)
    await office.counted("password_reset", "sent")
    assert len(set(office.transport.attempts)) == 1
    assert office.metrics.up == [False, False, True]
    assert office.mail.reachable


async def _postponed(office: Office) -> bool:
    rows = await office.database.read(
        lambda conn: conn.exec_driver_sql("SELECT lease_until FROM outbox").scalars().all()
    )
    return rows == [None]


async def test_a_refused_mail_is_not_tried_again(office: Office) -> None:
    office.transport.trouble = [MailRefused("the server answered 550")]
    await office.open()
    await office.write()
    await office.counted("password_reset", "failed")
    assert len(office.transport.attempts) == 1
    assert office.metrics.up == [True]


async def test_a_letter_that_is_of_no_use_any_more_is_not_sent(office: Office) -> None:
    await office.write(good_for=3600)
    office.clock.move(seconds=3600)
    await office.open()
    await office.counted("password_reset", "expired")
    assert office.transport.attempts == []


async def test_a_letter_under_a_lost_key_is_given_up(office: Office) -> None:
    await office.write()
    office.mail = office.service(Sealer(os.urandom(32)))
    await office.open()
    await office.counted("password_reset", "failed")
    assert office.transport.attempts == []


async def test_what_is_prepared_later_is_prepared_exactly_once(office: Office) -> None:
    """With the effect of the preparation the job is gone: a crash in between cannot repeat it."""
    prepared: list[tuple[str, RequestContext]] = []

    def prepare(tx: WriteTx, address: str, context: RequestContext) -> None:
        office.mail.send_in(tx, address, LETTER)
        tx.after_commit(lambda: prepared.append((address, context)))

    office.mail.prepares("password_reset", prepare)
    await office.open()
    await office.database.write(
        lambda tx: office.mail.prepare_in(tx, "password_reset", "anna@example.test", HERE)
    )
    office.pass_time(1)
    await office.counted("password_reset", "sent")
    assert prepared == [("anna@example.test", HERE)]
    await until(office.nothing_waits)


async def test_whether_the_server_is_there_can_be_asked(office: Office) -> None:
    assert await office.mail.ping() == 0.01
    office.transport.trouble = [MailDelayed("ConnectionRefusedError", unreachable=True)]
    with pytest.raises(OSError, match="ConnectionRefusedError"):
        await office.mail.ping()
