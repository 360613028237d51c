"""The people that every route is tried with, and small things that they make."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.scenarios.steps import Answer, Person, group, request, send, stranger

__all__ = ["Case", "World", "anonymous", "message", "new_group", "page", "registration", "someone"]


class World(NamedTuple):
    """A with friends, a group and a server admin."""

    a: Person
    b: Person
    c: Person
    admin: Person
    g: str


Case = Callable[[World], Awaitable[Answer]]


async def new_group(w: World) -> str:
    return str((await group(w.a, [w.b]))["conversation_id"])


async def message(w: World) -> str:
    return str((await send(w.a, w.g, "hello")).ok(201)["message_id"])


async def someone(w: World) -> Person:
    """A fresh user."""
    person = stranger(w.a.url, "z")
    data = (await anonymous(w, "/v1/auth/register", registration(person))).ok(201)
    person.user_id = data["user"]["user_id"]
    person.take(data)
    return person


def registration(person: Person) -> dict[str, str]:
    return {
        "email": person.email,
        "username": person.username,
        "password": person.password,
        "display_name": "Z",
    }


async def anonymous(w: World, path: str, body: Any) -> Answer:
    return await request(w.a.url, "POST", path, body)


def page(path: str) -> Case:
    return lambda w: request(w.a.url, "GET", path)
