"""Posting through a webhook. Whoever knows its URL may, and nobody learns who that was."""

import hmac
from collections.abc import Mapping

from msgspec import Struct

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.bots import rules, store
from secureconnect.features.bots.service.secrets import digest
from secureconnect.features.bots.store import Webhook
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages, MetadataValue, Outgoing, stored_metadata
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.objects import Message
from secureconnect.kit.principal import RequestContext

__all__ = ["HookService", "Post"]

_TOUCHED_MS = 60_000


class Post(Struct, frozen=True):
    """What somebody posts. `fields` are the names under which text may stand, the first given one counts.

    `username` stands in for the webhook's name.
    """

    fields: Mapping[str, str | None]
    username: str | None
    metadata: Mapping[str, MetadataValue] | None


class HookService:
    """Takes posts.

    Args:
        max_content_chars: the longest text, in code points.
    """

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        messages: Messages,
        audit: Audit,
        clock: Clock,
        *,
        max_content_chars: int,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._messages = messages
        self._audit = audit
        self._clock = clock
        self._longest = max_content_chars

    async def post(self, webhook_id: str, secret: str, post: Post, context: RequestContext) -> Message:
        """Post one message; returns once it is committed durably.

        The conversation's `post_permission` does not apply: an admin allowed this way in.

        Raises:
            ApiError: `VALIDATION_ERROR`; `NOT_FOUND` alike for an unknown id, a wrong secret, a deleted
                webhook or conversation; `E2EE_BLOCKED` while the conversation is encrypted.
        """
        text = rules.check_hook_text(post.fields, self._longest)
        metadata, faults = stored_metadata(post.metadata or {})
        if faults:
            raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
        webhook = await self._let_in(webhook_id, secret)
        try:
            message = await self._say(webhook, text, post.username, metadata)
        except ApiError as error:
            if error.code.status == 403:
                self._record("permission_denied", webhook, context, denied=error.code)
            raise
        self._record("webhook_used", webhook, context)
        return message

    async def _let_in(self, webhook_id: str, secret: str) -> Webhook:
        webhook = await self._database.lookup(lambda conn: store.find_webhook(conn, webhook_id))
        given = digest(secret)
        if webhook is None or not hmac.compare_digest(given, webhook.secret_hash):
            raise rules.no_webhook()
        return webhook

    async def _say(
        self, webhook: Webhook, text: str, username: str | None, metadata: dict[str, str]
    ) -> Message:
        facts = await self._conversations.facts(webhook.conversation_id)
        if facts is None:
            raise rules.no_webhook()
        rules.check_not_encrypted(is_e2ee_enabled=facts.settings.is_e2ee_enabled)
        now = self._clock.now()
        if webhook.last_used_at is None or now - webhook.last_used_at >= _TOUCHED_MS:
            await self._database.write(
                lambda tx: store.touch_webhook(tx, webhook.webhook_id, now), brief=True
            )
        outgoing = Outgoing(
            conversation_id=webhook.conversation_id,
            sender_id=None,
            sender_name=username or webhook.name,
            content=text,
            metadata=metadata,
        )
        try:
            return await self._messages.post(outgoing)
        except ApiError as error:
            if error.code is ErrorCode.E2EE_REQUIRED:  # switched on since the facts were read
                rules.check_not_encrypted(is_e2ee_enabled=True)
            raise

    def _record(
        self, event: str, webhook: Webhook, context: RequestContext, *, denied: ErrorCode | None = None
    ) -> None:
        details = {"conversation_id": webhook.conversation_id}
        if denied is not None:
            details |= {"action": "POST /v1/hooks/{webhook_id}/{secret}", "code": denied.name}
        self._audit.record(
            AuditEntry(
                event=event,
                result="success" if denied is None else "denied",
                actor_type="anonymous",
                target_type="webhook",
                target_id=webhook.webhook_id,
                context=context,
                details=details,
            )
        )
