"""Who may do what, by role: every caller against every action."""

from collections.abc import Callable
from typing import Any

import pytest

from secureconnect.features.conversations import rules
from secureconnect.features.conversations.api import FOR_GOOD, Member, Role, Type
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.kit.errors import ApiError
from secureconnect.kit.objects import ConversationSettings

A, B, C, D = (f"00000000-0000-4000-8000-00000000000{last}" for last in "abcd")
OPEN: dict[str, Any] = {"edit_permission": "members", "invite_permission": "members"}
CLOSED: dict[str, Any] = {"edit_permission": "admins", "invite_permission": "admins"}


def member(user_id: str, role: Role, *, type_: Type = "group", count: int = 3, **settings: Any) -> Member:
    """A member of a conversation that A owns, if it is a group."""
    return Member(
        conversation_id=D,
        user_id=user_id,
        type=type_,
        role=role,
        owner_id=A if type_ == "group" else None,
        settings=ConversationSettings(updated_at="", **settings),
        member_count=count,
        joined_at=0,
        visible_from=1,
        last_read_seq=1,
        last_delivered_seq=1,
        archived=False,
        muted_until=None,
    )


OWNER, ADMIN, MEMBER = ((A, "admin"), (B, "admin"), (C, "member"))


def outcome(check: Callable[[], object]) -> str:
    """`ok` or the code of the refusal."""
    try:
        check()
    except ApiError as error:
        return error.code.name
    return "ok"


@pytest.mark.parametrize(
    ("who", "open_edit", "closed_edit", "open_invite", "closed_invite", "settings", "delete"),
    [
        (OWNER, "ok", "ok", "ok", "ok", "ok", "ok"),
        (ADMIN, "ok", "ok", "ok", "ok", "ok", "FORBIDDEN"),
        (MEMBER, "ok", "FORBIDDEN", "ok", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"),
    ],
    ids=["owner", "admin", "member"],
)
def test_what_each_role_may_change(
    who: tuple[str, Role],
    open_edit: str,
    closed_edit: str,
    open_invite: str,
    closed_invite: str,
    settings: str,
    delete: str,
) -> None:
    user_id, role = who
    in_open, in_closed = member(user_id, role, **OPEN), member(user_id, role, **CLOSED)
    assert outcome(lambda: rules.check_may_edit(in_open)) == open_edit
    assert outcome(lambda: rules.check_may_edit(in_closed)) == closed_edit
    assert outcome(lambda: rules.check_may_invite(in_open)) == open_invite
    assert outcome(lambda: rules.check_may_invite(in_closed)) == closed_invite
    assert outcome(lambda: rules.check_admin(in_closed)) == settings
    assert outcome(lambda: rules.check_owner(in_closed)) == delete


@pytest.mark.parametrize(
    ("actor", "target", "expected"),
    [
        (OWNER, ADMIN, "ok"),
        (OWNER, MEMBER, "ok"),
        (ADMIN, OWNER, "FORBIDDEN"),
        (ADMIN, (D, "admin"), "FORBIDDEN"),
        (ADMIN, MEMBER, "ok"),
        (MEMBER, OWNER, "FORBIDDEN"),
        (MEMBER, ADMIN, "FORBIDDEN"),
        (MEMBER, (D, "member"), "FORBIDDEN"),
    ],
)
def test_who_removes_whom(actor: tuple[str, Role], target: tuple[str, Role], expected: str) -> None:
    assert outcome(lambda: rules.check_may_remove(member(*actor), member(*target))) == expected


@pytest.mark.parametrize(
    ("actor", "target", "role", "expected"),
    [
        (OWNER, MEMBER, "admin", "ok"),
        (OWNER, ADMIN, "member", "ok"),
        (OWNER, OWNER, "member", "FORBIDDEN"),
        (OWNER, OWNER, "admin", "ok"),
        (ADMIN, MEMBER, "admin", "ok"),
        (ADMIN, (D, "admin"), "member", "FORBIDDEN"),
        (ADMIN, OWNER, "member", "FORBIDDEN"),
        (ADMIN, ADMIN, "member", "ok"),
        (MEMBER, MEMBER, "admin", "FORBIDDEN"),
        (MEMBER, (D, "member"), "admin", "FORBIDDEN"),
        (MEMBER, ADMIN, "member", "FORBIDDEN"),
    ],
)
def test_who_gives_which_role(
    actor: tuple[str, Role], target: tuple[str, Role], role: Role, expected: str
) -> None:
    check = lambda: rules.check_may_set_role(member(*actor), member(*target), role)  # noqa: E731
    assert outcome(check) == expected


def test_a_direct_conversation_is_nobodys_to_change() -> None:
    one, other = member(A, "admin", type_="direct", count=2), member(B, "admin", type_="direct", count=2)
    assert outcome(lambda: rules.check_may_edit(one)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_owner(one)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_remove(one, other)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_set_role(one, other, "member")) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_leave(one)) == "CONFLICT"
    assert outcome(lambda: rules.check_group("direct")) == "CONFLICT"
    assert outcome(lambda: rules.check_admin(one)) == "ok"


