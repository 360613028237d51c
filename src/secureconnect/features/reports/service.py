"""Reporting, and what server admins make of it."""

import msgspec
from sqlalchemy import Connection

from secureconnect.features.admin.api import Bans
from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.reports import rules, store
from secureconnect.features.reports.rules import Action, Status, Target
from secureconnect.features.reports.store import Report
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import GuardChanged, StoredMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["ReportService"]


class ReportService:
    """Takes reports from users and shows them to server admins."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        users: Users,
        conversations: Conversations,
        messages: Messages,
        bans: Bans,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._users = users
        self._conversations = conversations
        self._messages = messages
        self._bans = bans
        self._audit = audit
        self._clock = clock

    async def report(
        self,
        caller: Principal,
        context: RequestContext,
        target: Target,
        target_id: str,
        reason: str,
        *,
        include_content: bool,
    ) -> str:
        """File a report; returns its id. Content is attached when asked for and readable to the server.

        Raises:
            ApiError: `NOT_FOUND`; `FORBIDDEN` for a conversation or message that is not open to the caller.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> str:
            content = None
            if target == "user":
                self._check_user_in(tx.conn, target_id)
            elif target == "conversation":
                self._conversations.member_in(tx.conn, target_id, caller.user_id)
            else:
                message = self._readable_in(tx, target_id, caller.user_id)
                if include_content and not message.is_encrypted and message.deleted_at is None:
                    content = message.content
            report = Report(
                report_id=new_time_id(),
                reporter_id=caller.user_id,
                target_type=target,
                target_id=target_id,
                reason=reason,
                content=content,
                status="open",
                resolved_by=None,
                action=None,
                note=None,
                created_at=now,
                resolved_at=None,
            )
            store.add(tx, report)
            self._record_in(tx, "report_created", "user", caller, context, report)
            return report.report_id

        return await self._database.write(work)

    async def page(
        self,
        caller: Principal,
        context: RequestContext,
        status: Status | None,
        *,
        before: str | None,
        limit: int,
    ) -> Page[Report]:
        """Reports for an admin, newest first; None means of any status."""
        rows = await self._database.read(
            lambda conn: store.page(conn, status, before=before, limit=limit + 1)
        )
        self._audit.record(
            AuditEntry(
                event="admin_viewed",
                actor_id=caller.user_id,
                actor_type="admin",
                session_id=caller.session_id,
                target_type="server",
                context=context,
                details={"what": "reports"},
            )
        )
        shown = rows[:limit]
        return Page(shown, (shown[-1].report_id,) if len(rows) > limit else None)

    async def resolve(
        self, caller: Principal, context: RequestContext, report_id: str, action: Action, note: str
    ) -> Report:
        """Close a report, and do what the action says in the same transaction.

        `delete_message` needs a report about a message, `ban_user` one about a user or a user's message.

        Raises:
            ApiError: `NOT_FOUND`; `CONFLICT` when it was resolved before or the action does not fit; what
                the ban raises.
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> Report:
            report = store.find(tx.conn, report_id)
            if report is None:
                raise rules.not_found("report")
            rules.check_open(report.status)
            if action == "delete_message":
                self._delete_in(tx, report, caller, context, now)
            elif action == "ban_user":
                user_id = self._culprit_in(tx, report)
                self._bans.ban_in(tx, caller, context, user_id, reason=note, until=None)
            values = {
                "status": "resolved",
                "resolved_by": caller.user_id,
                "action": action,
                "note": note,
                "resolved_at": now,
            }
            store.resolve(tx, report_id, values)
            self._record_in(tx, "report_resolved", "admin", caller, context, report, action)
            return msgspec.structs.replace(report, **values)

        return await self._database.write(work)

    def _check_user_in(self, conn: Connection, user_id: str) -> None:
        record = self._users.many_in(conn, [user_id]).get(user_id)
        if record is None or record.state == "erased":
            raise rules.not_found("user")

    def _readable_in(self, tx: WriteTx, message_id: str, user_id: str) -> StoredMessage:
        message = self._timeline.message_in(tx, message_id)
        if message is None:
            raise rules.not_found("message")
        member = self._conversations.member_in(tx.conn, message.conversation_id, user_id)
        if message.seq < member.visible_from:
            raise ApiError(ErrorCode.FORBIDDEN, "This message is not open to you.")
        return message

    def _delete_in(
        self, tx: WriteTx, report: Report, caller: Principal, context: RequestContext, now: int
    ) -> None:
        """Delete the message for everybody. Its members are told why, the audit log also by whom."""
        if report.target_type != "message":
            raise rules.subject_fault("delete_message", report.target_type)
        message = self._timeline.message_in(tx, report.target_id)
        if message is None:
            return
        try:
            deleted = self._messages.delete_in(tx, message, at=now, by=None, reason="moderator")
        except GuardChanged:  # the conversation is gone, and everything in it goes
            return
        if deleted is not None:
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="message_deleted_by_moderator",
                    actor_id=caller.user_id,
                    actor_type="admin",
                    session_id=caller.session_id,
                    target_type="message",
                    target_id=message.message_id,
                    context=context,
                    details={"conversation_id": message.conversation_id, "report_id": report.report_id},
                ),
            )

    def _culprit_in(self, tx: WriteTx, report: Report) -> str:
        if report.target_type == "user":
            return report.target_id
        sender_id = None
        if report.target_type == "message":
            message = self._timeline.message_in(tx, report.target_id)
            sender_id = message.sender_id if message is not None else None
        if sender_id is None:
            raise rules.subject_fault("ban_user", report.target_type)
        return sender_id

    def _record_in(
        self,
        tx: WriteTx,
        event: str,
        actor_type: str,
        caller: Principal,
        context: RequestContext,
        report: Report,
        action: Action | None = None,
    ) -> None:
        details = {"target_type": report.target_type, "target_id": report.target_id}
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=caller.user_id,
                actor_type=actor_type,
                session_id=caller.session_id,
                target_type="report",
                target_id=report.report_id,
                context=context,
                details=details | ({"action": action} if action is not None else {}),
            ),
        )
