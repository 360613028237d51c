"""How long what a device says holds: with sockets until some time after the last one, else for a while."""

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.presence.rules import PresenceTimes
from secureconnect.features.presence.service import SOCKET_TTL, PresenceService
from secureconnect.features.users.api import Status
from secureconnect.kit.principal import Principal

__all__ = ["Lifetimes"]

_REPEAT = SOCKET_TTL / 3

_Key = tuple[str, str]  # user id, session id: one device


class _Connected:
    """A device with sockets in this process, or within the grace after its last one."""

    __slots__ = ("_owner", "due_tick", "key", "sockets")

    def __init__(self, owner: "Lifetimes", key: _Key) -> None:
        self._owner = owner
        self.key = key
        self.sockets = 0
        self.due_tick = -1

    def due(self) -> None:
        self._owner.repeat_or_leave(self)


class _Said:
    """What a device said over HTTP, until it holds no more."""

    __slots__ = ("_owner", "due_tick", "key")

    def __init__(self, owner: "Lifetimes", key: _Key) -> None:
        self._owner = owner
        self.key = key
        self.due_tick = -1

    def due(self) -> None:
        self._owner.run_out(self)


class Lifetimes:
    """Follows the sockets of this process and what was said to it over HTTP."""

    def __init__(
        self, presence: PresenceService, timers: Timers, background: Background, times: PresenceTimes
    ) -> None:
        self._presence = presence
        self._timers = timers
        self._background = background
        self._times = times
        self._connected: dict[_Key, _Connected] = {}
        self._said: dict[_Key, _Said] = {}

    # Sockets

    def opened(self, user_id: str, session: Session) -> None:
        """A socket opened: its device is online, unless it came back in time and had said something else."""
        key = (user_id, session.principal.session_id)
        device = self._connected.get(key)
        if device is None:
            device = self._connected[key] = _Connected(self, key)
        device.sockets += 1
        session.on_close(self._closed)
        if device.sockets == 1:
            self._repeat(device)

    def repeat_or_leave(self, device: _Connected) -> None:
        """A device with sockets says again that it is there; one without is offline now."""
        if device.sockets:
            self._repeat(device)
        else:
            del self._connected[device.key]
            self._background.start(self._presence.disconnected(*device.key))

    def _closed(self, session: Session, _code: int) -> None:
        device = self._connected[session.principal.user_id, session.principal.session_id]
        device.sockets -= 1
        if device.sockets == 0:
            self._timers.wake(device, self._times.offline_grace)

    def _repeat(self, device: _Connected) -> None:
        self._timers.wake(device, _REPEAT)
        self._background.start(self._presence.connected(*device.key))

    # HTTP

    async def say(self, caller: Principal, status: Status, text: str | None) -> Status:
        """What the caller's device says over HTTP, for `presence.ttl` seconds; returns its effect."""
        effective = await self._presence.say(caller, status, text, socket=False)
        key = (caller.user_id, caller.session_id)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _Said(self, key)
        self._timers.wake(said, self._times.ttl)
        return effective

    async def clear(self, caller: Principal) -> Status:
        """Take back what the caller's device said; returns the effective status."""
        self._forget((caller.user_id, caller.session_id))
        return await self._presence.clear(caller.user_id, caller.session_id)

    def session_ended(self, user_id: str, session_id: str) -> None:
        """The session is over: what it said over HTTP ends now. Its sockets are closed by others."""
        if self._forget((user_id, session_id)):
            self._background.start(self._presence.clear(user_id, session_id))

    def run_out(self, said: _Said) -> None:
        """The device did not repeat itself in time."""
        del self._said[said.key]
        self._presence.expired(said.key[0])

    def _forget(self, key: _Key) -> bool:
        said = self._said.pop(key, None)
        if said is not None:
            self._timers.forget(said)
        return said is not None
