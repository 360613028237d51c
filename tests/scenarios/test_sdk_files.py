"""Files by the SDK against a real server, also over a line that breaks."""

import asyncio
import os
from pathlib import Path

import pytest

from secureconnect.client import ApiFailure, Client, Conflict, ConnectionLost, NotFound, RetryPolicy, walk
from tests.scenarios.conftest import Serve
from tests.scenarios.cutting import cutting
from tests.scenarios.files import picture
from tests.scenarios.sdk import me, person
from tests.scenarios.server import Server, free_port
from tests.scenarios.steps import PASSWORD

MIB = 1024 * 1024


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


async def test_every_call_of_files(server: Server, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture(500, 400))
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        b = await me(bob)
        g = (await ann.conversations.create_group("G", [b])).conversation_id
        sent = await ann.files.upload(photo, hashed=True)
        assert (sent.file_name, sent.content_type, sent.status) == ("photo.png", "image/png", "completed")
        assert sent.sha256 is not None
        assert await ann.files.resume(sent.file_id, photo) == sent
        with pytest.raises(NotFound):
            await bob.files.url(sent.file_id)
        message = await ann.messages.send(g, "look", attachments=[sent.file_id])
        assert (await bob.files.download(sent.file_id, tmp_path / "got.png")).file_id == sent.file_id
        assert (tmp_path / "got.png").read_bytes() == photo.read_bytes()
        async with asyncio.timeout(10):
            while not (await bob.files.url(sent.file_id)).file.has_thumbnail:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await bob.files.download(sent.file_id, tmp_path / "small.webp", variant="thumbnail")
        assert (tmp_path / "small.webp").read_bytes()[8:12] == b"WEBP"
        assert names(tmp_path) == ["got.png", "photo.png", "small.webp"]
        (attached,) = (await bob.files.of_conversation(g, content_type="image/")).items
        assert (attached.file.file_id, attached.message_id) == (sent.file_id, message.message_id)
        note = await ann.files.upload(
            photo, file_name="note.txt", content_type="text/plain", is_encrypted=True
        )
        assert (note.file_name, note.is_encrypted) == ("note.txt", True)
        assert [one.file_id async for one in walk(ann.files.list, limit=1)] == [note.file_id, sent.file_id]
        told = await bob.files.urls([sent.file_id, note.file_id])
        assert [one.error_code for one in told] == [None, "NOT_FOUND"]
        assert (await ann.users.set_avatar(sent.file_id)).avatar_url is not None
        assert (await ann.users.remove_avatar()).avatar_url is None
        shown = await ann.conversations.update(g, avatar_file_id=sent.file_id)
        assert shown.avatar_url is not None
        await ann.files.delete(note.file_id)
        assert (await ann.files.quota()).used == photo.stat().st_size
        with pytest.raises(ApiFailure, match="VALIDATION_ERROR"):
            await ann.files.upload(photo, file_name="x.exe", content_type="application/x-msdownload")
        new = await ann.files.begin("f", 10, "text/plain")
        assert (await ann.files.state(new.file_id)).uploaded_parts == []
        with pytest.raises(Conflict):
            await ann.files.resume(new.file_id, photo)


@pytest.mark.only_on("embedded", reason="the line that is cut is the server's own, where its objects lie")
async def test_transfers_go_on_where_the_line_broke(serve: Serve, tmp_path: Path) -> None:
    """Cut in the middle of a part, of an answer, and of a download: what arrived is not sent again."""
    port = free_port()
    storage = {"multipart_threshold": 8 * MIB, "part_bytes": 5 * MIB}
    patient = RetryPolicy((0.05,) * 4)
    large, small = tmp_path / "large.bin", tmp_path / "small.bin"
    large.write_bytes(os.urandom(22 * MIB))
    small.write_bytes(os.urandom(2 * MIB))
    async with (
        serve(storage=storage, server={"public_url": f"http://127.0.0.1:{port}"}) as server,
        cutting(server.port, port) as line,
        person(server.url, "a") as ann,
        Client(server.url, retry=patient) as client,
    ):
        name = (await ann.users.me()).username
        await client.auth.login(username=name, password=PASSWORD)
        # Bytes travel over the line that breaks, calls do not.
        line.up = [7 * MIB, 2 * MIB]
        done = await client.files.upload(large, hashed=True)
        assert (done.status, line.cuts, line.up) == ("completed", 2, [])
        assert line.sent < 22 * MIB + 2 * (5 * MIB) + MIB
        line.down = [6 * MIB]
        await client.files.download(done.file_id, tmp_path / "got.bin")
        assert (tmp_path / "got.bin").read_bytes() == large.read_bytes()
        assert line.cuts == 3

        # The answer is lost, the bytes are not: they are not sent again.
        line.sent, line.down = 0, [1]
        done = await client.files.upload(small)
        assert (done.status, line.sent < 2 * MIB + 10_000) == ("completed", True)

        # Too many cuts: it is said, and goes on later, by another client too.
        line.up = [6 * MIB] + [MIB] * 10
        with pytest.raises(ConnectionLost):
            await client.files.upload(large)
        line.up = []
        (running,) = (await client.files.list(status="uploading")).items
        state = await client.files.state(running.file_id)
        assert [part.size for part in state.uploaded_parts] == [5 * MIB]
        line.sent = 0
        resumed = await ann.files.resume(running.file_id, large)
        assert (resumed.status, line.sent < 18 * MIB) == ("completed", True)
        assert resumed.file_id == running.file_id
