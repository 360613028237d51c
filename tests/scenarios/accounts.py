"""Registering, logging in and renewing, as the scenarios of accounts and sessions do it."""

import base64
import json
from typing import Any

from tests.scenarios.steps import Answer, Person, request

__all__ = ["Claims", "body_of", "encode", "keys", "login", "me", "post", "refresh"]

Claims = dict[str, Any]


def body_of(person: Person, **fields: Any) -> dict[str, Any]:
    return {
        "email": person.email,
        "username": person.username,
        "password": person.password,
        "display_name": "A",
        **fields,
    }


async def post(url: str, path: str, body: Any, **options: Any) -> Answer:
    return await request(url, "POST", path, body, **options)


async def login(person: Person, password: str | None = None, **options: Any) -> Answer:
    body = {"email": person.email, "password": password or person.password}
    return await post(person.url, "/v1/auth/login", body, **options)


async def refresh(url: str, token: str) -> Answer:
    return await post(url, "/v1/auth/refresh", {"refresh_token": token})


async def me(person: Person, token: str | None = None) -> Answer:
    return await request(person.url, "GET", "/v1/users/me", token=token or person.access)


async def keys(url: str) -> list[Any]:
    answer = await request(url, "GET", "/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "max-age=300"
    return list(answer.body["keys"])


def encode(part: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