def test_leaving() -> None:
    assert rules.check_may_leave(member(C, "member")) is False
    assert rules.check_may_leave(member(B, "admin")) is False
    assert outcome(lambda: rules.check_may_leave(member(A, "admin"))) == "OWNERSHIP_TRANSFER_REQUIRED"
    assert rules.check_may_leave(member(A, "admin", count=1)) is True


def test_founders_are_named_once_with_the_caller() -> None:
    assert rules.founders("group", A, [B, A, B, C]) == [A, B, C]
    assert rules.founders("direct", A, [B]) == rules.founders("direct", A, [A, B, B]) == [A, B]
    for type_, named in (("direct", [B, C]), ("direct", [A]), ("group", [A]), ("group", [])):
        assert outcome(lambda type_=type_, named=named: rules.founders(type_, A, named)) == "VALIDATION_ERROR"  # type: ignore[misc]


def test_a_direct_key_belongs_to_the_pair() -> None:
    key = rules.direct_key(A, B)
    assert key == rules.direct_key(B, A)
    assert rules.pair_of(key) == (A, B)
    assert (rules.other_of(key, A), rules.other_of(key, B)) == (B, A)


@pytest.mark.parametrize(
    ("blocked", "reserved", "friends", "expected"),
    [
        ((), (), (), "ok"),
        ((B,), (), (), "FORBIDDEN"),
        ((), (C,), (), "FORBIDDEN"),
        ((), (C,), (C,), "ok"),
        ((C,), (C,), (C,), "FORBIDDEN"),
    ],
)
def test_whom_one_reaches(
    blocked: tuple[str, ...], reserved: tuple[str, ...], friends: tuple[str, ...], expected: str
) -> None:
    check = lambda: rules.check_reachable(  # noqa: E731
        [B, C], blocked=blocked, friends_only=reserved, friends=friends
    )
    assert outcome(check) == expected


def test_room() -> None:
    limits = ConversationLimits(max_members=3, max_per_user=2)
    assert outcome(lambda: rules.check_room(2, [B], {B: 1}, limits)) == "ok"
    assert outcome(lambda: rules.check_room(2, [B, C], {}, limits)) == "LIMIT_REACHED"
    assert outcome(lambda: rules.check_room(0, [B], {B: 2}, limits)) == "LIMIT_REACHED"
    assert outcome(lambda: rules.check_room_for_invite(19)) == "ok"
    assert outcome(lambda: rules.check_room_for_invite(20)) == "LIMIT_REACHED"


