"""Reports over a real embedded store, with moderators that write down what they were asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import update

from secureconnect.features.reports.service import ReportService
from secureconnect.features.users.api import Ban
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import GuardChanged, StoredMessage
from secureconnect.infra.timeline.tables import messages
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext
from tests.unit.conversations.world import CONTEXT, caller
from tests.unit.conversations.world import World as Neighbourhood
from tests.unit.conversations.world import world as neighbourhood

__all__ = ["World", "world"]


class Removal:
    """Deletes messages as `messages` would, as far as reports can tell."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, str]] = []
        self.gone = False

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: str
    ) -> int | None:
        if self.gone:
            raise GuardChanged
        if message.deleted_at is not None:
            return None
        statement = update(messages).where(messages.c.message_id == message.message_id)
        tx.conn.execute(statement.values(deleted_at=at, content=""))
        self.asked.append((message.message_id, by, reason))
        return message.seq + 1


class Bans:
    """Bans users as `admin` would, as far as reports can tell."""

    def __init__(self) -> None:
        self.banned: dict[str, str] = {}

    def ban_in(
        self,
        tx: WriteTx,
        admin: Principal,
        context: RequestContext,
        user_id: str,
        *,
        reason: str,
        until: int | None,
    ) -> Ban:
        if user_id in self.banned:
            raise ApiError(ErrorCode.CONFLICT, "Banned already.")
        self.banned[user_id] = reason
        return Ban(new_id(), user_id, admin.user_id, reason, 1, until)


class World:
    """The feature in its neighbourhood."""

    def __init__(self, around: Neighbourhood) -> None:
        self.around = around
        self.removal = Removal()
        self.bans = Bans()
        self.service = ReportService(
            around.database,
            around.timeline,
            around.users,
            around.neighbours,
            self.removal,  # type: ignore[arg-type]  # only `delete_in` is asked for
            self.bans,
            around.trail,
            around.clock,
        )

    async def report(self, who: str, target: Any, target_id: str, *, content: bool = False) -> str:
        """File a report."""
        return await self.service.report(
            caller(who).principal, CONTEXT, target, target_id, "not nice", include_content=content
        )

    async def resolve(self, admin: str, report_id: str, action: Any) -> Any:
        """Close a report."""
        return await self.service.resolve(caller(admin).principal, CONTEXT, report_id, action, "so be it")

    async def listed(self, admin: str, status: Any = "open") -> list[str]:
        """Ids of reports."""
        page = await self.service.page(caller(admin).principal, CONTEXT, status, before=None, limit=100)
        return [report.report_id for report in page.items]

    async def said(self, who: str, conversation_id: str, text: str = "hello") -> str:
        """The id of a new message."""
        seq = await self.around.send(who, conversation_id, text)
        (event,) = await self.around.timeline.events(conversation_id, after_seq=seq - 1, limit=1)
        assert event.message is not None
        return event.message.message_id


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    """A store in the directory `path` without reports."""
    async with neighbourhood(path) as around:
        yield World(around)
