"""Invariant I8 against a model: whatever happens in whatever order, the sums are those over the files."""

import asyncio
import hashlib
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from secureconnect.features.files.service import Begun
from secureconnect.kit.errors import ApiError
from tests.unit.files.world import LIMITS, World, acting, world

_SMALL = msgspec.structs.replace(LIMITS, quota_bytes=1000, max_pending=5)


class Quota(RuleBasedStateMachine):
    """Two users upload, complete, delete and forget; the model remembers what should count."""

    uploads = Bundle("uploads")
    done = Bundle("done")

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.directory = tempfile.TemporaryDirectory()
        self.w: World = self.run(self.stack.enter_async_context(world(Path(self.directory.name), _SMALL)))
        self.people: list[str] = self.run(self.w.base.people("a", "b"))
        self.pending: dict[str, tuple[str, int]] = {}
        self.completed: dict[str, tuple[str, int]] = {}
        self.quotas = dict.fromkeys(self.people, _SMALL.quota_bytes)

    def run(self, work: Any) -> Any:
        return self.runner.run(work) if asyncio.iscoroutine(work) else self.runner.run(_wait(work))

    def outcome(self, work: Any) -> Any:
        try:
            return self.run(work)
        except ApiError as error:
            return error.code.name

    def used(self, user: str) -> int:
        every = [*self.pending.values(), *self.completed.values()]
        return sum(size for owner, size in every if owner == user)

    @rule(target=uploads, who=st.integers(0, 1), size=st.integers(1, 600), hashed=st.sampled_from("nrw"))
    def upload(self, who: int, size: int, hashed: str) -> tuple[Begun, str] | None:
        user = self.people[who]
        right = hashlib.sha256(bytes(size)).hexdigest()
        sha256 = {"n": None, "r": right, "w": "0" * 64}[hashed]
        running = sum(owner == user for owner, _ in self.pending.values())
        got = self.outcome(self.w.begin(user, size, sha256=sha256))
        if running >= _SMALL.max_pending:
            assert got == "LIMIT_REACHED"
        elif self.used(user) + size > self.quotas[user]:
            assert got == "QUOTA_EXCEEDED"
        else:
            self.pending[got.file.file_id] = (user, size)
            return got, hashed
        return None

    @rule(who=st.integers(0, 1), sizes=st.lists(st.integers(1, 400), min_size=2, max_size=12))
    def race(self, who: int, sizes: list[int]) -> None:
        user = self.people[who]

        async def together() -> list[Any]:
            return await asyncio.gather(*(self.w.begin(user, size) for size in sizes), return_exceptions=True)

        begun = [got for got in self.run(together()) if isinstance(got, Begun)]
        for one in begun:
            self.pending[one.file.file_id] = (user, one.file.file_size)
        assert not begun or self.used(user) <= self.quotas[user]

    @rule(target=done, one=consumes(uploads), sent=st.booleans(), twice=st.booleans())
    def complete(self, one: tuple[Begun, str] | None, sent: bool, twice: bool) -> str | None:
        if one is None:
            return None
        begun, hashed = one
        file = begun.file
        live = file.file_id in self.pending
        assert begun.request is not None
        if sent:
            self.w.blobs.upload(begun.request, bytes(file.file_size))
        got = self.outcome(self.w.complete(file.owner_id, file.file_id))
        if twice:
            self.outcome(self.w.complete(file.owner_id, file.file_id))
        if not live:
            assert got in {"CONFLICT", "NOT_FOUND"}
        elif not sent:
            assert got == "UPLOAD_INCOMPLETE"
        elif hashed == "w":
            assert got == "UPLOAD_MISMATCH"
            del self.pending[file.file_id]
        else:
            assert got.status == "completed"
            self.completed[file.file_id] = self.pending.pop(file.file_id)
            return file.file_id
        return None

    @rule(file_id=consumes(done), twice=st.booleans())
    def delete(self, file_id: str | None, twice: bool) -> None:
        if file_id is None or file_id not in self.completed:
            return
        owner, _ = self.completed.pop(file_id)
        self.run(self.w.cases.holdings.delete(acting(owner), file_id))
        if twice:
            assert self.outcome(self.w.cases.holdings.delete(acting(owner), file_id)) == "NOT_FOUND"

    @rule(one=uploads)
    def cancel(self, one: tuple[Begun, str] | None) -> None:
        if one is not None and one[0].file.file_id in self.pending:
            del self.pending[one[0].file.file_id]
            self.run(self.w.cases.holdings.delete(acting(one[0].file.owner_id), one[0].file.file_id))

    @rule()
    def expire(self) -> None:
        self.w.clock.at += 1_000_000
        assert self.run(self.w.cases.expiry.sweep()) == len(self.pending)
        self.pending.clear()

    @rule(who=st.integers(0, 1), quota=st.integers(0, 2000) | st.none())
    def decide(self, who: int, quota: int | None) -> None:
        self.run(self.w.set_quota(self.people[who], quota))
        self.quotas[self.people[who]] = _SMALL.quota_bytes if quota is None else quota

    @rule(who=st.integers(0, 1))
    def erase(self, who: int) -> None:
        user = self.people[who]
        while self.run(self.w.cases.readers.erase_owned(user, limit=3)) == 3:
            pass
        for kept in (self.pending, self.completed):
            for file_id in [key for key, (owner, _) in kept.items() if owner == user]:
                del kept[file_id]

    @invariant()
    def sums_are_right(self) -> None:
        if not hasattr(self, "w"):
            return
        self.run(self.w.check_sums())
        for user in self.people:
            want = tuple(
                sum(size for owner, size in kept.values() if owner == user)
                for kept in (self.completed, self.pending)
            )
            assert self.run(self.w.usage(user)) == want

    def teardown(self) -> None:
        if hasattr(self, "w"):
            self.run(self.stack.aclose())
            self.runner.close()
            self.directory.cleanup()


async def _wait(work: Any) -> Any:
    return await work


TestQuota = Quota.TestCase
TestQuota.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
