"""What admins of a conversation do with its webhooks."""

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.bots import rules, store
from secureconnect.features.bots.service.secrets import digest, new_secret
from secureconnect.features.bots.store import Webhook
from secureconnect.features.conversations.api import Conversations
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.ids import new_id
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["SeenWebhook", "WebhookService"]


class SeenWebhook(Struct, frozen=True):
    """A webhook; `url` is known only at the moment in which its secret was made."""

    webhook: Webhook
    url: str | None = None


class WebhookService:
    """Makes, lists, renews and ends webhooks.

    Args:
        public_url: where clients reach the server, without a final slash.
    """

    def __init__(
        self, database: Database, conversations: Conversations, audit: Audit, clock: Clock, *, public_url: str
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._audit = audit
        self._clock = clock
        self._public_url = public_url.rstrip("/")

    async def create(
        self, caller: Principal, context: RequestContext, conversation_id: str, name: str
    ) -> SeenWebhook:
        """A new webhook.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN` unless an admin asks, `E2EE_BLOCKED`, `LIMIT_REACHED`.
        """
        now, secret = self._clock.now(), new_secret()
        webhook = Webhook(new_id(), conversation_id, name, digest(secret), caller.user_id, now)

        def work(tx: WriteTx) -> None:
            member = self._conversations.member_in(tx.conn, conversation_id, caller.user_id)
            rules.check_admin(member)
            rules.check_not_encrypted(is_e2ee_enabled=member.settings.is_e2ee_enabled)
            rules.check_room_for_webhook(store.count_webhooks(tx.conn, conversation_id))
            store.add_webhook(tx, webhook)
            self._record_in(tx, "webhook_created", caller, context, webhook)

        await self._database.write(work)
        return self._seen(webhook, secret)

    async def page(
        self, viewer_id: str, conversation_id: str, *, after: tuple[int, str] | None, limit: int
    ) -> Page[SeenWebhook]:
        """Webhooks, newest first.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN` unless an admin asks.
        """

        def query(conn: Connection) -> list[Webhook]:
            rules.check_admin(self._conversations.member_in(conn, conversation_id, viewer_id))
            return store.list_webhooks(conn, conversation_id, after=after, limit=limit + 1)

        rows = await self._database.read(query)
        shown = rows[:limit]
        end = (shown[-1].created_at, shown[-1].webhook_id) if len(rows) > limit else None
        return Page([SeenWebhook(webhook) for webhook in shown], end)

    async def rotate(
        self, caller: Principal, context: RequestContext, conversation_id: str, webhook_id: str
    ) -> SeenWebhook:
        """Another URL; the old one lets nobody in from now on.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN` unless an admin asks.
        """
        secret = new_secret()

        def work(tx: WriteTx) -> Webhook:
            webhook = self._own_in(tx.conn, caller, conversation_id, webhook_id)
            store.set_secret(tx, webhook_id, digest(secret))
            self._record_in(tx, "webhook_rotated", caller, context, webhook)
            return webhook

        return self._seen(await self._database.write(work), secret)

    async def delete(
        self, caller: Principal, context: RequestContext, conversation_id: str, webhook_id: str
    ) -> None:
        """End a webhook; what was posted through it stays.

        Raises:
            ApiError: `NOT_FOUND`, for a repeat too; `FORBIDDEN` unless an admin asks.
        """

        def work(tx: WriteTx) -> None:
            webhook = self._own_in(tx.conn, caller, conversation_id, webhook_id)
            store.delete_webhook(tx, webhook_id, self._clock.now())
            self._record_in(tx, "webhook_deleted", caller, context, webhook)

        await self._database.write(work)

    def _own_in(self, conn: Connection, caller: Principal, conversation_id: str, webhook_id: str) -> Webhook:
        member = self._conversations.member_in(conn, conversation_id, caller.user_id)
        webhook = store.find_webhook(conn, webhook_id)
        if webhook is None or webhook.conversation_id != conversation_id:
            raise rules.no_webhook()
        rules.check_admin(member)
        return webhook

    def _seen(self, webhook: Webhook, secret: str) -> SeenWebhook:
        return SeenWebhook(webhook, f"{self._public_url}/v1/hooks/{webhook.webhook_id}/{secret}")

    def _record_in(
        self, tx: WriteTx, event: str, caller: Principal, context: RequestContext, webhook: Webhook
    ) -> None:
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=caller.user_id,
                session_id=caller.session_id,
                target_type="webhook",
                target_id=webhook.webhook_id,
                context=context,
                details={"conversation_id": webhook.conversation_id},
            ),
        )
