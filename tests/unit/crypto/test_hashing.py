"""Passwords are hashed beside the event loop, a few at a time (contract rules §1)."""

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from secureconnect.infra.crypto import hashing
from secureconnect.infra.crypto.hashing import PasswordHasher
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.serving import until

PASSWORD = "Violet-Kettle-42-Rain"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def hasher(waits: list[float]) -> Iterator[PasswordHasher]:
    made = PasswordHasher(memory_kib=8, time_cost=1, parallelism=1, concurrency=2, waited=waits.append)
    yield made
    made.close()


async def test_argon2id_with_a_salt_of_its_own(hasher: PasswordHasher) -> None:
    first, second = await hasher.hash(PASSWORD), await hasher.hash(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second
    assert PASSWORD not in first
    for encoded in (first, second):
        assert await hasher.verify(encoded, PASSWORD)
        assert not await hasher.verify(encoded, PASSWORD + "x")


@pytest.mark.parametrize("encoded", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$x$y", "$2b$12$abc"])
async def test_what_is_no_hash_fits_nothing(hasher: PasswordHasher, encoded: str) -> None:
    assert not await hasher.verify(encoded, PASSWORD)


async def test_nobody_has_no_password(hasher: PasswordHasher) -> None:
    for password in ("", "nobody has this password", PASSWORD):
        assert not await hasher.verify(None, password)


async def test_weaker_parameters_are_outdated(hasher: PasswordHasher) -> None:
    encoded = await hasher.hash(PASSWORD)
    assert not hasher.outdated(encoded)
    stronger = PasswordHasher(
        memory_kib=16, time_cost=1, parallelism=1, concurrency=1, waited=lambda seconds: None
    )
    assert stronger.outdated(encoded)
    assert await stronger.verify(encoded, PASSWORD)
    stronger.close()


class Blocked:
    """Work that holds its thread until told otherwise, and counts how much of it runs at once."""

    def __init__(self, hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()
        monkeypatch.setattr(hasher, "_argon2", SimpleNamespace(hash=self._hash))

    def _hash(self, password: str) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go_on.wait(10)
        with self._lock:
            self.running -= 1
        return password


async def test_as_many_at_once_as_allowed_and_the_loop_goes_on(
    hasher: PasswordHasher, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = Blocked(hasher, monkeypatch)
    hashing_ = [asyncio.create_task(hasher.hash(str(number))) for number in range(6)]
    await until(lambda: blocked.running == 2)
    blocked.go_on.set()
    assert await asyncio.gather(*hashing_) == [str(number) for number in range(6)]
    assert blocked.most == 2
    assert len(waits) == 6


async def test_who_waits_too_long_is_told_to_come_back(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_WAIT", 0.05)
    blocked = Blocked(hasher, monkeypatch)
    first = [asyncio.create_task(hasher.hash("x")) for _ in range(2)]
    await until(lambda: blocked.running == 2)
    with pytest.raises(ApiError) as caught:
        await hasher.hash("y")
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.SERVICE_UNAVAILABLE, 2)
    blocked.go_on.set()
    await asyncio.gather(*first)
    assert await hasher.hash("z") == "z"


async def test_a_caller_who_leaves_takes_no_place_away(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for good nor, while its thread still works, for somebody else too early."""
    monkeypatch.setattr(hashing, "_WAIT", 0.05)
    blocked = Blocked(hasher, monkeypatch)
    left = [asyncio.create_task(hasher.hash("x")) for _ in range(2)]
    await until(lambda: blocked.running == 2)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    with pytest.raises(ApiError):
        await hasher.hash("y")
    blocked.go_on.set()
    await until(lambda: blocked.running == 0)
    assert await hasher.hash("z") == "z"
    assert blocked.most == 2
