"""Files over a real embedded store and real conversations, with an object store in memory."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from secureconnect.edge.realtime.background import Background
from secureconnect.features.files import store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.rules import FileLimits, Wanted
from secureconnect.features.files.service import Begun, Caller, FileCases, build_cases
from secureconnect.features.files.store.tables import files, storage_usage
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import Poster, SenderNames, SendRequest, SendService
from secureconnect.features.users.store import users as users_table
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.images.base import PictureRefused
from secureconnect.infra.outbox.base import Job, Kind, Work
from secureconnect.kit.ids import new_time_id
from tests.unit.conversations import world as conversations
from tests.unit.conversations.world import caller as member
from tests.unit.files.memory import MemoryBlobs
from tests.unit.messages.fakes import NobodyOnline

__all__ = ["LIMITS", "World", "acting", "world"]

MIB = 1024 * 1024
LIMITS = FileLimits(
    max_file_bytes=200 * MIB,
    multipart_threshold=20 * MIB,
    part_bytes=16 * MIB,
    quota_bytes=10_000,
    upload_ttl=900,
    download_ttl=3600,
    multipart_ttl=86_400,
    max_pending=50,
    mime_allow=("text/*", "image/*", "application/*"),
    mime_deny=("application/x-sh",),
    thumbnails=True,
)


class Jobs:
    """An outbox whose jobs are run by hand."""

    def __init__(self) -> None:
        self.waiting: list[Work] = []
        self.finished: list[str] = []

    def enqueue_in(self, tx: WriteTx, job: Job) -> str:
        work = Work(new_time_id(), job.kind, msgspec.json.encode(job.payload), 1, 0, 0, 0)
        tx.after_commit(lambda: self.waiting.append(work))
        return work.job_id

    def finish_in(self, tx: WriteTx, work: Work) -> None:
        tx.after_commit(lambda: self.finished.append(work.job_id))

    def take(self, kind: Kind) -> list[Work]:
        """What waits, and waits no more."""
        taken = [work for work in self.waiting if work.kind == kind]
        self.waiting = [work for work in self.waiting if work.kind != kind]
        return taken


class Shrinker:
    """Makes `small <side>` of everything but what begins with `bad`."""

    async def shrink(self, data: bytes, *, side: int) -> bytes:
        if data.startswith(b"bad"):
            raise PictureRefused
        return b"small %d" % side

    async def close(self) -> None:
        pass


class Counts:
    """What was counted."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def upload_ended(self, result: str) -> None:
        self.seen[result] += 1

    def upload_rejected(self, reason: str) -> None:
        self.seen[f"rejected {reason}"] += 1

    def cleaned_up(self, *, ok: bool) -> None:
        self.seen["removed" if ok else "not removed"] += 1

    def stored(self, size: int) -> None:
        self.seen["stored"] = size

    def denied(self, resource: str) -> None:
        self.seen[f"denied {resource}"] += 1


