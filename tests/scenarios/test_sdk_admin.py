"""Every call of administration with the SDK against a real server."""

from datetime import UTC, datetime

import pytest

from secureconnect.client import Client, Conflict, Forbidden, InvalidCredentials, NotFound, SessionEnded, walk
from tests.scenarios.sdk import me, person
from tests.scenarios.server import Server
from tests.scenarios.steps import PASSWORD, Person

WHY = "Asked for by the owner."


async def test_every_call_about_the_server(server: Server, admin: Person) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob, Client(server.url) as chief:
        await chief.auth.login(username=admin.username, password=PASSWORD)
        with pytest.raises(Forbidden):
            await ann.admin.stats()
        group = await ann.conversations.create_group("Walks", [await me(bob)])
        stats = await chief.admin.stats()
        assert stats.total_conversations >= 1
        assert stats.last_updated <= datetime.now(UTC)
        health = await chief.admin.health()
        assert {one.status for one in health.components} <= {"up", "disabled"}
        assert "mail" in {queue.name for queue in await chief.admin.queues()}
        async for entry in walk(chief.admin.conversations, limit=20):
            if entry.conversation_id == group.conversation_id:
                break
        assert (entry.type, entry.member_count) == ("group", 2)
        report = await chief.admin.run_retention()
        assert (report.events, report.bytes) == (0, 0)


async def test_every_call_about_accounts(server: Server, admin: Person) -> None:
    async with person(server.url, "a") as ann, Client(server.url) as chief, Client(server.url) as again:
        await chief.auth.login(username=admin.username, password=PASSWORD)
        users, a = chief.admin.users, await me(ann)
        found = await users.get(a)
        assert (found.user_id, found.is_banned, found.storage_used) == (a, False, 0)
        page = await users.list(search=found.username, status="offline", sort_by="email", sort_order="ASC")
        assert ([user.user_id for user in page.items], page.total_count) == ([a], 1)
        assert [user.user_id async for user in walk(users.list, search=found.username)] == [a]

        made = await users.create(
            email=f"x-{found.email}", username=f"x{found.username}", password=PASSWORD, display_name="X"
        )
        assert (made.role, made.last_login_at) == ("user", None)
        changed = await users.update(made.user_id, storage_quota=5, email_verified=True)
        assert (changed.storage_quota, changed.email_verified, changed.role) == (5, True, "user")
        assert (await users.update(made.user_id, storage_quota=None)).storage_quota > 5

        until = await users.ban(a, WHY, hours=1)
        assert until is not None
        assert until > datetime.now(UTC)
        with pytest.raises(SessionEnded):
            await ann.users.me()
        with pytest.raises(Conflict):
            await users.ban(a, WHY)
        await users.unban(a, WHY)
        with pytest.raises(NotFound):
            await users.unban(a, WHY)
        assert await users.ban(a, WHY) is None
        await users.unban(a, WHY)

        await again.auth.login(username=found.username, password=PASSWORD)
        await users.log_out(a, WHY)
        with pytest.raises(SessionEnded):
            await again.users.me()
        await users.reset_mfa(a, WHY)
        await users.delete(a, WHY)
        with pytest.raises(InvalidCredentials):
            await again.auth.login(username=found.username, password=PASSWORD)
        assert (await users.restore(a, WHY)).user_id == a
        await again.auth.login(username=found.username, password=PASSWORD)
        erase_at = await again.users.delete_account()
        assert erase_at > datetime.now(UTC)
