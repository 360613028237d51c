"""Setting one's own presence and reading that of others."""

import asyncio
from collections.abc import Collection, Mapping
from weakref import WeakValueDictionary

from msgspec import Struct

from secureconnect.features.presence.rules import Device, PresenceTimes, View, effective, here_for, view_of
from secureconnect.features.presence.service.devices import Devices
from secureconnect.features.presence.service.relations import Relations
from secureconnect.features.users.api import Status, Users
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.hints import CONTROL, PresenceChanged
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.principal import Principal

__all__ = ["SOCKET_TTL", "PresenceService", "UserPresence"]

#: A device with a socket repeats itself three times in this many seconds.
SOCKET_TTL = 90.0


class UserPresence(Struct, frozen=True):
    """The presence of one user. `last_seen_at` is given only for users that are offline."""

    user_id: Id
    status: Status
    status_text: str | None
    last_seen_at: Time | None


class PresenceService:
    """What devices say and what others see of it. Implements `users.api.Statuses`, and for administration
    tells who is here, whoever may see it.

    Changes of one user happen one after the other; every change of what others see is told on the bus.
    """

    def __init__(
        self,
        devices: Devices,
        relations: Relations,
        users: Users,
        bus: Bus,
        clock: Clock,
        times: PresenceTimes,
    ) -> None:
        self._devices = devices
        self._relations = relations
        self._users = users
        self._bus = bus
        self._clock = clock
        self._times = times
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # Reading

    async def visible(self, viewer_id: str, user_ids: Collection[str]) -> Mapping[str, Status]:
        """See `Statuses`."""
        seen = await self._relations.seen_by(viewer_id, user_ids)
        return await self.statuses(seen)

    async def read(self, viewer_id: str, user_ids: Collection[str]) -> list[UserPresence]:
        """The presence of those whose presence `viewer_id` may see, in the order asked for."""
        seen = await self._relations.seen_by(viewer_id, user_ids)
        return await self.presences([user_id for user_id in dict.fromkeys(user_ids) if user_id in seen])

    async def presences(self, user_ids: Collection[str]) -> list[UserPresence]:
        """The presence of `user_ids`; permission is the caller's business."""
        records = await self._users.many(user_ids)
        devices, seen = await self._devices.of_each(records), await self._devices.seen_at(records)
        return [
            _presence(user_id, view_of(devices[user_id].values(), record.status_text, seen[user_id]))
            for user_id, record in records.items()
        ]

    async def online_among(self, user_ids: Collection[str]) -> set[str]:
        """See `messages.api.Online`."""
        return {user_id for user_id, status in (await self.statuses(user_ids)).items() if status == "online"}

    async def online(self) -> list[str]:
        """Users whose effective status is not offline."""
        return await self._devices.all_here()

    async def statuses(self, user_ids: Collection[str]) -> Mapping[str, Status]:
        """The effective status of each of `user_ids`."""
        found = await self._devices.of_each(user_ids)
        return {user_id: effective(devices.values()) for user_id, devices in found.items()}

    # Setting

    async def say(self, caller: Principal, status: Status, text: str | None, *, socket: bool) -> Status:
        """What the caller's device says from now on; returns the effective status of the caller.

        `text` None leaves the device's text, an empty one clears it. Over HTTP (`socket` False) it holds for
        `presence.ttl` seconds, over a socket as long as the device has one.
        """
        user_id, session_id = caller.user_id, caller.session_id
        async with self._turn(user_id):
            before = await self._devices.of(user_id)
            mine = before.get(session_id)
            if text is None and mine is not None:
                text = mine.text
            socket = socket or (mine is not None and mine.socket)
            device = Device(status, text or None, self._clock.now(), socket)
            ttl = SOCKET_TTL if socket else self._times.ttl
            await self._devices.put(user_id, session_id, device, ttl)
            return await self._settle(user_id, before)

    async def clear(self, user_id: str, session_id: str) -> Status:
        """Take back what the device said; one that has a socket is simply online then."""
        async with self._turn(user_id):
            before = await self._devices.of(user_id)
            mine = before.get(session_id)
            if mine is not None and mine.socket:
                device = Device("online", None, self._clock.now(), socket=True)
                await self._devices.put(user_id, session_id, device, SOCKET_TTL)
            elif mine is not None:
                await self._devices.drop(user_id, session_id)
            return await self._settle(user_id, before)

    async def connected(self, user_id: str, session_id: str) -> None:
        """The device has a socket, for the first time or still. One that reconnects keeps what it said."""
        async with self._turn(user_id):
            before = await self._devices.of(user_id)
            mine = before.get(session_id)
            if mine is None or not mine.socket:
                mine = Device("online", None, self._clock.now(), socket=True)
                await self._devices.put(user_id, session_id, mine, SOCKET_TTL)
                await self._settle(user_id, before)
                return
            # Every idle socket comes here twice a minute, and nothing changes.
            await self._devices.put(user_id, session_id, mine, SOCKET_TTL)
            if effective(before.values()) != "offline":
                await self._devices.saw(user_id, self._clock.now())
            await self._here(user_id, before)

    async def disconnected(self, user_id: str, session_id: str) -> None:
        """The device had no socket for `presence.offline_grace` seconds."""
        async with self._turn(user_id):
            before = await self._devices.of(user_id)
            await self._devices.drop(user_id, session_id)
            await self._settle(user_id, before)

    def expired(self, user_id: str) -> None:
        """What a device said over HTTP holds no more."""
        self._bus.publish(CONTROL, PresenceChanged(user_id))

    async def _settle(self, user_id: str, before: Mapping[str, Device]) -> Status:
        """Remember when the user was seen and tell what changed; returns the effective status."""
        after = await self._devices.of(user_id)
        await self._here(user_id, after)
        was, now = view_of(before.values(), None, None), view_of(after.values(), None, None)
        if was.status != "offline" or now.status != "offline":
            await self._devices.saw(user_id, self._clock.now())
        if was != now:
            self._bus.publish(CONTROL, PresenceChanged(user_id))
        return now.status

    async def _here(self, user_id: str, devices: Mapping[str, Device]) -> None:
        """Remember among all who are here as long as one of the devices says so."""
        now = self._clock.now()
        await self._devices.here(user_id, here_for(devices.values(), now, self._times, SOCKET_TTL))

    def _turn(self, user_id: str) -> asyncio.Lock:
        turn = self._turns.get(user_id)
        if turn is None:
            turn = self._turns[user_id] = asyncio.Lock()
        return turn


def _presence(user_id: str, view: View) -> UserPresence:
    seen = view.last_seen_at
    return UserPresence(user_id, view.status, view.status_text, rfc3339(seen) if seen is not None else None)
