"""Coming and going, roles and ownership."""

import asyncio
from pathlib import Path

import msgspec

from secureconnect.features.conversations.api import MyState
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.users.api import Privacy
from secureconnect.kit.hints import ConversationGone, FactsChanged
from secureconnect.kit.ids import new_id
from tests.unit.conversations.world import World, caller, refusal, world


async def my(w: World, user_id: str, key: str) -> MyState:
    """The user's own place."""
    return await w.neighbours.my_state(key, user_id)


async def test_adding_is_all_or_nothing_apart_from_members(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    key = await w.group(a, b)
    add = w.cases.membership.add
    assert await refusal(add(caller(a), key, [c, new_id()])) == "NOT_FOUND"
    assert set(await w.members(key)) == {a, b}
    added = await add(caller(a), key, [c, b, d, c])
    assert (added.added, added.already_members) == ([c, d], [b])
    again = await add(caller(a), key, [c, d])
    assert (again.added, again.already_members) == ([], [c, d])
    events = (await w.log(key))[1:]
    assert [event.kind for event in events] == ["member_added", "member_added"]
    assert msgspec.json.decode(events[0].data) == {"user_id": c, "by": a, "via": "added", "role": "member"}
    assert (await w.cases.listing.one(c, key)).member_count == 4
    assert (await w.known(key)).members.keys() == {a, b, c, d}


async def test_who_may_add(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    (shy,) = await w.people("shy", privacy=Privacy(allow_messages_from="friends"))
    closed = await w.group(a, b)
    add = w.cases.membership.add
    assert await refusal(add(caller(d), closed, [new_id()])) == "FORBIDDEN"  # whatever else is named
    assert await refusal(add(caller(b), closed, [new_id()])) == "NOT_FOUND"
    assert await refusal(add(caller(b), closed, [c])) == "FORBIDDEN"
    assert await refusal(add(caller(a), new_id(), [c])) == "NOT_FOUND"
    assert await refusal(add(caller(a), closed, [shy])) == "FORBIDDEN"
    await w.block(c, a)
    assert await refusal(add(caller(a), closed, [c])) == "FORBIDDEN"
    opened = await w.group(a, b, invite_permission="members")
    assert (await add(caller(b), opened, [c])).added == [c]
    pair = (await w.direct(a, b)).conversation_id
    assert await refusal(add(caller(a), pair, [d])) == "CONFLICT"


async def test_new_members_read_what_the_group_shows(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    for visibility in ("all", "joined"):
        key = await w.group(a, b, history_visibility=visibility)
        for _ in range(3):
            await w.send(a, key)
        await w.cases.membership.add(caller(a), key, [c])
        seq = len(await w.log(key))
        state = await my(w, c, key)
        assert (state.last_read_seq, state.last_delivered_seq, state.unread_count) == (seq, seq, 0)
        assert state.first_visible_seq == (1 if visibility == "all" else seq)


async def test_coming_back_shows_nothing_of_the_gap(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b, c, history_visibility="joined")
    await w.cases.membership.leave(caller(c), key)
    await w.send(a, key)
    await w.cases.membership.add(caller(a), key, [c])
    state = await my(w, c, key)
    assert (state.first_visible_seq, state.unread_count) == (len(await w.log(key)), 0)
    seen = await w.cases.listing.one(c, key)
    assert seen.last_message is None


async def test_removing_and_its_last_event(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    key = await w.group(a, b, c, invite_permission="members")
    remove = w.cases.membership.remove
    assert await refusal(remove(caller(d), key, b)) == "FORBIDDEN"
    assert await refusal(remove(caller(b), key, d)) == "NOT_FOUND"
    assert await refusal(remove(caller(b), key, c)) == "FORBIDDEN"
    await remove(caller(a), key, c)
    event = (await w.log(key))[-1]
    assert event.kind == "member_removed"
    assert msgspec.json.decode(event.data) == {"user_id": c, "by": a, "reason": "removed"}
    assert await refusal(w.cases.listing.one(c, key)) == "FORBIDDEN"
    assert await refusal(w.neighbours.member(key, c)) == "FORBIDDEN"
    assert await refusal(w.send(c, key)) == "FORBIDDEN"
    # Only an admin brings back whom an admin put out.
    assert await refusal(w.cases.membership.add(caller(b), key, [c])) == "FORBIDDEN"
    assert (await w.cases.membership.add(caller(a), key, [c])).added == [c]
    await remove(caller(c), key, c)  # one's own id: leave
    assert msgspec.json.decode((await w.log(key))[-1].data)["reason"] == "left"
    assert (await w.cases.membership.add(caller(b), key, [c])).added == [c]


async def test_a_direct_conversation_has_its_two_members(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = (await w.direct(a, b)).conversation_id
    for action, code in (
        (w.cases.membership.remove(caller(a), key, b), "FORBIDDEN"),
        (w.cases.membership.remove(caller(a), key, a), "FORBIDDEN"),
        (w.cases.membership.remove(caller(a), key, c), "NOT_FOUND"),
        (w.cases.membership.leave(caller(a), key), "CONFLICT"),
        (w.cases.roles.set_role(caller(a), key, b, "member"), "FORBIDDEN"),
        (w.cases.roles.transfer(caller(a), key, b), "FORBIDDEN"),
        (w.cases.editing.edit(caller(a), key, {"title": "x"}), "FORBIDDEN"),
    ):
        assert await refusal(action) == code
    assert await w.members(key) == {a: "admin", b: "admin"}


async def test_roles_and_ownership(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    key = await w.group(a, b, c)
    set_role, transfer = w.cases.roles.set_role, w.cases.roles.transfer
    assert await refusal(set_role(caller(b), key, c, "admin")) == "FORBIDDEN"
    assert await refusal(set_role(caller(b), key, d, "admin")) == "NOT_FOUND"
    seen = await set_role(caller(a), key, b, "admin")
    assert (seen.row.role, seen.is_owner, seen.user.display_name) == ("admin", False, "User b")
    await set_role(caller(a), key, b, "admin")  # the same again: no event
    assert await refusal(set_role(caller(b), key, a, "member")) == "FORBIDDEN"
    assert await refusal(w.cases.membership.leave(caller(a), key)) == "OWNERSHIP_TRANSFER_REQUIRED"
    remove_oneself = w.cases.membership.remove(caller(a), key, a)
    assert await refusal(remove_oneself) == "OWNERSHIP_TRANSFER_REQUIRED"
    assert await refusal(transfer(caller(b), key, b)) == "FORBIDDEN"
    assert await refusal(transfer(caller(a), key, d)) == "NOT_FOUND"
    await transfer(caller(a), key, a)  # to oneself: no event
    assert (await transfer(caller(a), key, c)).owner_id == c
    events = [msgspec.json.decode(event.data) for event in await w.log(key)][1:]
    assert events == [
        {"user_id": b, "role": "admin", "by": a, "owner_id": a},
        {"user_id": c, "role": "admin", "by": a, "owner_id": c},
    ]
    assert await w.members(key) == {a: "admin", b: "admin", c: "admin"}
    assert (await w.known(key)).owner_id == c
    await w.cases.membership.leave(caller(a), key)
    assert await refusal(set_role(caller(b), key, c, "member")) == "FORBIDDEN"
    assert w.audited[-3:] == ["member_role_changed", "ownership_transferred", "member_removed"]


async def test_the_last_one_ends_the_group(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    await w.cases.membership.leave(caller(b), key)
    before = await w.known(key)
    await w.cases.membership.leave(caller(a), key)
    assert await refusal(w.cases.listing.one(a, key)) == "NOT_FOUND"
    assert await w.facts.get(key) is None
    assert await w.neighbours.stale_facts(before) is None
    assert (f"conv:{key}", ConversationGone(key, "deleted")) in w.bus.heard
    assert await w.listed(a) == []


async def test_only_the_owner_deletes_and_then_it_is_gone_for_all(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    key = await w.group(a, b, c)
    await w.cases.roles.set_role(caller(a), key, b, "admin")
    link = await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=None)
    delete = w.cases.endings.delete
    for stranger in (b, c, d):
        assert await refusal(delete(caller(stranger), key)) == "FORBIDDEN"
    facts = await w.known(key)
    await delete(caller(a), key)
    for user_id in (a, b, c, d):
        assert await refusal(w.cases.listing.one(user_id, key)) == "NOT_FOUND"
        assert await refusal(w.send(user_id, key)) == "NOT_FOUND"
    assert await refusal(delete(caller(a), key)) == "NOT_FOUND"
    assert await refusal(w.cases.invites.join(caller(d), link.code)) == "NOT_FOUND"
    assert ("ctl", FactsChanged(key)) in w.bus.heard
    assert facts.members  # what others still hold does not change under their hands


async def test_two_adds_at_the_limit(tmp_path: Path) -> None:
    async with world(tmp_path, ConversationLimits(max_members=5)) as w:
        a, *others = await w.people("a", "b", "c", "d", "e", "f")
        key = await w.group(a, *others[:3])
        add = w.cases.membership.add
        results = await asyncio.gather(
            *(add(caller(a), key, [one]) for one in others[3:]), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["Added", "ApiError"]
        assert len(await w.members(key)) == 5
        assert (await w.cases.listing.one(a, key)).member_count == 5
        assert await w.kinds(key) == ["conversation_created", "member_added"]


async def test_participants_in_the_order_of_joining(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    (quiet,) = await w.people("quiet", privacy=Privacy(send_read_receipts=False))
    key = await w.group(a, b)
    for one in (c, quiet):
        await w.cases.membership.add(caller(a), key, [one])
    seen = []
    page = await w.cases.participants.listed(b, key, after=None, limit=1)
    seen += page.items
    while page.after is not None:
        page = await w.cases.participants.listed(b, key, after=(page.after[0], page.after[1]), limit=1)
        seen += page.items
    assert [one.user.user_id for one in seen] == [*sorted((a, b)), c, quiet]
    by_id = {one.user.user_id: one for one in seen}
    assert (by_id[a].is_owner, by_id[a].row.role, by_id[b].is_owner) == (True, "admin", False)
    assert (by_id[c].last_read_seq, by_id[quiet].last_read_seq) == (2, None)
    assert by_id[c].user.status == "online"
    (d,) = await w.people("d")
    assert await refusal(w.cases.participants.listed(d, key, after=None, limit=1)) == "FORBIDDEN"
    assert await refusal(w.cases.participants.listed(d, new_id(), after=None, limit=1)) == "NOT_FOUND"
