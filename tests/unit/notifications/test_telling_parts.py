"""A large conversation is told in parts, so that the one writer is never busy with it for long."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.friends.service import Relations
from secureconnect.features.messages import store as messages_store
from secureconnect.features.messages.service import SendRequest
from secureconnect.features.notifications import store
from secureconnect.features.notifications.service import Follower, Teller
from secureconnect.features.notifications.service.frames import Frames
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.database.base import WriteTx
from tests.unit.conversations.world import World, caller, world
from tests.unit.messages.fakes import NobodyOnline

_MOST = 100  # entries that may be put at once


class _Called:
    def called_in(
        self, conn: Connection, conversation_id: str, first: int, last: int
    ) -> Mapping[int, Collection[str]]:
        return messages_store.called(conn, conversation_id, first, last)


class _Uncounted:
    def notified(self, type_: str) -> None:
        pass


def follower(w: World, teller: Teller) -> Follower:
    return Follower(
        w.database,
        w.timeline,
        w.neighbours,
        Relations(w.database),
        _Called(),  # type: ignore[arg-type]  # all that is asked for
        w.users,
        NobodyOnline(),
        teller,
        w.clock,
    )


async def test_many_mentions_of_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as w:
        people = await w.people(*(f"p{number}" for number in range(150)))
        g = await w.group(people[0], *people[1:])
        teller = Teller(Frames(MemoryBus(), Timers(w.clock)), None, _Uncounted(), w.clock)
        telling = follower(w, teller)
        put: list[int] = []
        tell, write = teller.tell_known_in, w.database.write

        def counted(*args: Any, **options: Any) -> None:
            put[-1] += 1
            tell(*args, **options)

        async def parted(work: Callable[[WriteTx], Any], **how: Any) -> Any:
            put.append(0)
            return await write(work, **how)

        await telling.start()
        monkeypatch.setattr(teller, "tell_known_in", counted)
        for _ in range(30):
            request = SendRequest(g, "all of you", mention_all=True)
            await w.sending.send(caller(people[0]).principal, request)
        for on in (True, False):
            await w.cases.editing.set_settings(caller(people[0]), g, {"is_e2ee_enabled": on})
        await telling.stop()
        put.append(0)
        monkeypatch.setattr(w.database, "write", parted)
        # As after a start: everything is read from the log, once, however often it is told.
        for _ in range(2):
            again = follower(w, teller)
            await again._prepare()
            await again._drain()

        def counts(conn: Connection) -> list[int]:
            return [store.count_unread(conn, person) for person in people]

        assert max(put) <= _MOST, put
        found = await w.database.read(counts)
    assert set(found[1:]) == {30 + 2}, "30 mentions, and encryption on and off"


async def test_whoever_is_gone_when_it_is_told_is_not_named(tmp_path: Path) -> None:
    """Erasure removes what names the person; what is told later must not bring the name back."""
    async with world(tmp_path) as w:
        people = await w.people("goner", "reader")
        g = await w.group(*people)
        teller = Teller(Frames(MemoryBus(), Timers(w.clock)), None, _Uncounted(), w.clock)
        telling = follower(w, teller)
        await telling._prepare()
        await w.sending.send(caller(people[0]).principal, SendRequest(g, "bye", mention_all=True))
        await w.users.many(people)  # as whoever looked them up lately remembers them
        gone = text("UPDATE users SET state = 'deleted' WHERE user_id = :id")
        await w.database.write(lambda tx: tx.conn.execute(gone, {"id": people[0]}))
        again = follower(w, teller)
        await again._prepare()
        await again._drain()
        rows = await w.database.read(
            lambda conn: conn.execute(text("SELECT title, body FROM notifications")).all()
        )
    assert rows
    assert "goner" not in str(rows).lower()
