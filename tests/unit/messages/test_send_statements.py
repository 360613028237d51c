"""What a send costs the one writer: a plain message pays nothing for what others may carry."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.messages.service import SendRequest
from secureconnect.infra.database.base import WriteTx
from tests.unit.messages.desk import Desk, by, desk


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


class _Counted:
    """A transaction that writes down what runs in it."""

    def __init__(self, tx: WriteTx, seen: list[str]) -> None:
        self._tx, self._seen = tx, seen

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        self._seen.append(sql)
        return self._tx.run(sql, params)

    def __getattr__(self, name: str) -> Any:
        assert name != "conn", "a plain send runs plain SQL only"
        return getattr(self._tx, name)


async def sent(place: Desk, monkeypatch: pytest.MonkeyPatch, user: str, request: SendRequest) -> list[str]:
    """The beginnings of the statements that a send runs in its transaction."""
    seen: list[str] = []
    write = place.world.database.write

    async def counted(work: Callable[[WriteTx], Any], **how: Any) -> Any:
        return await write(lambda tx: work(_Counted(tx, seen)), **how)

    with monkeypatch.context() as patch:
        patch.setattr(place.world.database, "write", counted)
        await place.cases.sending.send(by(user), request)
    return [" ".join(sql.split()[:3]) for sql in seen]


async def test_five_statements_and_those_that_ride(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    log = [
        "SELECT last_seq, guard",
        "INSERT INTO send_dedup",
        "UPDATE timeline_heads SET",
        "INSERT INTO timeline_events",
        "INSERT INTO messages",
    ]
    riding = ["UPDATE conversations SET", "UPDATE conversation_participants SET"]
    plain = SendRequest(group, "hello")
    keyed = SendRequest(group, "hello", client_message_id="k")
    assert await sent(place, monkeypatch, a, keyed) == log + riding
    assert await sent(place, monkeypatch, a, plain) == [log[0], *log[2:], *riding]
    mention = SendRequest(group, "hello", mentions=[b])
    assert (await sent(place, monkeypatch, a, mention))[6:] == ["INSERT INTO mentions"]
