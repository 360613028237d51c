"""Participants of a mesh whose signaling is a queue: real connections, and a tone that arrives."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aioice.ice
import pytest

from secureconnect.client.media import MeshMedia, RemoteTrack, Tone
from tests.unit.client_media.hearing import hertz

PATIENCE = 60.0


class Room:
    """Carries frames between participants, in order, as the signaling socket does."""

    def __init__(self) -> None:
        self.people: dict[str, MeshMedia] = {}
        self.heard: dict[tuple[str, str], RemoteTrack] = {}
        self.kinds: list[tuple[str, str]] = []
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self.deaf: set[str] = set()
        self.lost: list[str] = []  # kinds of frames that go with a connection, once each
        self.refused = asyncio.Event()
        self.late_refusals = asyncio.Event()
        self.late_refusals.set()

    def enter(self, user_id: str, tone: Tone | None = None) -> MeshMedia:
        queue = self._queues[user_id] = asyncio.Queue()

        async def send(kind: str, fields: Mapping[str, Any]) -> bool:
            self.kinds.append((kind, user_id))
            told = {"type": kind, "sender_id": user_id, **fields}
            target = str(told.pop("target_id"))
            if kind in self.lost:
                self.lost.remove(kind)
                self.refused.set()
                return True
            if target in self.deaf:
                self.refused.set()
                await self.late_refusals.wait()
                return False
            await self._queues[target].put(told)
            return True

        def heard(track: RemoteTrack) -> None:
            self.heard[user_id, track.user_id] = track
            self._news.set()

        tracks = (tone,) if tone else ()
        media = self.people[user_id] = MeshMedia(user_id, send, (), tracks=tracks, heard=heard)
        self._tasks.append(asyncio.create_task(self._take(media, queue)))
        return media

    async def _take(self, media: MeshMedia, queue: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            await media.take(await queue.get())
            queue.task_done()

    async def taken(self, user_id: str) -> None:
        """Wait until they have looked at all that was sent to them."""
        await self._queues[user_id].join()

    async def listens(self, user_id: str) -> None:
        """The server tells the others when somebody is there, and no frame of theirs comes before."""
        self.deaf.discard(user_id)
        for other in self.people.keys() - {user_id}:
            await self._queues[other].put({"type": "join", "sender_id": user_id})

    async def hears(self, listener: str, speaker: str) -> float:
        async with asyncio.timeout(PATIENCE):
            while (listener, speaker) not in self.heard:
                self._news.clear()
                await self._news.wait()
            return await hertz(self.heard[listener, speaker].track)

    async def close(self) -> None:
        for media in self.people.values():
            await media.hang_up()
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), f"a participant failed: {outcome!r}"


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    # Nothing leaves this machine.
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
    made = Room()
    yield made
    async with asyncio.timeout(PATIENCE):
        await made.close()


async def test_three_hear_each_other(room: Room) -> None:
    tones = {"ann": Tone(400), "ben": Tone(700), "cat": Tone(1000)}
    people = {name: room.enter(name, tone) for name, tone in tones.items()}
    await people["ben"].offer("ann")
    await people["cat"].offer("ann")
    await people["cat"].offer("ben")
    for name, media in people.items():
        await media.until_connected(set(people) - {name})
    for listener, speaker, expected in (("ann", "ben", 700), ("ben", "ann", 400), ("ann", "cat", 1000)):
        assert abs(await room.hears(listener, speaker) - expected) < 20
    await people["ann"].take({"type": "leave", "sender_id": "cat"})
    assert people["ann"].connected == {"ben"}


async def test_both_offer_at_once(room: Room) -> None:
    ann, ben = room.enter("ann", Tone(400)), room.enter("ben", Tone(700))
    await asyncio.gather(ann.offer("ben"), ben.offer("ann"))
    await asyncio.gather(ann.until_connected(["ben"]), ben.until_connected(["ann"]))
    assert abs(await room.hears("ann", "ben") - 700) < 20
    assert [kind for kind, _ in room.kinds].count("answer") == 1
    assert ("answer", "ann") in room.kinds


@pytest.mark.parametrize("early", ["ann", "ben"])
async def test_both_offer_but_one_did_not_listen_yet(room: Room, early: str) -> None:
    """Two join at once: each finds the other in the call, but the first offer was refused."""
    late = "ben" if early == "ann" else "ann"
    people = {name: room.enter(name, Tone(hertz)) for name, hertz in (("ann", 400), ("ben", 700))}
    room.deaf.add(late)
    await people[early].offer(late)
    await room.listens(late)
    await people[late].offer(early)
    assert abs(await room.hears("ann", "ben") - 700) < 20
    assert abs(await room.hears("ben", "ann") - 400) < 20


@pytest.mark.parametrize("early", ["ann", "ben"])
async def test_an_offer_to_somebody_who_listens_later(room: Room, early: str) -> None:
    """Two join at once, and the one that does not listen yet does not know of the other."""
    late = "ben" if early == "ann" else "ann"
    people = {name: room.enter(name, Tone(hertz)) for name, hertz in (("ann", 400), ("ben", 700))}
    room.deaf.add(late)
    await people[early].offer(late)
    await room.listens(late)
    assert abs(await room.hears("ann", "ben") - 700) < 20


async def test_a_refusal_that_is_seen_after_the_others_news(room: Room) -> None:
    """The answer to a command and frames of others are taken by different tasks, in any order."""
    ann, ben = room.enter("ann", Tone(400)), room.enter("ben", Tone(700))
    room.deaf.add("ann")
    room.late_refusals = asyncio.Event()
    offering = asyncio.create_task(ben.offer("ann"))
    await room.refused.wait()
    await room.listens("ann")
    await ann.offer("ben")
    await room.taken("ben")
    room.late_refusals.set()
    await offering
    assert abs(await room.hears("ben", "ann") - 400) < 20


async def test_somebody_who_only_listens(room: Room) -> None:
    room.enter("ann", Tone(400))
    ben = room.enter("ben")
    await ben.offer("ann")
    assert abs(await room.hears("ben", "ann") - 400) < 20


async def test_a_second_offer_after_a_lost_connection(room: Room) -> None:
    ann, ben = room.enter("ann", Tone(400)), room.enter("ben", Tone(700))
    await ben.offer("ann")
    await ann.until_connected(["ben"])
    await ben.hang_up()
    assert ben.connected == frozenset()
    await ben.offer("ann")
    await ben.until_connected(["ann"])
    assert abs(await room.hears("ben", "ann") - 400) < 20


async def test_what_is_not_about_media(room: Room) -> None:
    ann = room.enter("ann")
    for frame in (
        {"type": "mute_audio", "sender_id": "ben", "muted": True},
        {"type": "answer", "sender_id": "ben", "sdp": "v=0"},
        {"type": "ice_candidate", "sender_id": "ben", "candidate": {"candidate": ""}},
        {"type": "leave", "sender_id": "ben"},
        {"type": "later"},
    ):
        await ann.take(frame)
    assert room.kinds == []


@pytest.mark.parametrize("kind", ["offer", "answer"])
async def test_what_was_lost_with_the_connection_is_said_again(room: Room, kind: str) -> None:
    """Whether it arrived is unknown. Who made the offer, or the answer, says it again when they are back."""
    ann, ben = room.enter("ann", Tone(400)), room.enter("ben", Tone(700))
    room.lost.append(kind)
    await ann.offer("ben")
    async with asyncio.timeout(PATIENCE):
        await room.refused.wait()
    await {"offer": ann, "answer": ben}[kind].repeat()
    assert abs(await room.hears("ann", "ben") - 700) < 20
    assert abs(await room.hears("ben", "ann") - 400) < 20


async def test_what_was_not_lost_is_said_again_too_and_does_no_harm(room: Room) -> None:
    ann, ben = room.enter("ann", Tone(400)), room.enter("ben", Tone(700))
    await ann.offer("ben")
    await ann.repeat()
    await ben.repeat()
    await asyncio.gather(ann.until_connected(["ben"]), ben.until_connected(["ann"]))
    await ben.repeat()
    assert abs(await room.hears("ann", "ben") - 700) < 20
    assert abs(await room.hears("ben", "ann") - 400) < 20
