"""The routing table is what the features declare, and that is what the reference says (http.md §1)."""

import pytest

from secureconnect.app.blueprint import draw
from secureconnect.app.gateway import routing_table
from secureconnect.app.roles import EVERYTHING
from secureconnect.app.settings import Settings
from secureconnect.edge.http.routing import Reply, Route
from secureconnect.gateway.table import Offer, RoutingTable
from secureconnect.infra.outbox.base import KINDS

ID = "0b8f7a4e-6f0c-4f6e-9d3e-2f1c5a7b9e11"
BLUEPRINT = draw(Settings())
TABLE = routing_table(BLUEPRINT)

CHAT = (
    "/v1/messages",
    "/v1/conversations/{id}/events",
    "/v1/conversations/{id}/read",
    "/v1/conversations/{id}/pins",
    "/v1/conversations/{id}/files",
    "/v1/sync",
    "/v1/presence",
    "/v1/polls",
    "/v1/hooks",
    "/v1/ws/tickets",
    "/v1/ws/chat",
)
AUTH = (
    "/v1/auth",
    "/v1/users",
    "/v1/conversations",
    "/v1/invites",
    "/v1/keys",
    "/v1/devices",
    "/v1/to-device",
    "/v1/backup",
    "/v1/account-data",
    "/v1/rendezvous",
    "/v1/dehydrated-device",
    "/v1/notifications",
    "/v1/push",
    "/v1/bots",
    "/v1/reports",
    "/v1/admin",
    "/.well-known/jwks.json",
)
PREFIXES = [
    *((prefix, "chat") for prefix in CHAT),
    ("/v1/calls", "video"),
    ("/v1/ws/signaling", "video"),
    ("/v1/storage", "storage"),
    *((prefix, "auth") for prefix in AUTH),
]


def owner(path: str) -> str:
    """The role that the reference gives to a path."""
    return next(role for prefix, role in PREFIXES if path == prefix or path.startswith(f"{prefix}/"))


@pytest.mark.parametrize("path", sorted(TABLE.roles))
def test_each_route_is_where_the_reference_says(path: str) -> None:
    assert TABLE.roles[path] == owner(path)
    asked = "/".join(ID if part.startswith("{") else part for part in path.split("/"))
    if TABLE.socket(path) is None or TABLE.find(asked) is not None:
        place = TABLE.find(asked)
        assert place is not None
        assert place.role == owner(path)


def test_every_module_has_a_role() -> None:
    assert {module.role for module in BLUEPRINT.modules} <= set(EVERYTHING)


def test_every_kind_of_job_has_one_role() -> None:
    kinds = [kind for module in BLUEPRINT.modules for kind in module.jobs]
    assert len(kinds) == len(set(kinds))
    assert set(KINDS) - set(kinds) <= {"index", "notify"}  # which nobody queues


def test_every_task_has_one_role() -> None:
    names = [task.name for module in BLUEPRINT.modules for task in module.tasks]
    assert len(names) == len(set(names))


def test_unknown_paths_belong_nowhere() -> None:
    assert TABLE.find("/v1/nope") is None
    assert TABLE.find("/v1/users/me/") is None
    assert TABLE.socket("/v1/users/me") is None


def test_one_call_is_found_by_its_id() -> None:
    table = RoutingTable(
        [
            Offer(role="video", routes=[_route("/v1/calls/{id}/join"), _route("/v1/calls/initiate")]),
            Offer(role="auth", routes=[_route("/v1/users/{id}")]),
        ]
    )
    joined = table.find(f"/v1/calls/{ID.upper()}/join")
    assert joined is not None
    assert (joined.role, joined.call_id) == ("video", ID)
    for path in ("/v1/calls/initiate", f"/v1/users/{ID}"):
        place = table.find(path)
        assert place is not None
        assert place.call_id is None


def test_two_roles_cannot_have_one_path() -> None:
    with pytest.raises(ValueError, match="is served by auth and by chat"):
        RoutingTable(
            [
                Offer(role="auth", routes=[_route("/v1/things")]),
                Offer(role="chat", routes=[_route("/v1/things", "POST")]),
            ]
        )


def _route(path: str, method: str = "GET") -> Route:
    async def handler(_: object) -> Reply:
        return Reply({})

    return Route(method=method, path=path, handler=handler, summary="", tag="", returns={})
