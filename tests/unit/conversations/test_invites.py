"""Links that let people join."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.store.tables import conversation_invites
from secureconnect.infra.crypto.sealing import SealBroken, Sealer
from secureconnect.kit.ids import new_id
from tests.unit.conversations.world import World, caller, refusal, world


async def test_a_code_is_stored_hashed_and_sealed(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    made = await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=3)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", made.code)
    assert made.url == f"https://chat.example/invite/{made.code}"
    assert made.invite.expires_at - made.invite.created_at == 604_800_000
    row = (await w.database.read(lambda conn: conn.execute(select(conversation_invites)).all()))[0]
    assert not any(made.code.encode() in value for value in row if isinstance(value, bytes))
    assert Sealer(bytes(32)).open(row.code_enc, f"invite:{row.invite_id}").decode() == made.code
    with pytest.raises(SealBroken):
        Sealer(bytes(32)).open(row.code_enc, f"invite:{new_id()}")
    page = await w.cases.invites.listed(a, key, after=None, limit=10)
    assert [(one.code, one.url) for one in page.items] == [(made.code, made.url)]


async def test_preview_and_join(w: World) -> None:
    a, b, d, e = await w.people("a", "b", "d", "e")
    key = await w.group(a, b)
    made = await w.cases.invites.create(caller(a), key, expires_in=300, max_uses=1)
    preview = await w.cases.invites.preview(d, made.code)
    assert (preview.record.title, preview.record.member_count, preview.already_member) == ("G", 2, False)
    assert (await w.cases.invites.preview(a, made.code)).already_member is True
    assert (await w.cases.invites.join(caller(a), made.code)).member_count == 2  # no use is counted
    assert (await w.cases.invites.join(caller(d), made.code)).member_count == 3
    again = await w.cases.invites.join(caller(d), made.code)  # a repeat of the last use
    assert (again.member_count, again.last_seq) == (3, 2)
    event = (await w.log(key))[-1]
    assert event.actor_id == d
    assert msgspec.json.decode(event.data) == {"user_id": d, "by": a, "via": "invite", "role": "member"}
    for action in (w.cases.invites.join(caller(e), made.code), w.cases.invites.preview(e, made.code)):
        assert await refusal(action) == "NOT_FOUND"
    assert (await w.cases.invites.listed(a, key, after=None, limit=10)).items == []
    await w.cases.invites.revoke(caller(a), key, made.invite.invite_id)
    assert w.audited[-3:] == ["member_added", "invite_used", "invite_revoked"]


async def test_what_lets_nobody_in(w: World) -> None:
    a, b, d = await w.people("a", "b", "d")
    key, other = await w.group(a, b), await w.group(a, b)
    create = w.cases.invites.create
    revoked = await create(caller(a), key, expires_in=None, max_uses=None)
    expired = await create(caller(a), key, expires_in=300, max_uses=None)
    revoke = w.cases.invites.revoke
    for conversation_id, invite_id in ((key, new_id()), (other, revoked.invite.invite_id)):
        assert await refusal(revoke(caller(a), conversation_id, invite_id)) == "NOT_FOUND"
    await revoke(caller(a), key, revoked.invite.invite_id)
    assert await refusal(revoke(caller(a), key, revoked.invite.invite_id)) == "NOT_FOUND"
    w.clock.at += 300_000
    for code in (revoked.code, expired.code, "x" * 22, "", "ünknown", "\udc80"):
        assert await refusal(w.cases.invites.preview(d, code)) == "NOT_FOUND"
        assert await refusal(w.cases.invites.join(caller(d), code)) == "NOT_FOUND"
    assert await w.kinds(key) == ["conversation_created"]


async def test_who_may_handle_invites(w: World) -> None:
    a, b, c, d = await w.people("a", "b", "c", "d")
    key = await w.group(a, b, c)
    invites = w.cases.invites
    for who in (b, d):
        assert await refusal(invites.create(caller(who), key, expires_in=None, max_uses=None)) == "FORBIDDEN"
        assert await refusal(invites.listed(who, key, after=None, limit=1)) == "FORBIDDEN"
    await w.cases.editing.set_settings(caller(a), key, {"invite_permission": "members"})
    made = await invites.create(caller(b), key, expires_in=None, max_uses=None)
    assert await refusal(invites.revoke(caller(c), key, made.invite.invite_id)) == "FORBIDDEN"
    assert await refusal(invites.revoke(caller(d), key, made.invite.invite_id)) == "FORBIDDEN"
    await invites.revoke(caller(b), key, made.invite.invite_id)
    pair = (await w.direct(a, b)).conversation_id
    assert await refusal(invites.create(caller(a), pair, expires_in=None, max_uses=None)) == "CONFLICT"


async def test_whom_a_link_keeps_out(w: World) -> None:
    a, b, d, e = await w.people("a", "b", "d", "e")
    key = await w.group(a, b, d)
    made = await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=None)
    await w.cases.membership.remove(caller(a), key, d)
    await w.block(e, a)
    assert await refusal(w.cases.invites.join(caller(d), made.code)) == "FORBIDDEN"
    assert await refusal(w.cases.invites.join(caller(e), made.code)) == "FORBIDDEN"
    await w.cases.membership.add(caller(a), key, [d])
    await w.cases.membership.leave(caller(d), key)  # who left by itself may come back
    assert (await w.cases.invites.join(caller(d), made.code)).member_count == 3


async def test_one_place_is_taken_once(tmp_path: Path) -> None:
    async with world(tmp_path, ConversationLimits(max_members=3, max_per_user=2)) as w:
        a, b, *rest = await w.people("a", "b", "c", "d", "e")
        key = await w.group(a, b)
        once = await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=1)
        results = await asyncio.gather(
            *(w.cases.invites.join(caller(one), once.code) for one in rest), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == [
            "ApiError",
            "ApiError",
            "Conversation",
        ]
        inside = await w.members(key)
        outside = [one for one in rest if one not in inside]
        free = await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=None)
        assert await refusal(w.cases.invites.join(caller(outside[0]), free.code)) == "LIMIT_REACHED"
        x, y, z = await w.people("x", "y", "z")
        await w.direct(x, y)
        await w.direct(x, z)
        open_group = await w.group(y, z)
        link = await w.cases.invites.create(caller(y), open_group, expires_in=None, max_uses=None)
        assert await refusal(w.cases.invites.join(caller(x), link.code)) == "LIMIT_REACHED"


async def test_twenty_live_ones_each_listed_once(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    made = [await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=None) for _ in range(20)]
    assert (
        await refusal(w.cases.invites.create(caller(a), key, expires_in=None, max_uses=1)) == "LIMIT_REACHED"
    )
    page = await w.cases.invites.listed(a, key, after=None, limit=8)
    seen = [one.code for one in page.items]
    await w.cases.invites.revoke(caller(a), key, made[-1].invite.invite_id)  # seen already
    await w.cases.invites.create(caller(a), key, expires_in=None, max_uses=None)
    while page.after is not None:
        page = await w.cases.invites.listed(a, key, after=(page.after[0], page.after[1]), limit=8)
        seen += [one.code for one in page.items]
    assert seen == [one.code for one in reversed(made)]
