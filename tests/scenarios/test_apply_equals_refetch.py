"""For every kind of event: a client that applies what its socket brings ends with what a fetch gives."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from secureconnect.client import ConversationState, Event, LocalState
from secureconnect.client.models import Conversation, Message, Participant
from secureconnect.kit.events import KINDS
from tests.scenarios.conftest import Register
from tests.scenarios.signaling import call, join
from tests.scenarios.steps import Chat, Person, group, send, ws


class Cast(NamedTuple):
    """A owns the group, B watches, C is a member, D is not yet."""

    a: Person
    b: Person
    c: Person
    d: Person
    g: str


Act = Callable[[Cast], Awaitable[Any]]


async def speak(cast: Cast) -> None:
    (await send(cast.a, cast.g, "from another", "key-a", metadata={"n": 1})).ok(201)
    (await send(cast.b, cast.g, "of its own", "key-b")).ok(201)
    (await send(cast.c, cast.g, "\x00", is_encrypted=True, e2ee={"alg": "x"})).ok(201)


async def add(cast: Cast) -> None:
    path = f"/v1/conversations/{cast.g}/participants"
    (await cast.a.post(path, {"user_ids": [cast.d.user_id]})).ok()


async def remove(cast: Cast) -> None:
    (await cast.a.delete(f"/v1/conversations/{cast.g}/participants/{cast.c.user_id}")).ok()


async def promote(cast: Cast) -> None:
    path = f"/v1/conversations/{cast.g}/participants/{cast.c.user_id}"
    (await cast.a.patch(path, {"role": "admin"})).ok()
    (await cast.a.post(f"/v1/conversations/{cast.g}/transfer", {"user_id": cast.c.user_id})).ok()


async def edit(cast: Cast) -> None:
    fields = {"title": "New title", "description": "New", "avatar_url": "https://example.test/a.png"}
    (await cast.a.patch(f"/v1/conversations/{cast.g}", fields)).ok()
    (await cast.a.put(f"/v1/conversations/{cast.g}/settings", {"post_permission": "admins"})).ok()
    (await cast.a.patch(f"/v1/conversations/{cast.g}", {"description": None})).ok()


async def encrypt(cast: Cast) -> None:
    (await cast.a.put(f"/v1/conversations/{cast.g}/settings", {"is_e2ee_enabled": True})).ok()


async def talk(cast: Cast) -> list[str]:
    """A quoted message of A's with a thread, a reply in it, and one of B's own."""
    root = (await send(cast.a, cast.g, "x" * 120, "key-a", metadata={"n": 1})).ok(201)["message_id"]
    about = {"reply_to_message_id": root, "thread_root_id": root}
    reply = (await send(cast.c, cast.g, "in thread", **about)).ok(201)["message_id"]
    own = (await send(cast.b, cast.g, "own", "key-b", reply_to_message_id=reply)).ok(201)["message_id"]
    for person in (cast.a, cast.b):
        (await person.post(f"/v1/messages/{root}/react", {"emoji": "👍"})).ok(201)
    (await cast.b.post(f"/v1/messages/{own}/react", {"emoji": "🎉"})).ok(201)
    (await cast.a.post(f"/v1/conversations/{cast.g}/pins", {"message_id": root})).ok(201)
    return [root, reply, own]


async def correct(cast: Cast) -> None:
    root, _, own = await talk(cast)
    fields = {"content": "y" * 120, "metadata": None, "mentions": [cast.b.user_id]}
    (await cast.a.patch(f"/v1/messages/{root}", fields)).ok()
    (await cast.b.patch(f"/v1/messages/{own}", {"content": "own, again"})).ok()
    (await cast.b.patch(f"/v1/messages/{own}", {"content": "own, once more"})).ok()


async def take_back(cast: Cast) -> None:
    for message_id in await talk(cast):
        (await cast.a.delete(f"/v1/messages/{message_id}")).ok()


async def react(cast: Cast) -> None:
    root, _, own = await talk(cast)
    for message_id, emoji in ((root, "❤️"), (own, "👍"), (own, "🎉")):
        (await cast.c.post(f"/v1/messages/{message_id}/react", {"emoji": emoji})).ok(201)


async def unreact(cast: Cast) -> None:
    root, _, own = await talk(cast)
    for person, message_id, emoji in ((cast.a, root, "👍"), (cast.b, own, "🎉"), (cast.b, root, "👍")):
        (await person.delete(f"/v1/messages/{message_id}/react", {"emoji": emoji})).ok()


async def pin(cast: Cast) -> None:
    _, reply, own = await talk(cast)
    for message_id in (own, reply):
        (await cast.b.post(f"/v1/conversations/{cast.g}/pins", {"message_id": message_id})).ok(201)
    (await cast.a.delete(f"/v1/messages/{reply}")).ok()


async def unpin(cast: Cast) -> None:
    root, _, _ = await talk(cast)
    (await cast.b.delete(f"/v1/conversations/{cast.g}/pins/{root}")).ok()


async def ask(cast: Cast) -> Any:
    """A poll of B's that a message answers."""
    body = {"conversation_id": cast.g, "question": "Where?", "poll_type": "multi", "options": ["N", "S"]}
    poll = (await cast.b.post("/v1/polls", {**body, "allow_vote_change": True})).ok(201)
    (await send(cast.a, cast.g, "hm", reply_to_message_id=poll["poll_id"])).ok(201)
    return poll


