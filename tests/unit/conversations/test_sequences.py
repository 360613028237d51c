"""Any order of any use case by anybody: the invariants hold, and the log tells the same story as the tables.

Checked after every step: I1, I4, I5, I6 and I11 of the data model; roles, owner, title and settings as folded
from the events equal those stored; cached facts equal the stored ones whenever their guard is current.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Row, select

from secureconnect.features.conversations.service import Wanted
from secureconnect.features.conversations.store.tables import (
    conversation_participants,
    conversations,
    removed_members,
)
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id
from tests.unit.conversations.test_facts import cache_of
from tests.unit.conversations.world import World, caller, world

USERS = 4
_REFUSALS = {
    "NOT_FOUND",
    "FORBIDDEN",
    "CONFLICT",
    "E2EE_REQUIRED",
    "LIMIT_REACHED",
    "OWNERSHIP_TRANSFER_REQUIRED",
    "VALIDATION_ERROR",
}
_SETTINGS = st.sampled_from(
    [
        {"is_e2ee_enabled": True},
        {"is_e2ee_enabled": False},
        {"history_visibility": "joined"},
        {"history_visibility": "all", "edit_permission": "admins"},
        {"invite_permission": "members"},
    ]
)
_user = st.integers(0, USERS - 1)
_some = st.sets(_user, min_size=1, max_size=3)


class Folded(msgspec.Struct):
    """What a client knows that read every event."""

    members: dict[str, str]
    owner_id: str | None
    title: str | None
    settings: dict[str, Any]


def fold(log: list[StoredEvent]) -> Folded:
    """Apply every event."""
    first = msgspec.json.decode(log[0].data)
    created = first["conversation"]
    direct = created["type"] == "direct"
    folded = Folded(
        {one: "admin" if direct or one == created["owner_id"] else "member" for one in first["members"]},
        created["owner_id"],
        created["title"],
        created["settings"],
    )
    for event in log[1:]:
        data = msgspec.json.decode(event.data) if event.data else {}
        match event.kind:
            case "member_added":
                assert data["user_id"] not in folded.members
                folded.members[data["user_id"]] = data["role"]
            case "member_removed":
                del folded.members[data["user_id"]]
            case "member_role_changed":
                folded.members[data["user_id"]] = data["role"]
                folded.owner_id = data["owner_id"]
            case "conversation_updated":
                folded.title = data["changed"].pop("title", folded.title)
                folded.settings |= data["changed"]
            case "e2ee_mode_changed":
                folded.settings["is_e2ee_enabled"] = data["is_e2ee_enabled"]
            case kind:
                assert kind == "message_created"
    return folded


def _stored(key: str, conn: Connection) -> tuple[Row[Any], list[Row[Any]], set[str]]:
    row = conn.execute(select(conversations).where(conversations.c.conversation_id == key)).one()
    table = conversation_participants
    people = conn.execute(select(table).where(table.c.conversation_id == key)).all()
    removed = select(removed_members.c.user_id).where(removed_members.c.conversation_id == key)
    return row, list(people), set(conn.execute(removed).scalars())


class Groups(RuleBasedStateMachine):
    """Runs the use cases; `keys` are all conversations ever made."""

    runner: asyncio.Runner
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.codes: list[str] = []

    @initialize()
    def join(self) -> None:
        self.ids = self.runner.run(self.world.people(*(f"u{number}" for number in range(USERS))))

    def attempt(self, action: Coroutine[Any, Any, Any]) -> Any:
        """The result, or None when it was refused for a reason that the reference names."""
        try:
            return self.runner.run(action)
        except ApiError as error:
            if error.code.name not in _REFUSALS:
                raise
            return None

    def key(self, number: int) -> str:
        return self.keys[number % len(self.keys)] if self.keys else new_id()

    @rule(owner=_user, others=_some, joined=st.booleans())
    def group(self, owner: int, others: set[int], joined: bool) -> None:
        wanted = Wanted(
            "group",
            [self.ids[one] for one in sorted(others)],
            None,
            None,
            {"history_visibility": "joined"} if joined else {},
        )
        made = self.attempt(self.world.cases.creation.create(caller(self.ids[owner]), wanted))
        if made is not None:
            self.keys.append(made[0].conversation_id)

    @rule(one=_user, other=_user)
    def direct(self, one: int, other: int) -> None:
        wanted = Wanted("direct", [self.ids[other]], "x", None, {})
        made = self.attempt(self.world.cases.creation.create(caller(self.ids[one]), wanted))
        if made is not None and made[1]:
            self.keys.append(made[0].conversation_id)

    @rule(at=st.integers(0, 9), who=_user, others=_some)
    def add(self, at: int, who: int, others: set[int]) -> None:
        named = [self.ids[one] for one in sorted(others)]
        self.attempt(self.world.cases.membership.add(caller(self.ids[who]), self.key(at), named))

    @rule(at=st.integers(0, 9), who=_user, whom=_user)
    def remove(self, at: int, who: int, whom: int) -> None:
        cases = self.world.cases
        self.attempt(cases.membership.remove(caller(self.ids[who]), self.key(at), self.ids[whom]))

    @rule(at=st.integers(0, 9), who=_user)
    def leave(self, at: int, who: int) -> None:
        self.attempt(self.world.cases.membership.leave(caller(self.ids[who]), self.key(at)))

    @rule(at=st.integers(0, 9), who=_user, whom=_user, role=st.sampled_from(["member", "admin"]))
    def role(self, at: int, who: int, whom: int, role: Any) -> None:
        cases = self.world.cases
        self.attempt(cases.roles.set_role(caller(self.ids[who]), self.key(at), self.ids[whom], role))

    @rule(at=st.integers(0, 9), who=_user, whom=_user)
    def transfer(self, at: int, who: int, whom: int) -> None:
        cases = self.world.cases
        self.attempt(cases.roles.transfer(caller(self.ids[who]), self.key(at), self.ids[whom]))

    @rule(at=st.integers(0, 9), who=_user, title=st.sampled_from([None, "A", "B"]))
    def edit(self, at: int, who: int, title: str | None) -> None:
        cases = self.world.cases
        self.attempt(cases.editing.edit(caller(self.ids[who]), self.key(at), {"title": title}))

    @rule(at=st.integers(0, 9), who=_user, wanted=_SETTINGS)
    def settle(self, at: int, who: int, wanted: dict[str, Any]) -> None:
        cases = self.world.cases
        self.attempt(cases.editing.set_settings(caller(self.ids[who]), self.key(at), wanted))

    @rule(at=st.integers(0, 9), who=_user)
    def invite(self, at: int, who: int) -> None:
        cases = self.world.cases
        made = self.attempt(
            cases.invites.create(caller(self.ids[who]), self.key(at), expires_in=None, max_uses=1)
        )
        if made is not None:
            self.codes.append(made.code)

    @rule(at=st.integers(0, 9), who=_user)
    def use(self, at: int, who: int) -> None:
        code = self.codes[at % len(self.codes)] if self.codes else "x"
        self.attempt(self.world.cases.invites.join(caller(self.ids[who]), code))

    @rule(at=st.integers(0, 9), who=_user)
    def send(self, at: int, who: int) -> None:
        self.attempt(self.world.send(self.ids[who], self.key(at)))

    @rule(at=st.integers(0, 9), who=_user, back=st.integers(0, 3), only_delivered=st.booleans())
    def mark(self, at: int, who: int, back: int, only_delivered: bool) -> None:
        key, user_id, neighbours = self.key(at), self.ids[who], self.world.neighbours
        head = self.runner.run(self.world.timeline.head(key))
        seq = max(0, head.last_seq - back) if head is not None else 0

        def work(tx: Any) -> Any:
            if only_delivered:
                return neighbours.advance_delivered_in(tx, key, user_id, seq)
            return neighbours.advance_read_in(tx, key, user_id, seq, 1)

        self.attempt(self.world.database.write(work))

    @rule(at=st.integers(0, 9), who=_user, archived=st.booleans())
    def archive(self, at: int, who: int, archived: bool) -> None:
        personal = self.world.cases.personal
        self.attempt(personal.archive(self.ids[who], self.key(at), archived=archived))

    @rule(at=st.integers(0, 9), who=_user)
    def delete(self, at: int, who: int) -> None:
        self.attempt(self.world.cases.endings.delete(caller(self.ids[who]), self.key(at)))

    @rule(one=_user, other=_user)
    def block(self, one: int, other: int) -> None:
        principal, context = caller(self.ids[one]).principal, caller(self.ids[one]).context
        if self.attempt(self.world.blocks.block(principal, context, self.ids[other], None)) is False:
            self.attempt(self.world.blocks.unblock(principal, context, self.ids[other]))

    @invariant()
    def sound(self) -> None:
        self.runner.run(self.check())

    async def check(self) -> None:
        w, elsewhere = self.world, cache_of(self.world)
        pairs = set()
        for key in self.keys:
            row, people, removed = await w.database.read(partial(_stored, key))
            if row.deleted_at is not None:
                assert (people, await w.facts.get(key)) == ([], None)
                continue
            log = await w.log(key)
            assert [event.seq for event in log] == list(range(1, len(log) + 1))
            folded = fold(log)
            assert folded.members == {one.user_id: one.role for one in people}
            assert folded.members.keys().isdisjoint(removed)
            assert (folded.owner_id, folded.title) == (row.owner_id, row.title)
            stored = msgspec.json.decode(row.settings)
            assert {**folded.settings, "updated_at": stored["updated_at"]} == stored
            assert (row.member_count, row.updated_at) == (len(people), log[-1].sent_at)
            if row.type == "group":
                assert folded.members[row.owner_id] == "admin"
            else:
                assert (row.owner_id, len(people)) == (None, 2)
                assert row.direct_key not in pairs
                pairs.add(row.direct_key)
            for one in people:
                assert 0 <= one.last_read_seq <= one.last_delivered_seq <= len(log)
                assert one.first_visible_seq <= one.joined_seq <= len(log)
                assert one.cleared_seq <= len(log)
            mine, fresh = await w.facts.get(key), await elsewhere.get(key)
            assert mine is not None
            assert fresh is not None
            assert mine.guard == fresh.guard
            assert msgspec.structs.replace(mine, wake=fresh.wake or mine.wake) == msgspec.structs.replace(
                fresh, wake=fresh.wake or mine.wake
            )
            assert mine.wake or not fresh.wake


def test_invariants_hold_after_any_sequence() -> None:
    with asyncio.Runner() as runner, TemporaryDirectory() as path:
        made = world(Path(path))
        Groups.runner, Groups.world = runner, runner.run(made.__aenter__())
        try:
            run_state_machine_as_test(
                Groups,
                settings=settings(max_examples=25, stateful_step_count=30, deadline=None),
            )
        finally:
            runner.run(made.__aexit__(None, None, None))
