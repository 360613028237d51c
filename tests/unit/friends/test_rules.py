"""Decisions about friends, without a store."""

import pytest

from secureconnect.features.friends import rules
from secureconnect.features.friends.rules import FriendLimits, Friendship, Standing
from secureconnect.features.users.api import PublicUser
from secureconnect.kit.errors import ApiError, ErrorCode

A, B = "a" * 36, "b" * 36
LIMITS = FriendLimits(max_friends=3, max_pending=2)
ASKED = Friendship(A, B, A, "pending", 1, 1)
FRIENDS = Friendship(A, B, A, "accepted", 1, 2)


def test_a_request_is_seen_from_both_ends() -> None:
    assert rules.standing(A, ASKED) == rules.direction(A, ASKED) == "outgoing"
    assert rules.standing(B, ASKED) == rules.direction(B, ASKED) == "incoming"
    assert rules.standing(A, None) == "none"
    assert {rules.standing(side, FRIENDS) for side in (A, B)} == {"friends"}
    assert {rules.direction(side, FRIENDS) for side in (A, B)} == {"mutual"}
    assert (ASKED.other(A), ASKED.other(B)) == (B, A)


@pytest.mark.parametrize("current", ["none", "incoming"])
def test_strangers_and_those_who_were_asked_may_ask(current: Standing) -> None:
    rules.check_may_ask(current, blocked=False)


@pytest.mark.parametrize("current", ["friends", "outgoing"])
def test_asking_for_what_is_there_is_a_conflict(current: Standing) -> None:
    with pytest.raises(ApiError) as refused:
        rules.check_may_ask(current, blocked=False)
    assert refused.value.code is ErrorCode.CONFLICT
    assert [detail.field for detail in refused.value.details] == ["id"]


@pytest.mark.parametrize("current", ["none", "incoming", "outgoing", "friends"])
def test_a_block_refuses_before_anything_else_and_is_not_named(current: Standing) -> None:
    with pytest.raises(ApiError) as refused:
        rules.check_may_ask(current, blocked=True)
    assert refused.value.code is ErrorCode.FORBIDDEN
    assert "block" not in refused.value.message.lower()


def test_oneself_is_a_fault_of_the_id() -> None:
    rules.check_not_oneself(A, B)
    with pytest.raises(ApiError) as refused:
        rules.check_not_oneself(A, A)
    assert refused.value.code is ErrorCode.VALIDATION_ERROR
    assert [detail.field for detail in refused.value.details] == ["id"]


@pytest.mark.parametrize(("outgoing", "friends"), [(2, 0), (5, 0), (0, 3), (0, 9)])
def test_requests_end_at_either_limit(outgoing: int, friends: int) -> None:
    with pytest.raises(ApiError) as refused:
        rules.check_room_for_request(outgoing, friends, LIMITS)
    assert refused.value.code is ErrorCode.LIMIT_REACHED
    rules.check_room_for_request(1, 2, LIMITS)


def test_across_a_block_nothing_of_presence_shows() -> None:
    user = PublicUser(
        user_id=B,
        username="b",
        display_name="B",
        avatar_url=None,
        about="about",
        status="busy",
        status_text="in a meeting",
        is_bot=False,
        is_deleted=False,
        created_at="2026-01-31T12:00:00.000Z",
    )
    seen = rules.across_block(user)
    assert (seen.status, seen.status_text) == (None, None)
    assert (seen.username, seen.about) == ("b", "about")
