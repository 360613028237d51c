"""Keeps one socket open: connect, serve, find out why it ended, wait, again."""

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from secureconnect.client.credentials import Credentials
from secureconnect.client.errors import (
    ApiFailure,
    ClientError,
    ConnectionLost,
    SocketClosed,
)
from secureconnect.client.models.base import Model
from secureconnect.client.retry import Backoff
from secureconnect.client.socket import ChatSocket
from secureconnect.client.verdict import Action, Verdict, after_close, after_refusal

__all__ = ["ConnectionChanged", "ConnectionState", "Link", "Reconnector"]

#: An at-once reconnect that fails again this soon (seconds) is followed by a back-off: no hot loop.
_HASTY = 1.0


class ConnectionState(enum.Enum):
    """Where the connection is."""

    IDLE = "idle"  # not started
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"  # before the next attempt
    STOPPED = "stopped"  # closed, or refused for good


class ConnectionChanged(Model, frozen=True, kw_only=True):
    """The connection went into another state; `reason` is why the last one ended, `retry_in` in seconds."""

    state: ConnectionState
    reason: str | None = None
    retry_in: float | None = None


class Link(Protocol):
    """What one connection does."""

    @property
    def token(self) -> str:
        """The access token that the latest attempt used."""

    async def connect(self) -> ChatSocket:
        """Open a socket and get it ready. Raises ClientError."""

    async def serve(self, socket: ChatSocket) -> SocketClosed:
        """Use it until it ends. Raises ClientError."""


class Reconnector:
    """Runs a link until it must stop.

    Args:
        link: connects and serves.
        credentials: renews the token after 4002.
        backoff: the delays of `Action.WAIT`.
        changed: told about every state.
        sleep, monotonic: time; for tests.
    """

    def __init__(
        self,
        link: Link,
        *,
        credentials: Credentials,
        backoff: Backoff,
        changed: Callable[[ConnectionChanged], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._credentials = credentials
        self._backoff = backoff
        self._changed = changed
        self._sleep = sleep
        self._monotonic = monotonic
        self._stopping = False

    def stop(self) -> None:
        """Do not come back after the current connection."""
        self._stopping = True

    async def run(self) -> ClientError:
        """Return the reason: the server forbids to come back, only the user can help, or `stop`."""
        immediate = False
        while True:
            self._changed(ConnectionChanged(state=ConnectionState.CONNECTING))
            verdict, lived = await self._one()
            if self._stopping:
                return verdict.error
            if verdict.action is Action.REFRESH:
                verdict = await self._refresh(verdict)
            if verdict.action is Action.STOP:
                return verdict.error
            hasty = immediate and lived < _HASTY
            immediate = verdict.action is Action.AT_ONCE
            if immediate and not hasty:
                continue
            pause = self._backoff.next() if verdict.pause is None else verdict.pause
            self._changed(
                ConnectionChanged(state=ConnectionState.WAITING, reason=str(verdict.error), retry_in=pause)
            )
            await self._sleep(pause)

    async def _one(self) -> tuple[Verdict, float]:
        try:
            socket = await self._link.connect()
        except ClientError as error:
            return after_refusal(error), 0
        opened = self._monotonic()
        self._changed(ConnectionChanged(state=ConnectionState.CONNECTED))
        try:
            verdict = after_close(await self._link.serve(socket))
        except ClientError as error:
            verdict = after_refusal(error)
        lived = self._monotonic() - opened
        self._backoff.lived(lived)
        return verdict, lived

    async def _refresh(self, verdict: Verdict) -> Verdict:
        try:
            await self._credentials.renew(self._link.token)
        except ConnectionLost as error:
            return Verdict(Action.WAIT, error)
        except ApiFailure as error:
            return Verdict(Action.WAIT if error.transient else Action.STOP, error, error.retry_after)
        except ClientError as error:
            return Verdict(Action.STOP, error)
        return Verdict(Action.AT_ONCE, verdict.error)
