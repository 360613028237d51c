"""Webhooks: who makes them, and what comes in through them."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from secureconnect.features.bots.service import Post
from secureconnect.features.bots.store import webhooks
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from tests.unit.bots.world import CONTEXT, World, person
from tests.unit.conversations.world import caller, refusal


def key(url: str) -> tuple[str, str]:
    """Webhook id and secret."""
    assert url.startswith("https://chat.example/v1/hooks/")
    webhook_id, secret = urlsplit(url).path.split("/")[3:]
    return webhook_id, secret


def said(text: str, username: str | None = None, metadata: Any = None) -> Post:
    return Post({"text": text, "content": None}, username, metadata)


async def made(w: World, admin: str, conversation_id: str) -> tuple[str, str]:
    """A new webhook: id and secret."""
    seen = await w.webhooks.create(person(admin), CONTEXT, conversation_id, "CI")
    assert seen.url is not None
    return key(seen.url)


async def test_members_and_strangers_are_kept_away(w: World) -> None:
    a, b, c = await w.around.people("a", "b", "c")
    g = await w.around.group(a, b)
    webhook_id, _ = await made(w, a, g)
    for who in (b, c):
        for action in (
            w.webhooks.create(person(who), CONTEXT, g, "X"),
            w.webhooks.page(who, g, after=None, limit=10),
            w.webhooks.rotate(person(who), CONTEXT, g, webhook_id),
            w.webhooks.delete(person(who), CONTEXT, g, webhook_id),
        ):
            assert await refusal(action) == "FORBIDDEN"
    other = await w.around.group(b, a)
    assert await refusal(w.webhooks.delete(person(b), CONTEXT, other, webhook_id)) == "NOT_FOUND"
    assert await refusal(w.webhooks.create(person(a), CONTEXT, new_id(), "X")) == "NOT_FOUND"
    assert w.around.audited.count("webhook_deleted") == 0


async def test_a_post_becomes_a_message_of_the_webhook(w: World) -> None:
    a, b = await w.around.people("a", "b")
    g = await w.around.group(a, b, post_permission="admins")
    webhook_id, secret = await made(w, a, g)
    await w.hooks.post(webhook_id, secret, said("done", metadata={"n": 5, "ok": True}), CONTEXT)
    await w.hooks.post(webhook_id, secret, said("late", username="Night build"), CONTEXT)
    first, second = w.desk.posted
    assert (first.conversation_id, first.sender_id, first.sender_name) == (g, None, "CI")
    assert (first.content, first.metadata) == ("done", {"n": "5", "ok": "true"})
    assert second.sender_name == "Night build"
    used = [entry for entry in w.around.trail.entries if entry.event == "webhook_used"]
    assert [(entry.actor_type, entry.target_id) for entry in used] == [("anonymous", webhook_id)] * 2
    assert all("done" not in str(entry) and secret not in str(entry) for entry in w.around.trail.entries)
    stored = await w.around.database.read(lambda conn: conn.execute(select(webhooks)).all())
    assert secret not in str(stored)


async def test_use_is_noted_once_a_minute(w: World) -> None:
    (a, b) = await w.around.people("a", "b")
    g = await w.around.group(a, b)
    webhook_id, secret = await made(w, a, g)

    async def used() -> int | None:
        return (await w.webhooks.page(a, g, after=None, limit=10)).items[0].webhook.last_used_at

    assert await used() is None
    await w.hooks.post(webhook_id, secret, said("1"), CONTEXT)
    first = await used()
    await w.hooks.post(webhook_id, secret, said("2"), CONTEXT)
    assert (await used(), len(w.desk.posted)) == (first, 2)
    w.around.clock.at += 60_000
    await w.hooks.post(webhook_id, secret, said("3"), CONTEXT)
    assert await used() != first


async def test_wrong_secrets_old_urls_and_deleted_webhooks_are_all_unknown(w: World) -> None:
    a, b = await w.around.people("a", "b")
    g = await w.around.group(a, b)
    webhook_id, secret = await made(w, a, g)
    other, elsewhere = await made(w, a, g)
    for where, wrong in (
        (webhook_id, ""),
        (webhook_id, secret[:-1]),
        (webhook_id, secret + "x"),
        (webhook_id, secret.swapcase()),
        (webhook_id, elsewhere),
        (other, secret),
        (new_id(), secret),
    ):
        assert await refusal(w.hooks.post(where, wrong, said("hi"), CONTEXT)) == "NOT_FOUND"
    seen = await w.webhooks.rotate(person(a), CONTEXT, g, webhook_id)
    assert seen.url is not None
    assert await refusal(w.hooks.post(webhook_id, secret, said("hi"), CONTEXT)) == "NOT_FOUND"
    await w.hooks.post(*key(seen.url), said("hi"), CONTEXT)
    await w.webhooks.delete(person(a), CONTEXT, g, webhook_id)
    assert await refusal(w.hooks.post(*key(seen.url), said("hi"), CONTEXT)) == "NOT_FOUND"
    assert await refusal(w.webhooks.delete(person(a), CONTEXT, g, webhook_id)) == "NOT_FOUND"
    await w.around.cases.endings.delete(caller(a), g)
    assert await refusal(w.hooks.post(other, elsewhere, said("hi"), CONTEXT)) == "NOT_FOUND"
    assert len(w.desk.posted) == 1


async def test_encryption_suspends_webhooks(w: World) -> None:
    a, b = await w.around.people("a", "b")
    g = await w.around.group(a, b)
    webhook_id, secret = await made(w, a, g)
    await w.around.cases.editing.set_settings(caller(a), g, {"is_e2ee_enabled": True})
    assert await refusal(w.hooks.post(webhook_id, secret, said("hi"), CONTEXT)) == "E2EE_BLOCKED"
    assert await refusal(w.webhooks.create(person(a), CONTEXT, g, "X")) == "E2EE_BLOCKED"
    assert w.around.trail.entries[-1].details["code"] == "E2EE_BLOCKED"
    await w.webhooks.rotate(person(a), CONTEXT, g, webhook_id)
    await w.around.cases.editing.set_settings(caller(a), g, {"is_e2ee_enabled": False})
    assert await refusal(w.hooks.post(webhook_id, secret, said("hi"), CONTEXT)) == "NOT_FOUND"


async def test_encryption_that_begins_during_a_post_refuses_it_too(w: World) -> None:
    a, b = await w.around.people("a", "b")
    g = await w.around.group(a, b)
    webhook_id, secret = await made(w, a, g)
    w.desk.refusal = ApiError(ErrorCode.E2EE_REQUIRED)
    assert await refusal(w.hooks.post(webhook_id, secret, said("hi"), CONTEXT)) == "E2EE_BLOCKED"
    assert w.around.audited[-1] == "permission_denied"


async def test_twenty_webhooks_and_no_more(w: World) -> None:
    a, b = await w.around.people("a", "b")
    g = await w.around.group(a, b)
    for _ in range(20):
        webhook_id, _ = await made(w, a, g)
    assert await refusal(w.webhooks.create(person(a), CONTEXT, g, "X")) == "LIMIT_REACHED"
    await w.webhooks.delete(person(a), CONTEXT, g, webhook_id)
    await made(w, a, g)
    found: list[str] = []
    after: Any = None
    while not found or after is not None:
        page = await w.webhooks.page(a, g, after=after, limit=7)
        found += [seen.webhook.webhook_id for seen in page.items]
        after = page.after
    assert (len(found), len(set(found)), webhook_id in found) == (20, 20, False)


@pytest.mark.parametrize(
    ("post", "field"),
    [
        (said(""), "text"),
        (said("x" * 101), "text"),
        (said("hi", metadata={"k": 10**1000}), "metadata.k"),
        (said("hi", metadata={f"{n}": "x" * 1000 for n in range(20)}), "metadata"),
    ],
)
async def test_faulty_posts_are_refused_before_anything_is_looked_up(
    w: World, post: Post, field: str
) -> None:
    with pytest.raises(ApiError) as caught:
        await w.hooks.post(new_id(), "x", post, CONTEXT)
    assert [detail.field for detail in caught.value.details] == [field]
