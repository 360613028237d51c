"""Letters on their way: sealed into the outbox, filled in and handed over, counted."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from secureconnect.features.mail.api import Letter, Preparer, Preparing
from secureconnect.features.mail.service.rendering import render, template
from secureconnect.infra.crypto.sealing import SealBroken
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.mail.base import Mail, MailDelayed, MailRefused, MailTransport
from secureconnect.infra.outbox.base import Ending, Gone, Job, Outbox, RetryLater, Work
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import RequestContext

__all__ = ["MailMetrics", "MailService"]

log = get_logger()

_SEALED_AS = "outbox mail"
_AT_ONCE = 8
#: A domain that never exists (RFC 2606): accounts without an address have one there.
_NOWHERE = ".invalid"
_TIMEOUT = 30.0
_PREPARED_WITHIN = 1.0
_ASK_WITHIN = 5.0


class MailMetrics(Protocol):
    """Counts mails."""

    def emailed(self, kind: str, result: Literal["sent", "failed", "expired"]) -> None:
        """One mail came to its end."""

    def dependency(self, name: str, *, up: bool) -> None:
        """Whether the server takes mails."""


class _Payload(msgspec.Struct):
    """What the outbox stores: which text, and the rest encrypted, for it holds addresses and tokens."""

    template: str
    sealed: bytes


class _Ready(msgspec.Struct, tag="ready"):
    to: str
    written_at: int
    letter: Letter


class _ToPrepare(msgspec.Struct, tag="prepare"):
    what: Preparing
    address: str
    context: RequestContext


_inside = msgspec.json.Decoder(_Ready | _ToPrepare)


class MailService:
    """Implements `mail.api.Mailer`, and does the `mail` jobs of the outbox.

    Args:
        seal, unseal: encrypt and decrypt under the master key; the second argument names the place.
        public_url: what links begin with.
        max_age: seconds after which an undelivered mail is given up.
        ask_every: seconds after which a server that was away is asked whether it is back.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        transport: MailTransport,
        clock: Clock,
        metrics: MailMetrics,
        *,
        seal: Callable[[bytes, str], bytes],
        unseal: Callable[[bytes, str], bytes],
        public_url: str,
        max_age: int,
        ask_every: float = 2.0,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._metrics = metrics
        self._seal = seal
        self._unseal = unseal
        self._public_url = public_url
        self._max_age = max_age
        self._ask_every = ask_every
        self._preparers: dict[Preparing, Preparer] = {}
        self._down_since: float | None = None
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the jobs of the outbox, which starts after this."""
        self._outbox.handle("mail", self._handle, at_once=_AT_ONCE, timeout=_TIMEOUT, gave_up=self._gave_up)

    async def stop(self) -> None:
        """Ask no more whether the server is back."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    @property
    def reachable(self) -> bool:
        """Whether the last attempt reached the server; True before the first."""
        return self._down_since is None

    async def ping(self) -> float | None:
        """Seconds that the server took to greet us, None where mails go into files.

        Raises:
            OSError: it does not answer, or does not let us in.
        """
        try:
            return await self._transport.ping()
        except MailDelayed as error:
            raise OSError(error.reason) from error

    def send_in(self, tx: WriteTx, to: str, letter: Letter, *, good_for: int | None = None) -> None:
        if to.lower().endswith(_NOWHERE):
            return
        ready = _Ready(to, self._clock.now(), letter)
        self._enqueue_in(tx, template(letter), ready, min(self._max_age, good_for or self._max_age))

    def prepare_in(self, tx: WriteTx, what: Preparing, address: str, context: RequestContext) -> None:
        # Whether there is much to do then must not show in what else the server answers right after this.
        delay = random.random() * _PREPARED_WITHIN  # noqa: S311 - spread, not secrecy
        self._enqueue_in(tx, what, _ToPrepare(what, address, context), self._max_age, delay=delay)

    def prepares(self, what: Preparing, preparer: Preparer) -> None:
        assert what not in self._preparers, f"{what} has a preparer"
        self._preparers[what] = preparer

    async def forget(self, address: str) -> int:
        """Drop what waits for this address, and what lies in the directory of mails; returns how many."""
        dropped = await self._outbox.discard("mail", lambda payload: self._is_for(address, payload))
        return dropped + await self._transport.forget(address)

    def _is_for(self, address: str, payload: bytes) -> bool:
        try:
            sealed = msgspec.json.decode(payload, type=_Payload).sealed
            inside = _inside.decode(self._unseal(sealed, _SEALED_AS))
        except SealBroken:
            return False
        to = inside.to if isinstance(inside, _Ready) else inside.address
        return to.lower() == address.lower()

    def _enqueue_in(
        self, tx: WriteTx, name: str, inside: _Ready | _ToPrepare, max_age: int, *, delay: float = 0
    ) -> None:
        sealed = self._seal(msgspec.json.encode(inside), _SEALED_AS)
        self._outbox.enqueue_in(tx, Job("mail", _Payload(name, sealed), delay=delay, max_age=max_age))

    async def _handle(self, work: Work) -> None:
        payload = work.decode(_Payload)
        try:
            inside = _inside.decode(self._unseal(payload.sealed, _SEALED_AS))
        except SealBroken as error:
            raise Gone("sealed with an unknown master key") from error
        if isinstance(inside, _ToPrepare):
            await self._prepare(work, inside)
            return
        rendered = render(inside.letter, public_url=self._public_url)
        mail = Mail(
            mail_id=work.job_id,
            to=inside.to,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            written_at=inside.written_at,
        )
        try:
            await self._transport.send(mail)
        except MailRefused as error:
            self._reached(up=True)
            raise Gone(error.reason) from error
        except MailDelayed as error:
            self._reached(up=not error.unreachable, reason=error.reason)
            raise RetryLater(error.reason) from error
        self._reached(up=True)
        self._metrics.emailed(payload.template, "sent")

    async def _prepare(self, work: Work, asked: _ToPrepare) -> None:
        def once(tx: WriteTx) -> None:
            self._outbox.finish_in(tx, work)
            self._preparers[asked.what](tx, asked.address, asked.context)

        await self._database.write(once)

    def _gave_up(self, tx: WriteTx, work: Work, ending: Ending, _: str) -> None:
        name = work.decode(_Payload).template
        tx.after_commit(lambda: self._metrics.emailed(name, ending))

    def _reached(self, *, up: bool, reason: str = "") -> None:
        """One line when the server stops taking mails, one when it takes them again."""
        if up and self._down_since is not None:
            duration = round(self._clock.monotonic() - self._down_since, 3)
            self._down_since = None
            log.info("mail goes out again", dependency="mail", duration_s=duration)
        elif not up and self._down_since is None:
            self._down_since = self._clock.monotonic()
            log.warning("mail does not go out", dependency="mail", reason=reason)
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._until_back(), name="mail probe")
        self._metrics.dependency("mail", up=up)

    async def _until_back(self) -> None:
        """Ask until the server takes mails again; then those that waited do not wait for their next turn."""
        hurried = False
        while not hurried or self._down_since is not None:
            await asyncio.sleep(self._ask_every)
            # Not now: the server, or the store of what waits.
            with contextlib.suppress(MailDelayed, TimeoutError, ApiError):
                async with asyncio.timeout(_ASK_WITHIN):
                    await self._transport.ping()
                self._reached(up=True)
                await self._outbox.hurry("mail")
                hurried = True
