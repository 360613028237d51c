"""Pushes of a server, read where it puts them until providers are configured."""

import asyncio
import json
import secrets
from typing import Any

from tests.scenarios.server import Server
from tests.scenarios.steps import ISSUED, Person

__all__ = ["delivery", "device", "entry", "lines", "pushed", "register_device"]

_PATIENCE = 10.0


def device(type_: str = "fcm") -> dict[str, str]:
    """A device nobody knows yet."""
    token = f"{type_}-{secrets.token_hex(24)}"
    ISSUED.add(token)  # no log may hold it
    return {"token": token, "type": type_}


async def register_device(person: Person, type_: str = "fcm") -> str:
    """Take pushes on a new device; returns the token's id."""
    return str((await person.post("/v1/push/tokens", device(type_))).ok()["token_id"])


def lines(server: Server, person: Person) -> list[dict[str, Any]]:
    """What was pushed to this person so far, oldest first."""
    path = server.data_dir / "push.jsonl"
    if not path.exists():
        return []
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if line["user_id"] == person.user_id]


async def pushed(server: Server, person: Person, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
    """The pushes with these fields, once there are so many; there may not be more."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            found = [
                line
                for line in lines(server, person)
                if all(line.get(name) == value for name, value in wanted.items())
            ]
            if len(found) >= count:
                assert len(found) == count, found
                return found
            await asyncio.sleep(0.02)


async def entry(person: Person, type_: str, **data: str) -> dict[str, Any]:
    """The newest inbox entry of a type with these ids, once it is there: whether it is pushed is decided with
    it."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            listed = (await person.get(f"/v1/notifications?type={type_}")).ok()["notifications"]
            found: list[dict[str, Any]] = [one for one in listed if data.items() <= one["data"].items()]
            if found:
                return found[0]
            await asyncio.sleep(0.02)


async def delivery(person: Person, kind: str, status: str) -> dict[str, Any]:
    """The newest delivery, once it is of this kind and stands like this."""
    async with asyncio.timeout(30):
        while True:
            found: list[dict[str, Any]] = (await person.get("/v1/push/deliveries")).ok()["deliveries"]
            if found and (found[0]["kind"], found[0]["status"]) == (kind, status):
                return found[0]
            await asyncio.sleep(0.05)
