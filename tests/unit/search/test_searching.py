"""The index only proposes: messages and membership are read again before anything is shown."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from secureconnect.features.messages.service.rendering import render_message
from secureconnect.features.search.service import SearchPage, SearchRequest, SearchService
from secureconnect.infra.search.base import Found, Query
from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.objects import ConversationSettings, Message
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal
from tests.unit.search.world import World


class Conversations:
    """One user and the conversations that it is in now."""

    def __init__(self) -> None:
        self.visible: dict[str, int] = {}
        self.encrypted: set[str] = set()

    async def readable(self, user_id: str) -> dict[str, int]:
        return dict(self.visible)

    def searchable_in(self, conn: Connection, user_id: str, among: Collection[str]) -> dict[str, int]:
        return {key: seq for key, seq in self.visible.items() if key in among and key not in self.encrypted}

    async def member(self, conversation_id: str, user_id: str) -> Any:
        if conversation_id not in self.visible:
            raise ApiError(ErrorCode.FORBIDDEN)
        return _Member(self.visible[conversation_id], conversation_id in self.encrypted)


class _Member:
    def __init__(self, visible_from: int, encrypted: bool) -> None:
        self.visible_from = visible_from
        self.settings = ConversationSettings(is_e2ee_enabled=encrypted, updated_at="")


class Messages:
    def __init__(self) -> None:
        self.hidden: set[str] = set()

    async def rendered(self, viewer_id: str, stored: Sequence[StoredMessage]) -> list[Message]:
        return [render_message(one, {one.sender_id or "": "N"}, viewer_id) for one in stored]

    def hidden_in(self, conn: Connection, user_id: str, message_ids: Collection[str]) -> set[str]:
        return self.hidden & set(message_ids)


class Users:
    async def get(self, user_id: str) -> object:
        return object()

    async def by_login(self, *, username: str) -> None:
        return None


class Searching:
    """The service over a world, and one caller."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.conversations, self.messages = Conversations(), Messages()
        self.conversations.visible[w.conversation_id] = 1
        users: Any = Users()
        conversations: Any = self.conversations
        messages: Any = self.messages
        self.service = SearchService(
            w.database, w.timeline, w.index, w.feeder, users, conversations, messages, Cursors(bytes(32))
        )
        self.caller = Principal(new_id(), new_id(), new_id(), "user", 0)

    async def page(self, text: str, cursor: str | None = None, limit: int = 20, **fields: Any) -> SearchPage:
        request = SearchRequest(text=text, **fields)
        return await self.service.search(self.caller, request, cursor=cursor, limit=limit)

    async def found(self, text: str) -> list[str]:
        return [message.message_id for message in (await self.page(text)).messages]


@pytest.fixture
async def s(w: World) -> Searching:
    await w.feeder.start()
    return Searching(w)


async def test_what_the_index_does_not_know_yet_counts(s: Searching) -> None:
    w = s.w
    ids = await w.say("hello one", "hello two", "hello three")
    assert await s.found("hello") == ids[::-1]
    w.timeline.listen(lambda events: None)  # from here on the index hears nothing
    await w.edit(ids[0], "changed")
    await w.delete(ids[1])
    assert await w.found("hello") == ids[::-1]
    assert await s.found("hello") == [ids[2]]


async def test_who_is_removed_while_searching_finds_nothing(
    s: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await s.w.say("hello", "hello", "hello")
    find, changes = s.w.index.find, dict[str, Any]()

    async def found(query: Query, within: Mapping[str, int], **options: Any) -> Found:
        hits = await find(query, within, **options)
        for change in changes.values():
            change()
        return hits

    monkeypatch.setattr(s.w.index, "find", found)
    assert await s.found("hello") == ids[::-1]
    changes["joined again"] = lambda: s.conversations.visible.update({s.w.conversation_id: 3})
    assert await s.found("hello") == ids[2:]
    changes["removed"] = s.conversations.visible.clear
    s.conversations.visible[s.w.conversation_id] = 1
    assert await s.found("hello") == []
    changes = {"encrypted": lambda: s.conversations.encrypted.add(s.w.conversation_id)}
    s.conversations.visible[s.w.conversation_id] = 1
    assert await s.found("hello") == []
    with pytest.raises(ApiError) as refused:
        await s.page("hello", conversation_id=s.w.conversation_id)
    assert refused.value.code is ErrorCode.E2EE_BLOCKED


async def test_pages_stay_full_when_much_of_the_index_is_stale(s: Searching) -> None:
    ids = await s.w.say(*(f"hello {number}" for number in range(60)))
    assert len(await s.found("hello")) == 20
    s.messages.hidden = set(ids[20:55])
    page = await s.page("hello", limit=10)
    shown = [message.message_id for message in page.messages]
    assert shown == [*ids[59:54:-1], *ids[19:14:-1]]
    assert page.has_more
    rest = await s.page("hello", page.next_cursor, limit=50)
    assert [message.message_id for message in rest.messages] == ids[14::-1]
    assert not rest.has_more
    assert rest.next_cursor is None


async def test_signs_must_stand_in_a_row(s: Searching) -> None:
    ids = await s.w.say("日本語", "本語 日本", "日本 語")
    assert await s.found("日本語") == ids[:1]
    assert await s.found("日本") == ids[::-1]