async def vote(cast: Cast) -> Any:
    poll = await ask(cast)
    north, south = (option["option_id"] for option in poll["options"])
    for person, chosen in ((cast.a, [north, south]), (cast.c, [north]), (cast.a, [south])):
        (await person.post("/v1/polls/vote", {"poll_id": poll["poll_id"], "option_ids": chosen})).ok()
    return poll


async def close(cast: Cast) -> None:
    (await cast.a.post("/v1/polls/close", {"poll_id": (await vote(cast))["poll_id"]})).ok()
    (await cast.a.delete(f"/v1/polls/{(await vote(cast))['poll_id']}")).ok()


async def ring(cast: Cast) -> str:
    return await call(cast.a, cast.g, [cast.b, cast.c])


async def hang_up(cast: Cast) -> None:
    call_id = await ring(cast)
    (await join(cast.c, call_id)).ok()
    (await cast.a.post(f"/v1/calls/{call_id}/end")).ok()


async def record(cast: Cast) -> None:
    (await cast.a.put(f"/v1/conversations/{cast.g}/settings", {"recording_enabled": True})).ok()
    call_id = await ring(cast)
    for action in ("start", "stop"):
        (await cast.a.post(f"/v1/calls/{call_id}/recording/{action}")).ok()


async def nothing(cast: Cast) -> None:
    """The group itself was the event."""


ACTS: dict[str, Act] = {
    "conversation_created": nothing,
    "message_created": speak,
    "message_edited": correct,
    "message_deleted": take_back,
    "reaction_added": react,
    "reaction_removed": unreact,
    "message_pinned": pin,
    "message_unpinned": unpin,
    "poll_created": ask,
    "poll_voted": vote,
    "poll_closed": close,
    "call_started": ring,
    "call_ended": hang_up,
    "call_recording_started": record,
    "call_recording_stopped": record,
    "member_added": add,
    "member_removed": remove,
    "member_role_changed": promote,
    "conversation_updated": edit,
    "e2ee_mode_changed": encrypt,
}


async def fetched(viewer: Person, conversation_id: str) -> ConversationState:
    """What a client that knows nothing reads."""
    conversation = (await viewer.get(f"/v1/conversations/{conversation_id}")).ok()
    people = (await viewer.get(f"/v1/conversations/{conversation_id}/participants")).ok()
    said = (await viewer.get(f"/v1/messages?conversation_id={conversation_id}&limit=100")).ok()
    return ConversationState.of(
        msgspec.convert(conversation, Conversation),
        msgspec.convert(people["participants"], list[Participant]),
        msgspec.convert(said["messages"], list[Message]),
    )


async def applied(chat: Chat, conversation_id: str, last_seq: int) -> ConversationState:
    """What a client makes of the events on its socket."""
    await chat.frame(type="event", conversation_id=conversation_id, seq=last_seq)
    state = LocalState()
    for frame in chat.events(conversation_id):
        state.apply(msgspec.convert(frame, Event))
    return state.conversations[conversation_id]


def test_every_kind_is_covered() -> None:
    assert ACTS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", ACTS)
async def test_applying_equals_fetching(reg: Register, kind: str) -> None:
    a, b, c, d = await reg("a", "b", "c", "d")
    async with ws(b) as chat:
        cast = Cast(a, b, c, d, (await group(a, [b, c]))["conversation_id"])
        await ACTS[kind](cast)
        fresh = await fetched(b, cast.g)
        local = await applied(chat, cast.g, fresh.last_seq)
        assert kind in {frame["kind"] for frame in chat.events(cast.g)}
        assert local == fresh


#: What an event read later tells as it is then (docs/reference/realtime.md §6).
CURRENT = {"message", "poll", "reactions"}
#: Kinds whose act changes what earlier events brought.
CHANGING = {
    "message_edited",
    "message_deleted",
    "reaction_added",
    "reaction_removed",
    "message_pinned",
    "message_unpinned",
    "poll_voted",
    "poll_closed",
}


def settled(frame: Any) -> Any:
    """What an event says for good."""
    return frame | {"data": {name: value for name, value in frame["data"].items() if name not in CURRENT}}


@pytest.mark.parametrize("kind", ACTS)
async def test_events_read_later_say_the_same(reg: Register, kind: str) -> None:
    """The socket's frames, the events over HTTP and those of a resumed socket; and what they lead to."""
    a, b, c, d = await reg("a", "b", "c", "d")
    async with ws(b) as chat:
        cast = Cast(a, b, c, d, (await group(a, [b, c]))["conversation_id"])
        await ACTS[kind](cast)
        read = (await b.get(f"/v1/conversations/{cast.g}/events?after_seq=0")).ok()["events"]
        await chat.frame(type="event", conversation_id=cast.g, seq=read[-1]["seq"])
    live = [{k: v for k, v in frame.items() if k != "type"} for frame in chat.events(cast.g)]
    if kind in CHANGING:
        assert [settled(event) for event in live] == [settled(event) for event in read]
    else:
        assert live == read
    async with ws(b, resume={cast.g: 0}) as again:
        await again.frame(type="event", conversation_id=cast.g, seq=read[-1]["seq"])
        resumed = [{k: v for k, v in frame.items() if k != "type"} for frame in again.events(cast.g)]
        assert resumed == read
    state = LocalState()
    for event in read:
        state.apply(msgspec.convert(event, Event))
    assert state.conversations[cast.g] == await fetched(b, cast.g)