def test_who_was_put_out_by_an_admin_needs_one_to_come_back() -> None:
    one = member(C, "member", **OPEN)
    assert outcome(lambda: rules.check_may_add(one, [D], [])) == "ok"
    assert outcome(lambda: rules.check_may_add(one, [D], [D])) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_add(member(B, "admin"), [D], [D])) == "ok"
    assert outcome(lambda: rules.check_may_join(D, removed=[D], blocked=False)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_join(D, removed=[], blocked=True)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_join(D, removed=[C], blocked=False)) == "ok"


def test_who_ends_an_invite() -> None:
    one = member(C, "member", **OPEN)
    assert outcome(lambda: rules.check_may_revoke(one, C)) == "ok"
    assert outcome(lambda: rules.check_may_revoke(one, B)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_revoke(member(C, "member", **CLOSED), C)) == "FORBIDDEN"
    assert outcome(lambda: rules.check_may_revoke(member(B, "admin"), A)) == "ok"


def test_fields_beyond_their_types() -> None:
    assert outcome(lambda: rules.check_settings({"message_ttl_seconds": 0})) == "ok"
    assert outcome(lambda: rules.check_settings({"message_ttl_seconds": 5})) == "ok"
    assert outcome(lambda: rules.check_settings({"message_ttl_seconds": 4})) == "VALIDATION_ERROR"
    assert outcome(lambda: rules.check_mute(None, 10)) == "ok"
    assert outcome(lambda: rules.check_mute(FOR_GOOD, 10)) == "ok"
    assert outcome(lambda: rules.check_mute(10, 10)) == "VALIDATION_ERROR"
    assert outcome(lambda: rules.check_may_own(is_bot=True)) == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("url", "https", "http"),
    [
        (None, "ok", "ok"),
        ("https://img.example/a.png?s=1", "ok", "ok"),
        ("http://localhost:8080/a", "VALIDATION_ERROR", "ok"),
        ("https://[::1]:8443/a", "ok", "ok"),
        ("/relative", "VALIDATION_ERROR", "VALIDATION_ERROR"),
        ("javascript:alert(1)", "VALIDATION_ERROR", "VALIDATION_ERROR"),
        ("https://", "VALIDATION_ERROR", "VALIDATION_ERROR"),
        ("https://a b/", "VALIDATION_ERROR", "VALIDATION_ERROR"),
        ("https://[::1", "VALIDATION_ERROR", "VALIDATION_ERROR"),
        ("https://host:port/", "VALIDATION_ERROR", "VALIDATION_ERROR"),
        ("https://user@host/\n", "VALIDATION_ERROR", "VALIDATION_ERROR"),
    ],
)
def test_pictures(url: str | None, https: str, http: str) -> None:
    wanted = {"avatar_url": url}
    assert outcome(lambda: rules.check_picture(wanted, allow_http=False)) == https
    assert outcome(lambda: rules.check_picture(wanted, allow_http=True)) == http


def test_a_picture_lies_in_one_place() -> None:
    file_id = "0190c0de-0000-7000-8000-00000000abcd"
    both = {"avatar_url": None, "avatar_file_id": file_id}
    assert outcome(lambda: rules.check_picture(both, allow_http=False)) == "VALIDATION_ERROR"
    assert outcome(lambda: rules.check_picture({"avatar_file_id": file_id}, allow_http=False)) == "ok"
    assert rules.picture_url("c", file_id) == "/v1/conversations/c/avatar?v=00000000abcd"
    assert rules.picture_url("c", None) is None


def test_settings_say_what_changed() -> None:
    before = ConversationSettings(updated_at="then")
    same, nothing = rules.change_settings(before, {"recording_enabled": False}, "now")
    assert (same, nothing) == (before, {})
    wanted = {"recording_enabled": True, "edit_permission": "members", "message_retention_days": 7}
    after, changed = rules.change_settings(before, wanted, "now")
    assert changed == {"recording_enabled": True, "message_retention_days": 7}
    assert (after.recording_enabled, after.message_retention_days, after.updated_at) == (True, 7, "now")
