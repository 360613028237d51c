"""The local copy moves with every kind of event, and with nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from secureconnect.client import ConversationState, Event, LocalState
from secureconnect.client.state import SequenceGap
from tests.unit.client.world import ME, NOW, World

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def event(seq: int, kind: str, **data: Any) -> Event:
    return Event(
        conversation_id="c",
        seq=seq,
        event_id=f"e{seq}",
        kind=kind,
        actor_id=ME,
        sent_at=START + timedelta(seconds=seq),
        data=data,
    )


def created(**fields: Any) -> Event:
    world = World()
    world.conversation("c", events=1)
    conversation = {key: value for key, value in world.describe("c").items() if key != "my"} | fields
    return event(1, "conversation_created", conversation=conversation, members=[ME, "b"])


def after(*events: Event) -> ConversationState:
    state = LocalState()
    for each in (created(), *events):
        state.apply(each)
    return state.conversations["c"]


def test_a_group_begins_with_its_owner_as_admin() -> None:
    state = after()
    assert state.members == {ME: "admin", "b": "member"}
    assert (state.title, state.last_seq, state.owner_id) == ("G", 1, ME)


def test_a_direct_conversation_begins_with_two_admins() -> None:
    state = LocalState()
    state.apply(created(type="direct", owner_id=None, title=None))
    assert state.conversations["c"].members == {ME: "admin", "b": "admin"}


def test_members_come_go_and_change_roles() -> None:
    state = after(
        event(2, "member_added", user_id="d", by=ME, via="added", role="member"),
        event(3, "member_role_changed", user_id="d", role="admin", by=ME, owner_id="d"),
        event(4, "member_removed", user_id="b", by=ME, reason="left"),
    )
    assert state.members == {ME: "admin", "d": "admin"}
    assert state.owner_id == "d"


def test_titles_and_settings_change() -> None:
    state = after(
        event(2, "conversation_updated", changed={"title": None, "post_permission": "admins"}, by=ME),
        event(3, "e2ee_mode_changed", is_e2ee_enabled=True, by=ME),
        event(4, "conversation_updated", changed={"description": "d", "unheard_of": 1}, by=ME),
    )
    assert (state.title, state.description) == (None, "d")
    assert state.settings.post_permission == "admins"
    assert state.settings.is_e2ee_enabled
    assert state.settings.updated_at == START + timedelta(seconds=3)
    assert state.updated_at == START + timedelta(seconds=4)


def test_messages_are_kept_by_seq() -> None:
    message = {
        "message_id": "m",
        "conversation_id": "c",
        "seq": 2,
        "sender_id": ME,
        "sender_name": "Me",
        "content": "hi",
        "message_type": "text",
        "sent_at": NOW,
    }
    state = after(event(2, "message_created", message=message))
    assert state.messages[2].content == "hi"


def test_unknown_kinds_only_take_their_place() -> None:
    assert after(event(2, "poll_of_the_future", x=1)).last_seq == 2


def test_repeats_change_nothing_and_gaps_are_refused() -> None:
    state = LocalState()
    state.apply(created())
    state.apply(created())
    with pytest.raises(SequenceGap):
        state.apply(event(3, "member_removed", user_id="b", by=None, reason="left"))
    with pytest.raises(SequenceGap):
        LocalState().apply(event(2, "member_removed", user_id="b", by=None, reason="left"))
    assert state.conversations["c"].last_seq == 1


def test_what_was_read_replaces_what_is_known() -> None:
    state = LocalState()
    state.apply(created())
    other = after(event(2, "poll_of_the_future"))
    state.put(other)
    assert state.conversations["c"].last_seq == 2
    state.drop("c")
    assert state.conversations == {}
