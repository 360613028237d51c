"""Faults and recovery: scenario X11, a data directory without space."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest

from tests.faults.stored import check_log, check_membership, read_stored
from tests.scenarios.conftest import Register
from tests.scenarios.disks import KINDS, SmallFileSystem
from tests.scenarios.files import begin, complete, put
from tests.scenarios.server import Server
from tests.scenarios.steps import Chat, Person, direct, group, request, send, whole_log, ws

pytestmark = pytest.mark.only_on("embedded", reason="it is about the data directory of one process")

TEXT = "x" * 3000

with tempfile.TemporaryDirectory() as _probe:
    # Who may not mount a file system tests with the limit alone.
    POSSIBLE = [
        name for name in KINDS if name != "file system" or SmallFileSystem.possible(Path(_probe, "m"))
    ]


class Talk:
    """Two people in a conversation; what was acknowledged, and how often it was refused."""

    def __init__(self, a: Person, g: str, chat: Chat) -> None:
        self.a, self.g, self._chat = a, g, chat
        self.acked: dict[int, str] = {}
        self.refused = 0

    async def by_http(self) -> bool:
        answer = await send(self.a, self.g, TEXT)
        if answer.status == 201:
            self.acked[answer.data["seq"]] = answer.data["message_id"]
            return True
        answer.is_error(503, "DATABASE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
        self.refused += 1
        return False

    async def by_socket(self) -> bool:
        answer = await self._chat.command("message_send", conversation_id=self.g, content=TEXT)
        if answer["type"] == "ack":
            self.acked[answer["seq"]] = answer["message_id"]
            return True
        assert answer["code"] == "DATABASE_UNAVAILABLE"
        assert answer["retry_after"] >= 1
        self.refused += 1
        return False

    async def until_refused(self) -> None:
        """What is reserved already may be used up first."""
        async with asyncio.timeout(60):
            while await self.by_http() and await self.by_socket():
                pass


async def reads(a: Person, talk: Talk) -> None:
    """Everything that only reads answers as ever."""
    g = talk.g
    for path in (
        "/v1/users/me",
        "/v1/conversations",
        f"/v1/conversations/{g}",
        f"/v1/conversations/{g}/participants",
        f"/v1/conversations/{g}/events?after_seq=0",
        f"/v1/messages?conversation_id={g}",
        "/v1/sync",
        "/v1/auth/sessions",
        "/v1/users/me/friends",
    ):
        (await a.get(path)).ok()
    assert (await request(a.url, "GET", "/readyz")).status == 200
    assert (await request(a.url, "GET", "/health")).status == 200
    assert {event["seq"] for event in await whole_log(a, g)} >= talk.acked.keys()


@pytest.mark.faults
@pytest.mark.parametrize("kind", POSSIBLE)
async def test_x11_full_and_free_again(kind: str, tmp_path: Path, reg: Register) -> None:
    """Nothing more fits, twice: sends get 503, reads 200, nothing acknowledged is lost, and nothing is there
    by half; with the space, service is back without a restart."""
    async with contextlib.AsyncExitStack() as stack:
        disk = stack.enter_context(KINDS[kind](tmp_path / "disk"))
        server = Server(disk.data_dir)
        server.pieces[0].log = tmp_path / "server.log"
        stack.callback(server.clean)
        await server.start()
        a, b = await reg("a", "b", url=server.url)
        g = (await direct(a, b))["conversation_id"]
        mine, theirs = [await stack.enter_async_context(ws(person)) for person in (a, b)]
        talk = Talk(a, g, mine)
        for _ in range(2):
            assert await talk.by_http()
            assert await talk.by_socket()
            data = bytes(12 << 20)
            upload = await begin(a, len(data))
            disk.fill(server)
            await talk.until_refused()
            refused = await put(upload["upload_url"], data, upload["headers"])
            refused.is_error(503, "STORAGE_UNAVAILABLE")
            assert refused.headers["retry-after"] == "5"
            assert list((disk.data_dir / "objects" / ".incoming").iterdir()) == []
            await asyncio.gather(*(talk.by_http() for _ in range(10)))
            await reads(b, talk)
            async with ws(b, resume={g: 0}) as late:
                await late.frame(type="event", conversation_id=g, seq=max(talk.acked))
            disk.free(server)
            assert await talk.by_http()
            assert await talk.by_socket()
            await group(a, [b])
            assert (await put(upload["upload_url"], data, upload["headers"])).status == 200
            (await complete(a, upload["file_id"])).ok()
        head = (await send(a, g, "the end")).ok(201)
        talk.acked[head["seq"]] = head["message_id"]
        await theirs.frame(type="event", conversation_id=g, seq=head["seq"])
        log = {event["seq"]: event["data"]["message"]["message_id"] for event in (await whole_log(a, g))[1:]}
        assert log == talk.acked, "exactly what was acknowledged"
        assert [frame["seq"] for frame in theirs.events(g)] == sorted(log)
        assert talk.refused >= 2
        stored = read_stored(server.tables)
        check_log(stored)
        check_membership(stored)
        assert await server.stop() == 0
    assert any("writes fail" in line for line in server.lines())
    print(f"X11 {kind}: {len(talk.acked)} acknowledged, {talk.refused} refused")
