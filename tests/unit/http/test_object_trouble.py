"""Objects while the server stops, the disk is full, or a part is begun anew; and memory."""

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.contract.object_server import object_edge
from tests.unit.http.objects import (
    KEY,
    MIB,
    REFUSED,
    Store,
    head,
    open_files,
    opened,
    refusal,
    target,
    upload_head,
)
from tests.unit.serving import until


async def test_a_stopping_server_takes_nothing_new(tmp_path: Path) -> None:
    async with opened(tmp_path / "objects") as store:
        store.application.edge = object_edge(store.blobs, draining=lambda: True)
        line = await store.server.line()
        line.send(upload_head(await store.put(5), 5) + b"hello")
        assert await refusal(line) == (503, "SHUTTING_DOWN")


async def test_a_stop_that_cannot_wait_tells_the_client(store: Store) -> None:
    stopping = False
    store.application.edge = object_edge(store.blobs, draining=lambda: stopping)
    line = await store.server.line()
    line.send(upload_head(await store.put(5), 5) + b"hel")
    await until(lambda: store.lie() != [])
    stopping = True
    for task in store.server.server.server_state.tasks:  # what uvicorn does when its time is over
        task.cancel()
    assert await refusal(line) == (503, "SHUTTING_DOWN")
    assert store.lie() == []


async def test_a_full_disk_is_the_stores_fault(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    line = await store.server.line()
    line.send(upload_head(await store.put(5), 5) + b"hello")
    status, headers, body = await line.response()
    assert (status, json.loads(body)["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert headers["retry-after"] == "5"
    assert b"space" not in body
    monkeypatch.undo()
    assert store.lie() == []


async def test_a_part_begun_anew_ends_the_one_before(store: Store) -> None:
    """The connection of the first broke without a word; the second brings the part."""
    upload_id = await store.blobs.begin_multipart(KEY, size=2 * MIB, part_size=MIB, content_type="a/b")
    request = await store.blobs.presign_part(KEY, upload_id, 2, size=MIB, expires_in=60)
    first, second = await store.server.line(), await store.server.line()
    first.send(upload_head(request, MIB) + b"1" * (MIB - 1))
    await until(lambda: open_files(store.root))
    second.send(upload_head(request, MIB) + b"2" * MIB)
    assert (await second.response())[0] == 200
    first.send(b"1")
    assert await refusal(first) == REFUSED
    third = await store.blobs.presign_part(KEY, upload_id, 1, size=MIB, expires_in=60)
    second.send(upload_head(third, MIB) + b"3" * MIB)
    assert (await second.response())[0] == 200
    parts = await store.blobs.parts(KEY, upload_id)
    await store.blobs.complete_multipart(KEY, upload_id, parts)
    assert await store.blobs.read(KEY, at_most=2 * MIB) == b"3" * MIB + b"2" * MIB


async def test_aborting_ends_a_part_that_runs(store: Store) -> None:
    upload_id = await store.blobs.begin_multipart(KEY, size=MIB, part_size=MIB, content_type="a/b")
    request = await store.blobs.presign_part(KEY, upload_id, 1, size=MIB, expires_in=60)
    line = await store.server.line()
    line.send(upload_head(request, MIB) + bytes(MIB - 1))
    await until(lambda: open_files(store.root))
    await store.blobs.abort_multipart(KEY, upload_id)
    assert store.lie() == []
    line.send(b"x")
    assert await refusal(line) == REFUSED
    assert store.lie() == []


async def test_memory_does_not_grow_with_the_object(store: Store) -> None:
    """128 MiB up and down, the client in the same process: a few pieces are held at any time."""
    count, piece = 128, bytes(MIB)
    line = await store.server.line()
    upload, download = await store.put(count * MIB), await store.get()
    tracemalloc.start()
    try:
        line.send(upload_head(upload, count * MIB))
        for _ in range(count):
            line.send(piece)
            await line.writer.drain()
        assert (await line.response())[0] == 200
        line.send(head("GET", target(download)))
        _, fields = await line.response_head()
        left = int(fields["content-length"])
        while left:
            left -= len(await line.reader.read(left))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The client's reader buffers up to 32 MiB of what it does not take at once.
    assert peak < 45 * MIB, f"{peak / MIB:.0f} MiB"
