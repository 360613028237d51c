"""When the server makes backups by itself, and what it removes."""

import datetime as dt
from pathlib import Path

import pytest

from secureconnect.app.backup.names import made_at, stored
from secureconnect.app.backup.schedule import BackupFailed, ScheduledBackups
from secureconnect.kit.cron import Cron

NOON = 1_767_268_800  # 2026-01-01 12:00 UTC


class Clock:
    def __init__(self) -> None:
        self.seconds = float(NOON)

    def now(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class World:
    """Backups every hour, into a directory, made by a test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.clock = Clock()
        self.broken = False
        self.made: list[str] = []
        monkeypatch.setattr("secureconnect.app.backup.schedule.new_name", self.name)
        self.backups = ScheduledBackups(
            folder, Cron("0 * * * *"), self.clock, retention_days=2, make=self.make
        )

    def name(self, at: float | None = None) -> str:
        moment = dt.datetime.fromtimestamp(self.clock.seconds if at is None else at, dt.UTC)
        return f"secureconnect-{moment:%Y%m%dT%H%M%S}Z.backup"

    async def make(self, path: Path) -> None:
        if self.broken:
            raise BackupFailed("the disk is full")
        assert path.name.endswith(".unverified")
        path.write_bytes(b"whole")  # noqa: ASYNC240 - a few bytes
        self.made.append(path.name)

    def kept(self) -> list[float]:
        return [made_at(path) or 0 for path in stored(self.folder)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


async def test_one_for_each_time_and_none_at_the_start(world: World) -> None:
    world.clock.seconds = NOON + 1800
    late = ScheduledBackups(world.folder, Cron("0 * * * *"), world.clock, retention_days=2, make=world.make)
    assert await late.run() == 0, "the time before the first start is nobody's"
    world.clock.seconds = NOON + 3601
    assert [await late.run() for _ in range(3)] == [1, 0, 0]
    assert world.kept() == [NOON + 3601]
    assert late.last() == NOON + 3601


async def test_a_time_that_went_by_is_made_up_for(world: World) -> None:
    (world.folder / world.name(NOON - 7200)).write_bytes(b"old")
    assert await world.backups.run() == 1


async def test_old_ones_go_behind_a_newer_one_only(world: World) -> None:
    old, young, other = NOON - 3 * 86_400, NOON - 86_400, world.folder / "notes.txt"
    for moment in (old, young):
        (world.folder / world.name(moment)).write_bytes(b"x")
    other.write_bytes(b"mine")
    world.broken = True
    with pytest.raises(BackupFailed):
        await world.backups.run()
    assert world.kept() == [old, young], "without a newer one the old one stays"
    world.broken = False
    world.clock.seconds += 60
    assert await world.backups.run() == 0, "not at once again"
    world.clock.seconds += 600
    assert await world.backups.run() == 1
    assert world.kept() == [young, NOON + 660]
    assert other.exists()


async def test_what_was_never_verified_is_swept(world: World) -> None:
    rest = world.folder / f"{world.name(NOON - 60)}.unverified"
    rest.write_bytes(b"half")
    assert world.backups.last() == 0
    assert await world.backups.run() == 1
    assert not rest.exists()


def test_without_a_directory_there_was_none(tmp_path: Path, world: World) -> None:
    gone = ScheduledBackups(
        tmp_path / "gone", Cron("0 * * * *"), world.clock, retention_days=1, make=world.make
    )
    assert gone.last() == 0
