"""Title, picture and settings: one event per change, none for what is the same."""

import msgspec
from sqlalchemy import Connection

from secureconnect.kit.ids import new_time_id
from tests.unit.conversations.world import World, caller, refusal


async def test_edit(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b)
    edit = w.cases.editing.edit
    assert await refusal(edit(caller(c), key, {"title": "x"})) == "FORBIDDEN"
    changes = {"title": "New", "description": "About", "avatar_url": "https://img.example/1.png"}
    seen = await edit(caller(b), key, changes)
    assert (seen.title, seen.name, seen.description) == ("New", "New", "About")
    await edit(caller(b), key, changes)  # the same again
    await edit(caller(b), key, {})
    cleared = await edit(caller(a), key, {"title": None, "description": "About"})
    assert (cleared.title, cleared.name) == (None, "User b")
    events = (await w.log(key))[1:]
    assert [msgspec.json.decode(event.data) for event in events] == [
        {"changed": changes, "by": b},
        {"changed": {"title": None}, "by": a},
    ]
    assert cleared.last_seq == 3
    assert (await w.cases.listing.one(a, key)).updated_at == cleared.updated_at > seen.updated_at
    assert await refusal(edit(caller(a), key, {"avatar_url": "ftp://x"})) == "VALIDATION_ERROR"
    await w.cases.editing.set_settings(caller(a), key, {"edit_permission": "admins"})
    assert await refusal(edit(caller(b), key, {"title": "x"})) == "FORBIDDEN"


async def test_pictures_made_of_files(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b)
    edit, one, two = w.cases.editing.edit, new_time_id(), new_time_id()
    w.pictures.refused = {new_time_id()}
    assert await refusal(edit(caller(c), key, {"avatar_file_id": one})) == "FORBIDDEN"
    assert w.pictures.made == []  # nothing is made for whoever may not show it
    assert await refusal(edit(caller(b), key, {"avatar_file_id": min(w.pictures.refused)})) == "NOT_FOUND"
    seen = await edit(caller(b), key, {"avatar_file_id": one})
    assert seen.avatar_url is not None
    assert seen.avatar_url.startswith(f"/v1/conversations/{key}/avatar?v=")
    await edit(caller(b), key, {"avatar_file_id": one})  # as it is
    assert (await edit(caller(a), key, {"avatar_file_id": two})).avatar_url != seen.avatar_url
    assert w.pictures.made == [(b, one), (b, one), (a, two)]
    assert w.pictures.gone == [one]
    elsewhere = await edit(caller(a), key, {"avatar_url": "https://img.example/1.png"})
    assert elsewhere.avatar_url == "https://img.example/1.png"
    assert w.pictures.gone == [one, two]
    none = await edit(caller(a), key, {"avatar_file_id": None})
    assert none.avatar_url is None
    changed = [msgspec.json.decode(event.data)["changed"] for event in (await w.log(key))[1:]]
    assert [set(one) for one in changed] == [{"avatar_url"}] * 4

    def stored(conn: Connection) -> list[object]:
        return [
            w.neighbours.avatar_in(conn, key),
            w.neighbours.avatars_among_in(conn, [one, two]),
            w.neighbours.visible_from_in(conn, b, [key, one]),
            w.neighbours.visible_from_in(conn, c, [key]),
        ]

    assert await w.database.read(stored) == [None, set(), {key: 1}, {}]
    await edit(caller(a), key, {"avatar_file_id": two})
    assert (await w.database.read(stored))[:2] == [two, {two}]


async def test_settings(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b)
    put = w.cases.editing.set_settings
    assert await refusal(put(caller(c), key, {"post_permission": "admins"})) == "FORBIDDEN"
    assert await refusal(put(caller(b), key, {"post_permission": "admins"})) == "FORBIDDEN"
    assert await refusal(put(caller(a), key, {"message_ttl_seconds": 3})) == "VALIDATION_ERROR"
    before = await w.known(key)
    settings = await put(caller(a), key, {"post_permission": "admins", "edit_permission": "members"})
    assert (await w.cases.listing.one(b, key)).settings == settings
    assert (await w.known(key)).settings == settings
    assert (await w.known(key)).guard > before.guard
    known = await w.known(key)
    same = await put(caller(a), key, {"post_permission": "admins"})
    assert same == settings
    assert await w.known(key) is known
    (event,) = (await w.log(key))[1:]
    assert msgspec.json.decode(event.data) == {"changed": {"post_permission": "admins"}, "by": a}
    assert w.audited == ["conversation_created", "conversation_settings_changed"]


async def test_the_encryption_mode_is_told_apart(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    put = w.cases.editing.set_settings
    assert await refusal(put(caller(b), key, {"is_e2ee_enabled": True})) == "FORBIDDEN"
    await put(caller(a), key, {"is_e2ee_enabled": False})  # as it is
    await put(caller(a), key, {"is_e2ee_enabled": True, "recording_enabled": True})
    await put(caller(a), key, {"is_e2ee_enabled": False})
    assert await w.kinds(key) == [
        "conversation_created",
        "e2ee_mode_changed",
        "conversation_updated",
        "e2ee_mode_changed",
    ]
    assert w.audited[1:] == ["e2ee_enabled", "conversation_settings_changed", "e2ee_disabled"]
    pair = (await w.direct(a, b)).conversation_id
    await put(caller(b), pair, {"is_e2ee_enabled": True})  # both sides of a pair are admins
    assert (await w.cases.listing.one(a, pair)).settings.is_e2ee_enabled is True
