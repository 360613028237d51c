"""A server's history, put into a data directory while no server runs on it: people, conversations, messages.

Words follow Zipf's law, as in any language, and are made up, so that the same seed always says the same. Most
conversations are small and a few hold much; languages go by conversation: Latin letters with and without
accents, Cyrillic, Chinese.
"""

import asyncio
import bisect
import itertools
import json
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.settings.load import load
from secureconnect.app.stores import Stores, open_stores
from secureconnect.features.conversations import store
from secureconnect.features.conversations.store import NewMember, Record
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock, rfc3339
from secureconnect.kit.ids import new_id
from secureconnect.kit.objects import ConversationSettings

__all__ = ["Language", "Room", "fill", "languages", "stores_of"]

_BATCH = 5_000
_START = 1_700_000_000_000

_EVENT = (
    "INSERT INTO timeline_events (conversation_id, seq, event_id, kind, actor_id, sent_at, data)"
    " VALUES (?, ?, ?, 'message_created', ?, ?, x'')"
)
_MESSAGE = (
    "INSERT INTO messages (conversation_id, seq, message_id, sender_id, content, is_encrypted, message_type,"
    " metadata, sent_at) VALUES (?, ?, ?, ?, ?, 0, 'text', '{}', ?)"
)
_CREATED = (
    "INSERT INTO timeline_events (conversation_id, seq, event_id, kind, actor_id, sent_at, data)"
    " VALUES (?, 1, ?, 'conversation_created', ?, ?, ?)"
)
_HEAD = "UPDATE timeline_heads SET last_seq = ?, last_at = ?, message_count = ? WHERE conversation_id = ?"

_SYLLABLES = (
    "ka to mi ren sol va ter lin gro be st an or ex pre con du fi hu is ja lo mo ne op pa qui ra se th",
    "ré sü mö lé ça ñe är ün ta ko li ver sch ein aus ge an on is et un la",
    "по на ко ре ла ти сто во да ни пра ми го лё жи ша эк ук",
)


class Room(NamedTuple):
    """A conversation and its members."""

    conversation_id: str
    members: tuple[str, ...]


class Language:
    """Words by falling frequency."""

    def __init__(self, words: Sequence[str], joint: str) -> None:
        self.words = words
        self._joint = joint
        self._weights = list(itertools.accumulate(1 / (place + 2) ** 1.05 for place in range(len(words))))

    def word(self, chance: random.Random) -> str:
        """Common ones often."""
        return self.words[bisect.bisect(self._weights, chance.random() * self._weights[-1])]

    def text(self, chance: random.Random) -> str:
        """A message of eleven words or so."""
        count = 1 + min(int(chance.expovariate(0.1)), 80)
        return self._joint.join(self.word(chance) for _ in range(count))


def languages(chance: random.Random, *, size: int = 40_000) -> list[Language]:
    """Three written in letters and one in signs."""
    found = []
    for line in _SYLLABLES:
        syllables = line.split()
        words: dict[str, None] = {}
        while len(words) < 200:
            words["".join(chance.choices(syllables, k=chance.randint(1, 2)))] = None
        syllables += [chance.choice("bcdfgmnprst") + syllable for syllable in syllables]
        while len(words) < size:
            words["".join(chance.choices(syllables, k=chance.randint(1, 4)))] = None
        found.append(Language(list(words), " "))
    signs = [chr(0x4E00 + chance.randrange(3000)) for _ in range(2000)]
    words = dict.fromkeys("".join(chance.choices(signs, k=chance.randint(1, 3))) for _ in range(size))
    return [*found, Language(list(words), "")]


def fill(
    data_dir: Path,
    environment: Mapping[str, str],
    rooms: Sequence[Room],
    *,
    messages: int,
    spoken: Sequence[Language],
    seed: int,
) -> None:
    """Create `rooms` and let their members say `messages` things, ten seconds after one another."""
    asyncio.run(_fill(data_dir, environment, rooms, messages, spoken, random.Random(seed)))


@asynccontextmanager
async def stores_of(data_dir: Path, environment: Mapping[str, str]) -> AsyncIterator[Stores]:
    """The stores of a data directory that no server runs on."""
    settings = load(environ={**os.environ, **environment}, flags={"--data-dir": str(data_dir)}).settings
    directory = open_data_dir(settings)
    with directory.lock():
        async with open_stores(settings, directory, SystemClock(), Metrics("bench", "0")) as stores:
            yield stores


async def _fill(
    data_dir: Path,
    environment: Mapping[str, str],
    rooms: Sequence[Room],
    messages: int,
    spoken: Sequence[Language],
    chance: random.Random,
) -> None:
    async with stores_of(data_dir, environment) as stores:
        for start in range(0, len(rooms), 500):
            some = rooms[start : start + 500]
            await stores.database.write(lambda tx, some=some: _found(stores, tx, some))  # type: ignore[misc]
        heads = {room.conversation_id: (1, _START) for room in rooms}
        for batch in _said(rooms, messages, spoken, chance):
            await stores.database.write(lambda tx, batch=batch: _append(tx, batch))  # type: ignore[misc]
            heads.update((said[0], (said[1], said[5])) for said in batch)

        def finish(tx: WriteTx) -> None:
            for conversation_id, (last_seq, last_at) in heads.items():
                tx.run(_HEAD, (last_seq, last_at, last_seq - 1, conversation_id))

        await stores.database.write(finish)


def _found(stores: Stores, tx: WriteTx, rooms: Sequence[Room]) -> None:
    settings = ConversationSettings(updated_at=rfc3339(_START))
    for room in rooms:
        owner, key = room.members[0], room.conversation_id
        title, count = f"Room {key[:4]}", len(room.members)
        record = Record(key, "group", title, None, None, owner, owner, None, settings, count, _START, _START)
        store.insert_conversation(tx, record)
        members = [NewMember(one, "admin" if one == owner else "member", 1, 1) for one in room.members]
        store.insert_members(tx, key, members, _START)
        stores.timeline.open_in(tx, key)
        created = json.dumps({"conversation": {}, "members": room.members}).encode()
        tx.run(_CREATED, (key, new_id(), owner, _START, created))


_Said = tuple[str, int, str, str, str, int]


def _said(
    rooms: Sequence[Room],
    messages: int,
    spoken: Sequence[Language],
    chance: random.Random,
) -> Iterator[list[_Said]]:
    """Rows (conversation, seq, id, sender, text, time) in the order of time."""
    seqs = [1] * len(rooms)  # the first is that the conversation was created
    weights = list(itertools.accumulate(1 / (place + 5) ** 0.9 for place in range(len(rooms))))
    batch: list[_Said] = []
    for number in range(messages):
        place = bisect.bisect(weights, chance.random() * weights[-1])
        room, sent_at = rooms[place], _START + 10_000 * number + chance.randrange(10_000)
        seqs[place] += 1
        text = spoken[place % len(spoken)].text(chance)
        if chance.random() < 0.02:
            text += " https://example.org/" + spoken[0].word(chance)
        digits = f"{sent_at:012x}7000{0x8000000000000000 | chance.getrandbits(62):016x}"
        message_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        sender_id = chance.choice(room.members)
        batch.append((room.conversation_id, seqs[place], message_id, sender_id, text, sent_at))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _append(tx: WriteTx, batch: Sequence[_Said]) -> None:
    for key, seq, message_id, sender_id, text, sent_at in batch:
        tx.run(_EVENT, (key, seq, message_id, sender_id, sent_at))
        tx.run(_MESSAGE, (key, seq, message_id, sender_id, text, sent_at))