class World:
    """The feature, its neighbours, and what they were told."""

    def __init__(self, base: conversations.World, limits: FileLimits) -> None:
        self.base = base
        self.database, self.clock, self.trail = base.database, base.clock, base.trail
        self.blobs = MemoryBlobs(base.clock)
        self.jobs, self.counts, self.background = Jobs(), Counts(), Background()
        self.cases: FileCases = build_cases(
            database=base.database,
            timeline=base.timeline,
            blobs=self.blobs,
            images=Shrinker(),
            outbox=self.jobs,  # type: ignore[arg-type]  # what the feature calls of it
            audit=base.trail,
            clock=base.clock,
            background=self.background,
            metrics=self.counts,
            denials=self.counts.denied,
            users=base.users,
            conversations=base.neighbours,
            limits=limits,
        )
        readers = self.cases.readers
        names = SenderNames(base.users)
        poster = Poster(base.timeline, base.neighbours, readers, NobodyOnline(), names, base.clock)
        self.sending = SendService(
            base.database, base.timeline, base.neighbours, readers, poster, MessageLimits()
        )

    @property
    def audited(self) -> list[str]:
        """Names of the records about files so far."""
        return [entry.event for entry in self.trail.entries if entry.target_type == "file"]

    async def begin(self, user_id: str, size: int = 1000, **fields: Any) -> Begun:
        """An upload that is admitted."""
        given = {"file_name": "f.bin", "content_type": "application/octet-stream", **fields}
        wanted = Wanted(
            given["file_name"],
            size,
            given["content_type"],
            given.get("is_encrypted", False),
            given.get("sha256"),
        )
        return await self.cases.uploads.begin(acting(user_id), wanted)

    async def complete(self, user_id: str, file_id: str, **given: Any) -> FileRecord:
        """Complete an upload."""
        return await self.cases.completion.complete(
            acting(user_id), file_id, given.get("parts"), given.get("sha256")
        )

    async def file(self, user_id: str, data: bytes = bytes(1000), **fields: Any) -> str:
        """The id of a completed file."""
        begun = await self.begin(user_id, len(data), **fields)
        assert begun.request is not None
        self.blobs.upload(begun.request, data)
        return (await self.complete(user_id, begun.file.file_id)).file_id

    async def send(self, sender: str, conversation_id: str, *file_ids: str) -> str:
        """The id of a message that attaches files."""
        request = SendRequest(conversation_id, "look", attachments=list(file_ids))
        return (await self.sending.send(member(sender).principal, request)).message.message_id

    async def reads(self, user_id: str, file_id: str) -> bool:
        """Whether the user may read the file."""
        found = await self.read(lambda conn: self.cases.readers.readable_in(conn, user_id, [file_id]))
        return [file.file_id for file in found] == [file_id]

    async def record(self, file_id: str) -> FileRecord:
        """The file as stored, which there is."""
        found: FileRecord | None = await self.read(lambda conn: store.find(conn, file_id))
        assert found is not None
        return found

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        return await self.database.read(query)

    async def write(self, work: Callable[[WriteTx], Any]) -> Any:
        return await self.database.write(work)

    async def usage(self, user_id: str) -> tuple[int, int]:
        """Bytes of completed files and of uploads that run."""
        usage = await self.cases.holdings.usage(user_id)
        return usage.completed, usage.pending

    async def set_quota(self, user_id: str, quota: int | None) -> None:
        """What an administrator decided."""
        statement = update(users_table).where(users_table.c.user_id == user_id).values(storage_quota=quota)

        def work(tx: WriteTx) -> None:
            tx.conn.execute(statement)

        await self.write(work)

    async def check_sums(self) -> None:
        """Invariant I8: the sums are those over the files."""

        def query(conn: Connection) -> tuple[Any, Any]:
            summed: dict[str, list[int]] = {}
            for owner, size, status in conn.execute(
                select(files.c.owner_id, files.c.file_size, files.c.status)
            ):
                sums = summed.setdefault(owner, [0, 0, 0])
                if status == "completed":
                    sums[0] += size
                elif status == "uploading":
                    sums[1] += size
                    sums[2] += 1
            kept = {row[0]: list(row[1:]) for row in conn.execute(select(storage_usage))}
            return summed, kept

        summed, kept = await self.read(query)
        assert {user: sums for user, sums in kept.items() if any(sums)} == {
            user: sums for user, sums in summed.items() if any(sums)
        }


def acting(user_id: str) -> Caller:
    """Somebody with a session."""
    known = member(user_id)
    return Caller(known.principal, known.context)


@asynccontextmanager
async def world(path: Path, limits: FileLimits = LIMITS) -> AsyncIterator[World]:
    """A store in the directory `path` with nobody in it."""
    async with conversations.world(path) as base:
        made = World(base, limits)
        try:
            yield made
        finally:
            await made.background.stop()
