"""Requests that nobody means, on every route: scenario Z2."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.faults.plan import LONG
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.nasty import BODIES, TEXTS, VALUES
from tests.scenarios.openapi import Document, Operation, served
from tests.scenarios.routes import stranger_ids
from tests.scenarios.server import Server
from tests.scenarios.steps import Answer, Person, group, register, request, send, stranger

EXAMPLES = 20 if LONG else 2
#: How many nasty values each place gets; the next place gets the next ones.
NASTIES = 8 if LONG else 3

pytestmark = pytest.mark.faults
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


class Fuzzed:
    """A server under fire, and what is known there."""

    def __init__(self, server: Server, document: Document, a: Person, b: Person, admin: Person) -> None:
        self.server = server
        self.document = document
        self.person = a
        self.other = b
        self.admin = admin
        self.ids: dict[str, str] = {}
        self.lasting: dict[str, str] = {}

    async def renew(self) -> None:
        """A living session, group and message for the next route, whatever the last one did to them."""
        self.person, self.other = await self.living(self.person), await self.living(self.other)
        if (await self.person.get(f"/v1/users/{self.other.user_id}")).ok()["blocked_by_me"]:
            (await self.person.delete(f"/v1/users/{self.other.user_id}/block")).ok()
        g = (await group(self.person, [self.other]))["conversation_id"]
        message = (await send(self.person, g, "hello")).ok(201)
        invite = (await self.person.post(f"/v1/conversations/{g}/invites", {})).ok(201)
        self.lasting = self.lasting or await stranger_ids(self.person, self.other, g)
        self.ids = {
            **self.lasting,
            "conversation_id": g,
            "user_id": self.other.user_id,
            "session_id": self.other.session_id,
            "message_id": message["message_id"],
            "last_message_id": message["message_id"],
            "around": message["message_id"],
            "invite_id": invite["invite_id"],
            "code": invite["code"],
        }

    async def living(self, person: Person) -> Person:
        """The person with a session; somebody new in place of who cannot log in with a password alone."""
        if (await person.get("/v1/auth/profile")).status == 200:
            return person
        body = {"email": person.email, "password": person.password}
        answer = await request(person.url, "POST", "/v1/auth/login", body)
        if answer.status == 200 and "access_token" in answer.data:
            person.take(answer.data)
            return person
        self.lasting = {}
        return await register(stranger(person.url, person.name))

    def caller(self, operation: Operation) -> Person:
        return self.admin if operation.path.startswith("/v1/admin") else self.person

    def path(self, operation: Operation, given: Mapping[str, str] = MappingProxyType({})) -> str:
        """The path with known ids, except for the parameters `given`."""
        path = operation.path
        for name in operation.parameters("path"):
            path = path.replace(f"{{{name}}}", given.get(name) or self.ids[operation.kind(name)])
        return path


async def fuzzed(server: Server, reg: Register) -> Fuzzed:
    a, b = await reg("a", "b", url=server.url)
    return Fuzzed(server, await served(server), a, b, await make_admin(server))


async def test_z2_generated_requests(serve: Serve, reg: Register) -> None:
    """Requests generated from the document, valid and invalid: documented answers, and the process lives."""
    async with serve(auth={"lockout_failures": 1000, "lockout_account_failures": 100_000}) as server:
        place = await fuzzed(server, reg)
        schema = schemathesis.openapi.from_dict(place.document.raw)
        with requests.Session() as session:
            for found in schema.get_all_operations():
                generated: Any = found.ok()  # type: ignore[union-attr]  # P3 validates the document
                (operation,) = [
                    one
                    for one in place.document.operations
                    if (one.method, one.path) == (generated.method.upper(), generated.path)
                ]
                await place.renew()
                for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
                    await asyncio.to_thread(fire, place, operation, generated, mode, session)
        await alive(server)


def fire(
    place: Fuzzed,
    operation: Operation,
    generated: Any,
    mode: schemathesis.GenerationMode,
    session: requests.Session,
) -> None:
    """Examples of one kind against one operation; every other one of the valid ones with known ids."""
    known = itertools.cycle((False, mode is schemathesis.GenerationMode.POSITIVE))

    @QUICK
    @given(case=generated.as_strategy(generation_mode=mode))
    def one(case: "schemathesis.Case[Any]") -> None:
        if next(known):
            for name in operation.parameters("path"):
                case.path_parameters[name] = place.ids[operation.kind(name)]
            if isinstance(case.body, dict):
                case.body.update({name: id_ for name, id_ in place.ids.items() if name in case.body})
        headers = {"authorization": f"Bearer {place.caller(operation).access}"}
        response = case.call(base_url=place.server.url, headers=headers, session=session)
        case.validate_response(response, checks=list(CHECKS))

    with contextlib.suppress(Unsatisfiable):  # what has no input has no invalid one
        one()


async def test_z2_nasty_values(serve: Serve, reg: Register) -> None:
    """Bad encodings, deep JSON, huge numbers, NUL, SQL and paths in every body, parameter and path."""
    async with serve(auth={"lockout_failures": 1000, "lockout_account_failures": 100_000}) as server:
        place, nasties = await fuzzed(server, reg), Nasties()
        async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=30) as client:
            for operation in place.document.operations:
                await place.renew()
                caller = place.caller(operation)

                async def ask(
                    target: str,
                    body: bytes | None = None,
                    *,
                    operation: Operation = operation,
                    caller: Person = caller,
                ) -> None:
                    headers = {"authorization": f"Bearer {caller.access}"}
                    if body is not None:
                        headers["content-type"] = "application/json"
                    response = await client.request(operation.method, target, headers=headers, content=body)
                    answer = Answer(response.status_code, response.headers, response.content)
                    assert answer.status < 500, (operation.name, target, body, answer.raw)
                    place.document.check(operation, answer)

                for target, body in nasties.of(place, operation):
                    await ask(target, body)
        await alive(server)


class Nasties:
    """Hands out bad input, a few for each place, so that all of it is used again and again."""

    def __init__(self) -> None:
        self._segments = itertools.cycle(text for text in TEXTS if text not in {"", "../../../../etc/passwd"})
        self._texts = itertools.cycle(TEXTS)
        self._bodies = itertools.cycle(BODIES)
        self._values = itertools.cycle(VALUES)

    def of(self, place: Fuzzed, operation: Operation) -> Iterator[tuple[str, bytes | None]]:
        """Targets and bodies for one operation."""
        path = place.path(operation)
        for name in operation.parameters("path"):
            for text in itertools.islice(self._segments, NASTIES):
                yield place.path(operation, {name: quote(text, safe="")}), None
        queries = operation.parameters("query")
        known = "&".join(f"{name}={place.ids[name]}" for name in queries if name in place.ids)
        for name in queries:
            for text in itertools.islice(self._texts, NASTIES):
                yield f"{path}?{known}&{name}={quote(text, safe='')}", None
            yield f"{path}?{known}&{name}=%ff%fe&{name}", None
        if operation.method != "GET":
            for body in itertools.islice(self._bodies, NASTIES):
                yield path, body
        if operation.body is not None:
            fields = place.document.resolve(operation.body)["properties"]
            right = {name: place.ids[name] for name in fields if name in place.ids}
            for name in fields:
                for value in itertools.islice(self._values, NASTIES):
                    yield path, json.dumps({**right, name: value}).encode()


async def alive(server: Server) -> None:
    assert server.alive
    assert (await request(server.url, "GET", "/readyz")).status == 200
