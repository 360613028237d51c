"""Commands on a socket: the registry, and their execution in order
(docs/reference/realtime.md §2, §4, §8).
"""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from secureconnect.edge.validation import decode
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal, RequestContext

if TYPE_CHECKING:
    from secureconnect.edge.realtime.session.chat import Session

__all__ = [
    "BUILT_IN",
    "Ack",
    "Command",
    "CommandContext",
    "CommandLimits",
    "CommandQueue",
    "Commands",
    "Job",
    "Runner",
]

#: Fields of the `ack`, without `type` and `ref`.
Ack = Mapping[str, Any] | msgspec.Struct | None

#: Unfinished commands of one socket before reading pauses (§8).
MAX_UNFINISHED = 64

#: Commands that the socket answers by itself; no feature may register them.
BUILT_IN = ("hello", "ping", "token_refresh")

#: Commands that concern no conversation keep their order among themselves.
_APART = ""


class CommandContext(NamedTuple):
    """Who sent a command, on which socket, and what answers it."""

    principal: Principal
    session: "Session"
    ref: str | None

    @property
    def connection_id(self) -> str:
        """The socket's id, as in its `welcome`."""
        return self.session.connection_id

    @property
    def request(self) -> RequestContext:
        """Where the socket came from, for audit records."""
        return self.session.request


class Command(NamedTuple):
    """One command that a feature offers.

    `body` is the msgspec Struct of its fields (unknown ones, `type` and `ref` are ignored), or None when it
    has none. The handler gets the socket's context (`CommandContext` on a chat socket) and the decoded body,
    returns the fields of the `ack`, and raises ApiError to refuse.

    `ack` is the Struct of the `ack`'s fields, None when it has none; it is what clients are told.

    `rate_row` is the row of the equal HTTP route; the socket shares its write counter.
    `scope` is what a bot token needs; None means that bots are refused, "" that any caller may.

    `conversation_of` tells from the body whose order the command keeps. Without it the command concerns no
    conversation. When it returns None, the conversation is not known yet (say, only a message id is): the
    command then waits for all earlier ones of this socket, and later ones wait for it.
    """

    name: str
    body: type[msgspec.Struct] | None
    handler: Callable[[Any, Any], Awaitable[Ack]]
    rate_row: str | None = None
    conversation_of: Callable[[Any], str | None] | None = None
    scope: str | None = None
    ack: type[msgspec.Struct] | None = None


class CommandLimits(Protocol):
    """The rate limits of HTTP."""

    async def check(self, row: str | None, key: str, *, write: bool) -> None:
        """Count one request. Raises ApiError `RATE_LIMIT_EXCEEDED`."""


class Commands:
    """All commands of the chat socket, by name. Names are unique."""

    __slots__ = ("_by_name",)

    def __init__(self, commands: Iterable[Command] = ()) -> None:
        self._by_name: dict[str, Command] = {}
        for command in commands:
            if command.name in self._by_name or command.name in BUILT_IN:
                raise ValueError(f"two commands are called {command.name}")
            self._by_name[command.name] = command

    def get(self, name: str) -> Command | None:
        """The command called `name`."""
        return self._by_name.get(name)

    def names(self) -> tuple[str, ...]:
        """In the order of registration."""
        return tuple(self._by_name)


class Job(NamedTuple):
    """A command that was read and waits for its turn. `fault` is what is wrong with its fields: it is
    reported after the rate limit was counted, as HTTP does (docs/reference/conventions.md §3.7)."""

    command: Command
    ref: str | None
    body: Any
    fault: ApiError | None


class Runner(Protocol):
    """What a queue needs from its socket; neither call raises."""

    async def execute(self, job: Job) -> None:
        """Run `job` and answer it."""

    def start(self, work: Coroutine[Any, Any, None]) -> object:
        """Run a coroutine in the background."""

    def congested(self, full: bool) -> None:
        """Too many commands are unfinished; or no longer."""


class CommandQueue:
    """The unfinished commands of one socket.

    Commands of one conversation run one after the other, those of different conversations side by side. One
    whose conversation is unknown runs alone.
    """

    __slots__ = ("_alone", "_blocked", "_full", "_lanes", "_runner", "_unfinished")

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lanes: dict[str, deque[Job]] = {}
        self._blocked: deque[tuple[str | None, Job]] = deque()
        self._alone = False
        self._full = False
        self._unfinished = 0

    def __len__(self) -> int:
        return self._unfinished

    def put(self, command: Command, ref: str | None, raw: dict[str, Any]) -> None:
        """Decode the fields of a command and run it when its turn comes."""
        body: Any = None
        fault: ApiError | None = None
        key: str | None = _APART
        try:
            if command.body is not None:
                body = decode(command.body, raw)
            if command.conversation_of is not None:
                key = command.conversation_of(body)
        except ApiError as error:
            fault = error
        self._unfinished += 1
        job = Job(command, ref, body, fault)
        if self._unfinished >= MAX_UNFINISHED and not self._full:
            self._full = True
            self._runner.congested(True)
        if key == _APART or not (key is None or self._alone or self._blocked):
            self._enter(key or _APART, job)
        else:
            self._blocked.append((key, job))
            self._unblock()

    def clear(self) -> None:
        """Forget what has not begun; the socket lost its right to it."""
        self._unfinished -= len(self._blocked)
        self._blocked.clear()
        for lane in self._lanes.values():
            while len(lane) > 1:
                lane.pop()
                self._unfinished -= 1

    def _enter(self, key: str, job: Job) -> None:
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(job)
            return
        lane = self._lanes[key] = deque((job,))
        self._runner.start(self._run(key, lane))

    async def _run(self, key: str, lane: deque[Job]) -> None:
        try:
            while lane:
                await self._runner.execute(lane[0])
                lane.popleft()
                self._finished()
        finally:
            del self._lanes[key]
            if self._blocked:
                self._unblock()

    async def _run_alone(self, job: Job) -> None:
        try:
            await self._runner.execute(job)
            self._finished()
        finally:
            self._alone = False
            self._unblock()

    def _unblock(self) -> None:
        while self._blocked and not self._alone:
            key, job = self._blocked[0]
            if key is not None:
                self._blocked.popleft()
                self._enter(key, job)
            elif not self._lanes.keys() - {_APART}:
                self._blocked.popleft()
                self._alone = True
                self._runner.start(self._run_alone(job))
            else:
                return

    def _finished(self) -> None:
        self._unfinished -= 1
        if self._full and self._unfinished < MAX_UNFINISHED:
            self._full = False
            self._runner.congested(False)
