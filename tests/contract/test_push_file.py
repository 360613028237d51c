"""Pushes into a file, until there is a provider."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from secureconnect.infra.push.base import PushDelayed, Target, masked
from secureconnect.infra.push.file import FilePush
from tests.contract.push_worlds import push

DEVICE = Target("fcm", "abcdefgh-and-more-12345678", "token-1", "user-1")


async def test_a_line_for_each_push(tmp_path: Path) -> None:
    path = tmp_path / "push.jsonl"
    file = FilePush(path)
    await file.check(DEVICE)
    await asyncio.gather(*(file.send(DEVICE, push(push_id=f"p{number}")) for number in range(5)))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["delivery_id"] for line in lines) == ["p0", "p1", "p2", "p3", "p4"]
    assert {**lines[0], "delivery_id": ""} == {
        "delivery_id": "",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "type": "fcm",
        "token_id": "token-1",
        "token": "abcdefgh…12345678",
        "user_id": "user-1",
        "kind": "message",
        "title": "New message",
        "body": "New message from Anna",
        "badge": 3,
        "urgent": False,
        "data": {"conversation_id": "c1"},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await file.close()


async def test_a_push_that_may_have_been_written_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "push.jsonl"
    await FilePush(path).send(DEVICE, push(push_id="p1"))
    for push_id in ("p1", "p2", "p2"):
        await FilePush(path).send(DEVICE, push(push_id=push_id, repeat=True))
    assert [json.loads(line)["delivery_id"] for line in path.read_text().splitlines()] == ["p1", "p2"]


async def test_half_a_line_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "push.jsonl"
    await FilePush(path).send(DEVICE, push(push_id="p1"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b"p1", b"p2")[:40])
    await FilePush(path).send(DEVICE, push(push_id="p2", repeat=True))
    first, _, last = path.read_bytes().splitlines(keepends=True)
    assert (first, json.loads(last)["delivery_id"]) == (whole, "p2")


async def test_a_file_that_cannot_be_written_delays(tmp_path: Path) -> None:
    (tmp_path / "push.jsonl").mkdir()
    with pytest.raises(PushDelayed) as caught:
        await FilePush(tmp_path / "push.jsonl").send(DEVICE, push())
    assert caught.value.unreachable


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("abcdefgh-and-more-12345678", "abcdefgh…12345678"),
        ("a" * 16, "aaaa…aaaa"),
        ("abcd", "a…d"),
        ("abc", "…"),
        ("a", "…"),
    ],
)
def test_what_is_shown_of_a_token(token: str, shown: str) -> None:
    assert masked(token) == shown
    assert token not in repr(Target("fcm", token, "t", "u")) or len(token) < 4
