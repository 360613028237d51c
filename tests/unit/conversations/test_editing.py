"""Title, picture and settings: one event per change, none for what is the same."""

import msgspec

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
