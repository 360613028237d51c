"""What the devices of all users say, in the cache that the processes share. Every entry expires."""

from collections.abc import Mapping

import msgspec

from secureconnect.features.presence.rules import Device
from secureconnect.infra.cache.base import Cache

__all__ = ["Devices"]

#: How long the time of the last visit is kept, in seconds.
_SEEN_TTL = 90 * 24 * 3600

_decoder = msgspec.json.Decoder(Device)
_encoder = msgspec.json.Encoder()


_HERE = "pres_here"


class Devices:
    """The hashes `pres:<user>` (session → what it says) and `seen:<user>`, and one of all who are here."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def of(self, user_id: str) -> Mapping[str, Device]:
        """The devices of a user by session id."""
        fields = await self._cache.fields(f"pres:{user_id}")
        return {session_id: _decoder.decode(value) for session_id, value in fields.items()}

    async def put(self, user_id: str, session_id: str, device: Device, ttl: float) -> None:
        """What a device says from now on, for `ttl` seconds."""
        await self._cache.put(f"pres:{user_id}", session_id, _encoder.encode(device).decode(), ttl)

    async def drop(self, user_id: str, session_id: str) -> None:
        """A device says nothing any more."""
        await self._cache.drop(f"pres:{user_id}", session_id)

    async def here(self, user_id: str, ttl: float) -> None:
        """The user is visibly here for `ttl` seconds, or not at all when that is 0."""
        if ttl > 0:
            await self._cache.put(_HERE, user_id, "", ttl)
        else:
            await self._cache.drop(_HERE, user_id)

    async def all_here(self) -> list[str]:
        """Everybody who is visibly here."""
        return list(await self._cache.fields(_HERE))

    async def seen_at(self, user_id: str) -> int | None:
        """When the user was last visibly here, in milliseconds since the epoch."""
        at = (await self._cache.fields(f"seen:{user_id}")).get("at")
        return int(at) if at is not None else None

    async def saw(self, user_id: str, at: int) -> None:
        """The user is visibly here."""
        await self._cache.put(f"seen:{user_id}", "at", str(at), _SEEN_TTL)
