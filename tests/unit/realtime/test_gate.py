"""Who may open a chat socket, how many, and a planned stop (docs/reference/realtime.md §1, §5, §9)."""

import pytest

from secureconnect.edge.realtime.base import UpgradeRequest
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.drain import drain
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.realtime.fakes import FakeSocket, uid
from tests.unit.realtime.world import World, hello

G = uid(0xA)


async def refusal(world: World, request: UpgradeRequest) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await world.gate.admit(request)
    await world.settle()
    assert not world.hub.interest.users
    return caught.value


async def test_header() -> None:
    world = World()
    admission = await world.gate.admit(world.request(authorization="bearer 1"))
    assert admission.subprotocol is None
    assert admission.max_frame_bytes == 262_144


async def test_subprotocol_selects_the_version_only() -> None:
    world = World()
    request = world.request(sec_websocket_protocol="secureconnect.v1, bearer.1")
    assert (await world.gate.admit(request)).subprotocol == "secureconnect.v1"
    offered = world.request(sec_websocket_protocol="secureconnect.v1", authorization="Bearer 1")
    assert (await world.gate.admit(offered)).subprotocol == "secureconnect.v1"


async def test_ticket_once_and_for_its_purpose() -> None:
    world = World()
    world.found(G, 1)
    world.auth.tickets = {"a": (1, None), "b": (1, G), "c": (1, None)}
    admission = await world.gate.admit(world.request("ticket=a"))
    admission.abandoned()
    assert (await refusal(world, world.request("ticket=a"))).code is ErrorCode.UNAUTHORIZED
    assert (await refusal(world, world.request(f"ticket=c&conversation_id={G}"))).code.status == 401
    await world.gate.admit(world.request(f"ticket=b&conversation_id={G.upper()}"))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("token=1", {}),
        ("ticket=", {}),
        ("ticket=a&ticket=b", {}),
        ("ticket=a", {"authorization": "Bearer 1"}),
        ("", {"authorization": "Basic 1"}),
        ("", {"authorization": "Bearer "}),
        ("", {"authorization": "Bearer nonsense"}),
        ("", {"sec_websocket_protocol": "bearer.1"}),
        ("", {"sec_websocket_protocol": "secureconnect.v1"}),
        ("", {"sec_websocket_protocol": "secureconnect.v1, bearer.1", "authorization": "Bearer 1"}),
    ],
)
async def test_bad_credentials(query: str, headers: dict[str, str]) -> None:
    world = World()
    world.auth.tickets = {"a": (1, None), "b": (1, None)}
    assert (await refusal(world, world.request(query, **headers))).code is ErrorCode.UNAUTHORIZED


async def test_other_paths() -> None:
    world = World()
    error = await refusal(world, world.request(path="/v1/ws/other", authorization="Bearer 1"))
    assert error.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    ("filter_id", "code"),
    [
        ("x", ErrorCode.VALIDATION_ERROR),
        ("", ErrorCode.VALIDATION_ERROR),
        (f"{G}&conversation_id={G}", ErrorCode.VALIDATION_ERROR),
        ("00000000-0000-0000-0000-000000000000", ErrorCode.NOT_FOUND),
        (G, ErrorCode.FORBIDDEN),
    ],
)
async def test_filter(filter_id: str, code: ErrorCode) -> None:
    world = World()
    world.found(G, 2)
    request = world.request(f"conversation_id={filter_id}", authorization="Bearer 1")
    assert (await refusal(world, request)).code is code
    assert len(world.places) == 0
    assert world.denied.seen == ([("GET /v1/ws/chat", "FORBIDDEN")] if code is ErrorCode.FORBIDDEN else [])


async def test_origin() -> None:
    world = World()
    for origin in ("https://chat.test", "https://app.test", "https://APP.test"):
        await world.gate.admit(world.request(authorization="Bearer 1", origin=origin))
    for origin in ("https://evil.test", "null", "http://chat.test"):
        with pytest.raises(ApiError) as caught:
            await world.gate.admit(world.request(authorization="Bearer 1", origin=origin))
        assert caught.value.code is ErrorCode.ORIGIN_NOT_ALLOWED


