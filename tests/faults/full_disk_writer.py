"""A process whose files may not grow any more for a while; says what happened in `report.json`.

A limit on file sizes (RLIMIT_FSIZE) makes writes fail as a full disk does, for this process alone.
"""

import asyncio
import resource
import sys
from pathlib import Path

import msgspec

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.timeline.base import Appended, NewEvent, NewMessage
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner

__all__ = ["Report"]


class Report(msgspec.Struct):
    """`acknowledged` are (seq, event id) pairs; `refused` error codes with their retry_after."""

    conversation_id: str = ""
    acknowledged: list[tuple[int, str]] = []
    refused: list[tuple[str, int | None]] = []
    relational_refused: list[str] = []
    read_while_full: list[int] = []
    after: int = 0


class Run:
    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.heard: list[int] = []
        self.timeline = RelationalTimeline(database, lambda events: self.heard.extend(e.seq for e in events))
        self.report = Report(conversation_id=new_id())

    async def send(self) -> bool:
        event = NewEvent(
            self.report.conversation_id,
            new_time_id(),
            "message_created",
            None,
            0,
            message=NewMessage(
                sender_id=new_id(),
                client_message_id="1",
                content="x" * 2000,
                is_encrypted=False,
                message_type="text",
                metadata={},
            ),
        )
        try:
            appended: Appended = await self.timeline.append(event, guard=0)
        except ApiError as error:
            self.report.refused.append((error.code.name, error.retry_after))
            return False
        self.report.acknowledged.append((appended.event.seq, appended.event.event_id))
        return True

    async def change(self) -> bool:
        def work(tx: WriteTx) -> None:
            tx.run("INSERT INTO leases (name, holder, until) VALUES (?, ?, 0)", (new_id(), "x" * 2000))
            kind = "conversation_updated"
            event = NewEvent(self.report.conversation_id, new_time_id(), kind, None, 0, data=b"{}")
            self.timeline.append_in(tx, event)

        try:
            await self.database.write(work)
        except ApiError as error:
            self.report.relational_refused.append(error.code.name)
            return False
        return True

    async def readable(self) -> int:
        conversation_id = self.report.conversation_id
        events = await self.timeline.events(conversation_id, after_seq=0, limit=100_000)
        head = await self.timeline.head(conversation_id)
        assert head is not None
        assert [event.seq for event in events] == list(range(1, head.last_seq + 1)) == self.heard
        return len(events)


async def main(directory: Path) -> Report:
    database = open_sqlite(directory / "secureconnect.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    run = Run(database)
    await database.write(lambda tx: run.timeline.open_in(tx, run.report.conversation_id))
    await asyncio.gather(*(run.send() for _ in range(200)))
    log = directory / "secureconnect.db-wal"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(2):  # space runs out and returns, twice, without a restart
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 100_000, hard))
        while not run.report.refused or await run.send():
            await asyncio.gather(*(run.send() for _ in range(10)))
        # Still full: alone, in a group, and mixed with relational changes.
        for _ in range(3):
            await asyncio.gather(*(run.send() for _ in range(20)), run.change(), run.change())
            run.report.read_while_full.append(await run.readable())
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        sent = await asyncio.gather(run.send(), run.change(), *(run.send() for _ in range(30)))
        assert all(sent), "no recovery"
    run.report.after = await run.readable()
    await database.close()
    return run.report


if __name__ == "__main__":
    target = Path(sys.argv[1])
    outcome = asyncio.run(main(target))
    (target / "report.json").write_bytes(msgspec.json.encode(outcome))
