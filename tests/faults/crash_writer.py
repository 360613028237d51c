"""A process that appends under load until it is killed, and says on stdout what was acknowledged.

Lines, words separated by blanks: `want <conversation> <sender> <client_message_id>` before a send,
`ack <conversation> <seq> <event_id> <sender> <client_message_id>` once its await returned, and
`join <conversation> <seq> <user>` for a relational change with its event. Sends that the last process left
open are repeated first. With the description of a Cassandra cluster the logs lie there.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import text

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.infra.timeline.base import NewEvent, NewMessage, Statement, Timeline
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner

__all__ = ["Open"]

_CONVERSATIONS = 12
_SENDERS = 48
_clock = SystemClock()


class Open(msgspec.Struct, frozen=True):
    """A send whose outcome its sender does not know."""

    conversation_id: str
    sender_id: str
    client_message_id: str


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Writer:
    def __init__(self, database: Database, timeline: Timeline, seed: int) -> None:
        self.database = database
        self.timeline = timeline
        self.random = random.Random(seed)

    async def run(self, left_open: list[Open]) -> None:
        conversations = await self.timeline.active_since(0, after=None, limit=_CONVERSATIONS)
        while len(conversations) < _CONVERSATIONS:
            conversation_id = new_id()
            await self.database.write(lambda tx, new=conversation_id: self.timeline.open_in(tx, new))  # type: ignore[misc]
            conversations.append(conversation_id)
        await asyncio.gather(*(self.send(again) for again in left_open))
        await asyncio.gather(
            *(self.send_for_ever(conversations) for _ in range(_SENDERS)),
            *(self.join_for_ever(conversations) for _ in range(2)),
        )

    async def send_for_ever(self, conversations: list[str]) -> None:
        conversation_id = self.random.choice(conversations)
        sender_id = await self.join(conversation_id)
        number = 0
        while True:
            number += 1
            await self.send(Open(conversation_id, sender_id, f"{number}"))

    async def send(self, what: Open) -> None:
        say("want", what.conversation_id, what.sender_id, what.client_message_id)
        event = NewEvent(
            what.conversation_id,
            new_time_id(),
            "message_created",
            what.sender_id,
            _clock.now(),
            message=NewMessage(
                sender_id=what.sender_id,
                client_message_id=what.client_message_id,
                content="x" * self.random.randint(1, 600),
                is_encrypted=False,
                message_type="text",
                metadata={},
            ),
        )
        mark = Statement(
            "UPDATE conversation_participants SET last_read_seq = ?"
            " WHERE conversation_id = ? AND user_id = ?",
            (what.conversation_id, what.sender_id),
        )
        stored = (await self.timeline.append(event, guard=0, also=(mark,))).event
        say("ack", what.conversation_id, stored.seq, stored.event_id, what.sender_id, what.client_message_id)

    async def join_for_ever(self, conversations: list[str]) -> None:
        while True:
            await self.join(self.random.choice(conversations))

    async def join(self, conversation_id: str) -> str:
        """A relational change with its event (invariant I4)."""
        user_id = new_id()

        def work(tx: WriteTx) -> int:
            seq = self.timeline.append_in(
                tx,
                NewEvent(
                    conversation_id,
                    new_time_id(),
                    "member_added",
                    None,
                    _clock.now(),
                    data=msgspec.json.encode({"user_id": user_id}),
                ),
            )
            tx.conn.execute(
                text(
                    "INSERT INTO conversation_participants (conversation_id, user_id, role, joined_at,"
                    " joined_seq, first_visible_seq, last_read_seq, last_delivered_seq, archived,"
                    " cleared_seq, hidden)"
                    " VALUES (:conversation, :user, 'member', 0, :seq, :seq, :seq, 0, 0, 0, 0)"
                ),
                {"conversation": conversation_id, "user": user_id, "seq": seq},
            )
            return seq

        seq = await self.database.write(work)
        say("join", conversation_id, seq, user_id)
        return user_id


async def main(path: Path, seed: int, left_open: list[Open], cluster: str | None) -> None:
    database = open_sqlite(path, newest_schema=runner.newest_version())
    await database.write(lambda tx: runner.upgrade(tx.conn))
    if cluster is None:
        await Writer(database, RelationalTimeline(database), seed).run(left_open)
        return
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    timeline = CassandraTimeline(database, msgspec.json.decode(cluster, type=Cluster), _clock)
    timeline.start()
    await Writer(timeline.database, timeline, seed).run(left_open)


if __name__ == "__main__":
    asyncio.run(
        main(
            Path(sys.argv[1]),
            int(sys.argv[2]),
            msgspec.json.decode(sys.stdin.buffer.read(), type=list[Open]),
            sys.argv[3] if len(sys.argv) > 3 else None,
        )
    )
