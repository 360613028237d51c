"""Any order of friend, accept, reject, withdraw, remove, block and unblock among three users."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id
from tests.unit.friends.world import CONTEXT, World, caller, world

_WAYS = st.sampled_from([(a, b) for a in range(3) for b in range(3) if a != b])
_Pair = frozenset[int]


class Pairs(RuleBasedStateMachine):
    """Runs the service next to a model: whose request is open, who are friends, who blocked whom."""

    runner: asyncio.Runner
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.requests: dict[_Pair, int] = {}
        self.friends: set[_Pair] = set()
        self.blocks: set[tuple[int, int]] = set()

    @initialize()
    def join(self) -> None:
        names = [new_id()[:30] for _ in range(3)]
        self.ids = self.runner.run(self.world.join(*names))

    def outcome(self, action: Any) -> str | Any:
        """The result, or the code of the refusal."""
        try:
            return self.runner.run(action)
        except ApiError as error:
            return error.code.name

    async def told(self, user_id: str) -> tuple[set[str], set[str]]:
        """Those with a block between, and the friends, as other features are told."""
        relations, ids = self.world.relations, self.ids
        return await self.world.database.read(
            lambda conn: (
                relations.blocked_with_in(conn, user_id, ids),
                relations.friends_among_in(conn, user_id, ids),
            )
        )

    def blocked(self, a: int, b: int) -> bool:
        return (a, b) in self.blocks or (b, a) in self.blocks

    @rule(way=_WAYS)
    def ask(self, way: tuple[int, int]) -> None:
        me, other = way
        pair = frozenset(way)
        result = self.outcome(self.world.friendships.ask(caller(self.ids[me]), CONTEXT, self.ids[other]))
        if self.blocked(me, other):
            assert result == "FORBIDDEN"
        elif pair in self.friends or self.requests.get(pair) == me:
            assert result == "CONFLICT"
        elif self.requests.pop(pair, None) is not None:
            assert result[1] is True
            self.friends.add(pair)
        else:
            assert result[1] is False
            self.requests[pair] = me

    @rule(way=_WAYS)
    def accept(self, way: tuple[int, int]) -> None:
        me, other = way
        asked = self.requests.get(frozenset(way)) == other
        result = self.outcome(self.world.friendships.accept(caller(self.ids[me]), CONTEXT, self.ids[other]))
        assert (result != "NOT_FOUND") is asked
        if asked:
            del self.requests[frozenset(way)]
            self.friends.add(frozenset(way))

    @rule(way=_WAYS)
    def reject(self, way: tuple[int, int]) -> None:
        me, other = way
        asked = self.requests.get(frozenset(way)) == other
        result = self.outcome(self.world.friendships.reject(caller(self.ids[me]), CONTEXT, self.ids[other]))
        assert (result is None) is asked
        if asked:
            del self.requests[frozenset(way)]

    @rule(way=_WAYS)
    def withdraw(self, way: tuple[int, int]) -> None:
        me, other = way
        asked = self.requests.get(frozenset(way)) == me
        result = self.outcome(self.world.friendships.withdraw(caller(self.ids[me]), self.ids[other]))
        assert (result is None) is asked
        if asked:
            del self.requests[frozenset(way)]

    @rule(way=_WAYS)
    def remove(self, way: tuple[int, int]) -> None:
        me, other = way
        friends = frozenset(way) in self.friends
        result = self.outcome(self.world.friendships.remove(caller(self.ids[me]), CONTEXT, self.ids[other]))
        assert (result is None) is friends
        self.friends.discard(frozenset(way))

    @rule(way=_WAYS)
    def block(self, way: tuple[int, int]) -> None:
        me, other = way
        new = self.outcome(self.world.blocks.block(caller(self.ids[me]), CONTEXT, self.ids[other], None))
        assert new is (way not in self.blocks)
        self.blocks.add(way)
        self.friends.discard(frozenset(way))
        self.requests.pop(frozenset(way), None)

    @rule(way=_WAYS)
    def unblock(self, way: tuple[int, int]) -> None:
        me, other = way
        result = self.outcome(self.world.blocks.unblock(caller(self.ids[me]), CONTEXT, self.ids[other]))
        assert (result is None) is (way in self.blocks)
        self.blocks.discard(way)

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "ids"):
            return
        number = {user_id: at for at, user_id in enumerate(self.ids)}
        rows = [row for row in self.runner.run(self.world.rows()) if row.user_low in number]
        pairs = [frozenset((number[row.user_low], number[row.user_high])) for row in rows]
        assert len(pairs) == len(set(pairs)), "more than one row for a pair"
        assert all(row.user_low < row.user_high for row in rows)
        held = dict(zip(pairs, rows, strict=True))
        assert {pair for pair, row in held.items() if row.status == "accepted"} == self.friends
        assert {
            pair: number[row.requested_by] for pair, row in held.items() if row.status == "pending"
        } == self.requests
        assert not any(frozenset(way) in held for way in self.blocks), "a relation beside a block"

    @invariant()
    def other_features_are_told_the_same(self) -> None:
        if not hasattr(self, "ids"):
            return
        ids = self.ids
        for me in range(3):
            blocked, friends = self.runner.run(self.told(ids[me]))
            assert blocked == {ids[other] for other in range(3) if self.blocked(me, other)}
            assert friends == {ids[other] for other in range(3) if frozenset((me, other)) in self.friends}


def test_any_sequence() -> None:
    with asyncio.Runner() as runner, TemporaryDirectory() as directory:
        place = world(Path(directory))
        Pairs.runner, Pairs.world = runner, runner.run(place.__aenter__())
        try:
            run_state_machine_as_test(
                Pairs, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
            )
        finally:
            runner.run(place.__aexit__(None, None, None))
