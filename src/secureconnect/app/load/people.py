"""Accounts and conversations that a run makes for itself, over plain HTTP."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any

import httpx
from msgspec import Struct

from secureconnect.app.failure import Failure

__all__ = ["Api", "Person", "Room", "gather_people"]

_TOGETHER = 8  # registrations at a time: each costs the server a password hash
_GROUP = 5


class Person(Struct, frozen=True):
    """Somebody who is logged in."""

    user_id: str
    token: str


class Room(Struct, frozen=True):
    """A conversation and who is in it."""

    conversation_id: str
    members: tuple[Person, ...]


class Api:
    """Timed requests; what failed is counted by its code."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(base_url=url, timeout=30, limits=limits)
        self.seconds: dict[str, list[float]] = {}
        self.errors: dict[str, int] = {}

    async def ask(
        self, method: str, path: str, person: Person | None, body: Any = None, *, label: str | None = None
    ) -> Mapping[str, Any] | None:
        """The data of the answer, or None when there was an error, which is counted."""
        headers = {"authorization": f"Bearer {person.token}"} if person is not None else {}
        started = time.perf_counter()
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            self.failed(type(error).__name__)
            return None
        if label is not None:
            self.seconds.setdefault(label, []).append(time.perf_counter() - started)
        if answer.is_success:
            data: Mapping[str, Any] = answer.json()["data"]
            return data
        try:
            code = str(answer.json()["error"]["code"])
        except (ValueError, KeyError):
            code = str(answer.status_code)
        self.failed(code)
        return None

    def failed(self, code: str) -> None:
        """Count an error."""
        self.errors[code] = self.errors.get(code, 0) + 1

    async def close(self) -> None:
        """End connections."""
        await self._client.aclose()


async def gather_people(api: Api, count: int) -> tuple[list[Person], list[Room]]:
    """New accounts, everybody in one group of five and in one direct conversation.

    Raises:
        Failure: the server does not let them in.
    """
    mark, free = secrets.token_hex(4), asyncio.Semaphore(_TOGETHER)

    async def register(number: int) -> Person:
        name = f"bench-{mark}-{number}"
        body = {
            "email": f"{name}@example.test",
            "username": name,
            "password": f"Load-{secrets.token_urlsafe(12)}-9",
            "display_name": f"Bench {number}",
        }
        async with free:
            data = await api.ask("POST", "/v1/auth/register", None, body)
        if data is None or "access_token" not in data:
            raise Failure(
                f"the server registers nobody: {', '.join(api.errors) or 'it wants verified addresses'}\n"
                "Run it against a server of your own, with rate_limits.enabled=false."
            )
        return Person(data["user"]["user_id"], data["access_token"])

    people = list(await asyncio.gather(*(register(number) for number in range(count))))
    parts = [people[start : start + _GROUP] for start in range(0, count, _GROUP)]
    pairs = [people[start : start + 2] for start in range(0, count - 1, 2)]
    bodies = [
        *(({"type": "group", "title": "Bench"}, part) for part in parts if len(part) > 1),
        *(({"type": "direct"}, pair) for pair in pairs),
    ]
    rooms = []
    for fields, members in bodies:
        ids = [person.user_id for person in members]
        data = await api.ask("POST", "/v1/conversations", members[0], {**fields, "participant_ids": ids})
        if data is None:
            raise Failure(f"no conversation can be made: {', '.join(api.errors)}")
        rooms.append(Room(str(data["conversation_id"]), tuple(members)))
    return people, rooms