async def test_rate_row_is_read_and_comes_before_fields() -> None:
    world = World()
    world.limits.full.add("ws_connect")
    request = world.request("conversation_id=x", authorization="Bearer 1")
    assert (await refusal(world, request)).code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert world.limits.hits == [("ws_connect", uid(1), False)]


async def test_bots_must_be_allowed_to_read() -> None:
    world = World()
    world.auth.principals["bot"] = world.auth.principal(1, kind="bot")
    error = await refusal(world, world.request(authorization="Bearer bot"))
    assert error.code is ErrorCode.INSUFFICIENT_SCOPE


async def test_places() -> None:
    world = World(settings=RealtimeSettings(max_sockets=5, max_sockets_per_user=3))
    sockets = [(await world.connect(1))[0] for _ in range(3)]
    with pytest.raises(ApiError) as caught:
        await world.connect(1)
    assert caught.value.code is ErrorCode.USER_CONNECTION_LIMIT
    await world.connect(2)
    await world.connect(2)
    with pytest.raises(ApiError) as caught:
        await world.connect(3)
    assert caught.value.code is ErrorCode.TOO_MANY_CONNECTIONS
    assert caught.value.retry_after in range(1, 11)
    sockets[0].close(CloseCode.NORMAL)
    with pytest.raises(ApiError):
        await world.connect(3)  # held until the socket is gone
    await world.until(lambda: len(world.places) == 4)
    await world.connect(1)


async def test_refusals_are_counted_and_rendered() -> None:
    world = World()
    request = world.request()
    for code, result in (
        (ErrorCode.TOKEN_EXPIRED, "unauthorized"),
        (ErrorCode.ORIGIN_NOT_ALLOWED, "forbidden"),
        (ErrorCode.TOO_MANY_CONNECTIONS, "limit"),
        (ErrorCode.USER_CONNECTION_LIMIT, "limit"),
        (ErrorCode.NOT_FOUND, "other"),
    ):
        assert world.gate.refuse(request, ApiError(code)).status == code.status
        assert world.metrics.seen[-1] == ("refused", "chat", result)


async def test_accepted_sockets_are_counted() -> None:
    world = World()
    socket, _ = await world.live(1)
    socket.gone(1000)
    assert world.metrics.seen[0] == ("opened", "chat")
    assert world.metrics.seen[-1] == ("closed", "chat", 1000)


async def test_drain() -> None:
    world = World()
    sockets = [(await world.live(user))[0] for user in range(1, 41)]
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await world.until(lambda: True)

    await drain(world.hub, world.rooms, world.places, world.background, seconds=1, sleep=sleep)
    for socket in sockets:
        assert 0 <= socket.last("going_away")["retry_after_ms"] <= 10_000
        assert socket.closing is not None
        code, retry = socket.closing
        assert code is CloseCode.SHUTTING_DOWN
        assert retry is not None
        assert 0 <= retry <= 10_000
    assert naps[0] == 1.0
    assert 0.5 <= sum(naps[1:]) <= 2
    assert len(world.places) == 0
    error = await refusal(world, world.request())
    assert error.code is ErrorCode.SHUTTING_DOWN
    assert error.retry_after in range(1, 11)


async def test_drain_of_nothing_takes_no_time() -> None:
    world = World()

    async def never(seconds: float) -> None:
        raise AssertionError

    await drain(world.hub, world.rooms, world.places, world.background, seconds=5, sleep=never)


async def test_drain_does_not_wait_forever_for_sockets() -> None:
    world = World()
    socket, session = await world.connect(1)
    hello(session)
    socket.close = lambda *_args, **_options: None  # type: ignore[method-assign]
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    await drain(world.hub, world.rooms, world.places, world.background, seconds=1, sleep=sleep)
    assert sum(naps) <= 2.2


async def test_a_socket_admitted_before_the_drain_closes_at_once() -> None:
    world = World()
    admission = await world.gate.admit(world.request(authorization="Bearer 1"))
    world.hub.draining = True
    socket = FakeSocket()
    socket.receiver = admission.opened(socket)
    assert socket.closing is not None
    assert socket.closing[0] is CloseCode.SHUTTING_DOWN
