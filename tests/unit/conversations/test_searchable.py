"""Where a user may search, and from where on."""

from sqlalchemy import Connection

from tests.unit.conversations.world import World, caller


async def test_only_what_the_user_may_read(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    whole = await w.group(a, b)
    joined = await w.group(a, b, history_visibility="joined")
    for _ in range(3):
        await w.send(a, joined)
    await w.cases.membership.add(caller(a), joined, [c])
    secret = await w.group(a, b, is_e2ee_enabled=True)
    direct = (await w.direct(a, b)).conversation_id

    async def of(user_id: str, *among: str) -> dict[str, int]:
        def read(conn: Connection) -> dict[str, int]:
            return w.neighbours.searchable_in(conn, user_id, among or None)

        return await w.database.read(read)

    assert await of(a) == {whole: 1, joined: 1, direct: 1}
    assert await of(c) == {joined: 5}
    assert await of(a, whole, secret, joined) == {whole: 1, joined: 1}
    assert await of(c, whole) == {}
    await w.cases.personal.clear(a, joined)
    assert await of(a, joined) == {joined: 6}
    await w.cases.editing.set_settings(caller(a), secret, {"is_e2ee_enabled": False})
    assert await of(b, secret) == {secret: 1}
    await w.cases.membership.remove(caller(a), secret, b)
    assert await of(b, secret) == {}
    assert await of((await w.people("d"))[0]) == {}
