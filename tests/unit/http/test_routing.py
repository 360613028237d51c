"""Finding routes by path."""

import msgspec
import pytest

from secureconnect.edge.http.routing import Call, Reply, Route, Router, limit_key, parameters


async def nothing(_: Call[None, None]) -> Reply:
    return Reply({})


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, handler=nothing, summary="x", tag="x", returns={})


ROUTER = Router(
    [
        route("GET", "/v1/users/me"),
        route("PATCH", "/v1/users/me"),
        route("GET", "/v1/users/me/friends"),
        route("GET", "/v1/users/{id}"),
        route("POST", "/v1/users/{id}/friend"),
        route("DELETE", "/v1/users/me/friends/{id}"),
        route("DELETE", "/v1/users/me/friends/{id}/reject"),
        route("DELETE", "/v1/c/{id}/p/{user_id}"),
    ]
)


@pytest.mark.parametrize(
    ("path", "methods", "values"),
    [
        ("/v1/users/me", {"GET", "PATCH"}, ()),
        ("/v1/users/x", {"GET"}, ("x",)),
        ("/v1/users/me/friend", {"POST"}, ("me",)),
        ("/v1/users/me/friends", {"GET"}, ()),
        ("/v1/users/me/friends/y", {"DELETE"}, ("y",)),
        ("/v1/users/me/friends/y/reject", {"DELETE"}, ("y",)),
        ("/v1/c/a b/p/ü", {"DELETE"}, ("a b", "ü")),
        ("/v1/users/{id}", {"GET"}, ("{id}",)),
    ],
)
def test_paths_are_found(path: str, methods: set[str], values: tuple[str, ...]) -> None:
    found = ROUTER.find(path)
    assert found is not None
    assert (set(found[0]), found[1]) == (methods, values)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "*",
        "/v1",
        "/v1/users",
        "/v1/users/",
        "/v1/users/me/",
        "//v1/users/me",
        "/v1//users/me",
        "/v1/users//friend",
        "/V1/users/me",
        "/v1/users/x/y",
        "/v1/c//p/",
        "v1/users/me",
    ],
)
def test_others_are_not(path: str) -> None:
    assert ROUTER.find(path) is None


def test_a_route_is_declared_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Router([route("GET", "/v1/x/{a}"), route("GET", "/v1/x/{b}")])


def test_parameters_have_their_order() -> None:
    assert parameters("/v1/c/{id}/p/{user_id}") == ("id", "user_id")
    assert parameters("/v1/users/me") == ()


def test_a_public_route_counts_by_address_or_by_an_id_in_its_path() -> None:
    """However the id is written; what is none counts by address, so that nobody makes up windows at will."""
    plain = route("POST", "/v1/hooks/{hook_id}/{secret}")
    counted = msgspec.structs.replace(plain, limit_by="hook_id")
    name = "0a1b2c3d-0000-4000-8000-00000000abcd"
    assert limit_key(plain, (name, "x"), "192.0.2.1") == "192.0.2.1"
    assert limit_key(counted, (name, "x"), "192.0.2.1") == name
    assert limit_key(counted, (name.upper(), "y"), "192.0.2.2") == name
    assert limit_key(counted, ("anything", name), "192.0.2.1") == "192.0.2.1"
