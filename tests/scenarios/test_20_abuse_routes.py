"""Every route of the OpenAPI document with the right caller: scenario Z0."""

from tests.scenarios.conftest import Register
from tests.scenarios.openapi import served
from tests.scenarios.profiles import PROFILE, Profile
from tests.scenarios.routes import CASES, REFUSED
from tests.scenarios.routes.world import World
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, group

_OF_EACH_PROCESS = {"GET /metrics", "GET /readyz"}


async def test_z0_every_route_keeps_its_promise(server: Server, admin: Person, reg: Register) -> None:
    """Each route once, valid input, the right caller: a documented success, valid against its schema."""
    a, b, c = await reg("a", "b", "c")
    w = World(a, b, c, admin, (await group(a, [b]))["conversation_id"])
    document = await served(server)
    # An object store elsewhere has URLs of its own.
    cases = {name for name in CASES if PROFILE is Profile.EMBEDDED or "/v1/storage/objects/" not in name}
    assert {operation.name for operation in document.operations} == cases
    faults = []
    for operation in document.operations:
        answer = await CASES[operation.name](w)
        if PROFILE.has_roles and operation.name in _OF_EACH_PROCESS:
            assert answer.status == 404, operation.name  # nginx keeps them inside
            continue
        expected = operation.successes or {426}  # the socket's path has no answer but the upgrade
        if operation.name in REFUSED:
            expected = {REFUSED[operation.name]}
        try:
            assert answer.status in expected, (operation.name, answer.status, answer.raw)
            document.check(operation, answer)
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)
