"""All conversations, as administration walks them."""

from secureconnect.features.conversations.service import ConversationCatalogue
from tests.unit.conversations.world import World, caller


async def test_every_live_conversation_is_met_once_in_both_walks(w: World) -> None:
    catalogue = ConversationCatalogue()
    a, b, c = await w.people("a", "b", "c")
    made = [await w.group(a, b, message_retention_days=3, is_e2ee_enabled=True)]
    made += [(await w.direct(a, b)).conversation_id, await w.group(b, a, c)]
    gone = await w.group(a, b)
    await w.cases.endings.delete(caller(a), gone)
    assert await w.database.read(catalogue.count_in) == 3

    for limit in (1, 2, 3, 4):
        newest = []
        after = None
        while page := await w.database.read(
            lambda conn, after=after, limit=limit: catalogue.newest_in(conn, after=after, limit=limit)  # type: ignore[misc]
        ):
            newest += page
            after = (page[-1].created_at, page[-1].conversation_id)
        assert sorted(entry.conversation_id for entry in newest) == sorted(made)
        places = [(entry.created_at, entry.conversation_id) for entry in newest]
        assert places == sorted(places, reverse=True)

        ascending: list[str] = []
        while page := await w.database.read(
            lambda conn, last=ascending[-1:], limit=limit: catalogue.after_in(conn, "".join(last), limit)  # type: ignore[misc]
        ):
            ascending += [entry.conversation_id for entry in page]
        assert ascending == sorted(made)

    entry = next(entry for entry in newest if entry.conversation_id == made[0])
    assert (entry.type, entry.member_count, entry.is_e2ee_enabled) == ("group", 2, True)
    assert entry.message_retention_days == 3
    assert await w.database.read(lambda conn: catalogue.find_in(conn, made[0])) == entry
    assert await w.database.read(lambda conn: catalogue.find_in(conn, gone)) is None
