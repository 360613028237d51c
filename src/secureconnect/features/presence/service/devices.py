"""What the devices of all users say, in the cache that the processes share. Every entry expires."""

from collections.abc import Collection, Mapping

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
        return _devices(await self._cache.fields(f"pres:{user_id}"))

    async def of_each(self, user_ids: Collection[str]) -> Mapping[str, Mapping[str, Device]]:
        """The devices of each of these users."""
        found = await self._cache.fields_of([f"pres:{user_id}" for user_id in user_ids])
        return {user_id: _devices(fields) for user_id, fields in zip(user_ids, found, strict=True)}

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

    async def seen_at(self, user_ids: Collection[str]) -> Mapping[str, int | None]:
        """When each of these users was last visibly here, in milliseconds since the epoch."""
        found = await self._cache.fields_of([f"seen:{user_id}" for user_id in user_ids])
        return {
            user_id: int(fields["at"]) if "at" in fields else None
            for user_id, fields in zip(user_ids, found, strict=True)
        }

    async def saw(self, user_id: str, at: int) -> None:
        """The user is visibly here."""
        await self._cache.put(f"seen:{user_id}", "at", str(at), _SEEN_TTL)


def _devices(fields: Mapping[str, str]) -> dict[str, Device]:
    return {session_id: _decoder.decode(value) for session_id, value in fields.items()}
