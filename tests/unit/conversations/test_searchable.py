"""Where a user may search, and from where on."""

import pytest

from secureconnect.features.conversations.service import neighbours
from tests.unit.conversations.world import World, caller


async def test_many_conversations(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_FEW", 3)
    a, b = await w.people("a", "b")
    keys: set[str] = set()
    for _ in range(5):
        keys.add(await w.group(a, b))
        assert set(await w.neighbours.readable(a)) == keys


async def test_only_what_the_user_may_read(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    whole = await w.group(a, b)
    joined = await w.group(a, b, history_visibility="joined")
    for _ in range(3):
        await w.send(a, joined)
    await w.cases.membership.add(caller(a), joined, [c])
    secret = await w.group(a, b, is_e2ee_enabled=True)
    direct = (await w.direct(a, b)).conversation_id

    async def searchable(user_id: str, *among: str) -> dict[str, int]:
        return await w.database.read(lambda conn: w.neighbours.searchable_in(conn, user_id, among))

    assert await w.neighbours.readable(a) == {whole: 1, joined: 1, secret: 1, direct: 1}
    assert await w.neighbours.readable(c) == {joined: 5}
    assert await w.neighbours.readable((await w.people("d"))[0]) == {}
    assert await searchable(a, whole, secret, joined) == {whole: 1, joined: 1}
    assert await searchable(c, whole) == {}
    assert await searchable(a) == {}
    await w.cases.personal.clear(a, joined)
    assert await searchable(a, joined) == {joined: 6}
    assert (await w.neighbours.readable(a))[joined] == 6
    await w.cases.editing.set_settings(caller(a), secret, {"is_e2ee_enabled": False})
    assert await searchable(b, secret) == {secret: 1}
    await w.cases.membership.remove(caller(a), secret, b)
    assert await searchable(b, secret) == {}
    assert secret not in await w.neighbours.readable(b)
