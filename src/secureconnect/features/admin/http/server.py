"""Routes about the server itself: figures, components, queues, conversations, retention."""

from typing import Literal

from msgspec import Struct

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Access, Call, Reply, Route
from secureconnect.features.admin.http.objects import admin_of
from secureconnect.features.admin.service import Component, Overview, Removed, Retention, overall
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Id, Time

__all__ = ["routes"]


class Stats(Struct, frozen=True, kw_only=True):
    """Sizes in bytes; `active_users` were here within 24 hours; `cache_hit_rate` in percent."""

    total_users: int
    active_users: int
    online_users: int
    total_conversations: int
    total_messages: int
    total_calls: int
    calls_active: int
    sockets: int
    storage_used: int
    database_size: int
    cache_hit_rate: float
    uptime_seconds: int
    last_updated: Time


class ComponentState(Struct, frozen=True, kw_only=True):
    """One part that the server stands on; `disabled` ones are not used here."""

    name: str
    status: Literal["up", "down", "disabled"]
    latency_ms: float | None
    error: str | None
    last_checked: Time


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """`degraded`: something fails without which the server goes on; `unhealthy`: it cannot."""

    overall_status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    components: list[ComponentState]


class QueueState(Struct, frozen=True, kw_only=True):
    """Work that waits; the age is that of the oldest job that is due, 0 without one."""

    name: str
    pending: int
    oldest_age_seconds: float
    failed: int


class Queues(Struct, frozen=True):
    """All queues."""

    queues: list[QueueState]


class ConversationsQuery(Struct):
    cursor: Cursor | None = None
    limit: Limit = 50


class ConversationEntry(Struct, frozen=True, kw_only=True):
    """A conversation without anything that its members wrote."""

    conversation_id: Id
    type: Literal["direct", "group"]
    member_count: int
    last_seq: int
    created_at: Time
    is_e2ee_enabled: bool


class ConversationPage(Listed, frozen=True, kw_only=True):
    """Those made last first."""

    conversations: list[ConversationEntry]


class RetentionBody(Struct):
    """A dry run removes nothing."""

    dry_run: bool = True


def routes(overview: Overview, retention: Retention, paging: Paging, *, version: str) -> list[Route]:
    """Looking at the server, and removing what is old."""

    async def stats(call: Call[None, None]) -> Reply:
        counts = await overview.counts(admin_of(call))
        return Reply(
            Stats(
                total_users=counts.total_users,
                active_users=counts.active_users,
                online_users=counts.online_users,
                total_conversations=counts.total_conversations,
                total_messages=counts.total_messages,
                total_calls=0,  # there are none in this version
                calls_active=0,
                sockets=counts.sockets,
                storage_used=counts.storage_used,
                database_size=counts.database_size,
                cache_hit_rate=counts.cache_hit_rate,
                uptime_seconds=counts.uptime,
                last_updated=rfc3339(counts.at),
            )
        )

    async def health(call: Call[None, None]) -> Reply:
        found = await overview.components(admin_of(call))
        return Reply(
            HealthAnswer(
                overall_status=overall(found),
                version=version,
                components=[_component(one) for one in found],
            )
        )

    async def queues(call: Call[None, None]) -> Reply:
        found = await overview.queues(admin_of(call))
        return Reply(
            Queues(
                [
                    QueueState(
                        name=queue.kind,
                        pending=queue.pending,
                        oldest_age_seconds=round(queue.oldest_age, 3),
                        failed=queue.failed,
                    )
                    for queue in found
                ]
            )
        )

    async def conversations(call: Call[None, ConversationsQuery]) -> Reply:
        after = paging.after(call, "admin-conversations")
        page = await overview.conversations(
            admin_of(call), after=(after[0], after[1]) if after else None, limit=call.query.limit
        )
        rows = [
            ConversationEntry(
                conversation_id=entry.conversation_id,
                type=entry.type,
                member_count=entry.member_count,
                last_seq=last_seq,
                created_at=rfc3339(entry.created_at),
                is_e2ee_enabled=entry.is_e2ee_enabled,
            )
            for entry, last_seq in page.items
        ]
        return Reply(ConversationPage(conversations=rows, **paging.end(call, page, "admin-conversations")))

    async def run_retention(call: Call[RetentionBody, None]) -> Reply:
        return Reply(await retention.run(admin_of(call), dry_run=call.body.dry_run))

    return [
        Route(
            method="GET",
            path="/v1/admin/stats",
            handler=stats,
            summary="The server in figures",
            tag="admin",
            access=Access.ADMIN,
            row="admin_stats",
            returns={200: Stats},
        ),
        Route(
            method="GET",
            path="/v1/admin/health",
            handler=health,
            summary="How the components stand, asked within the last 5 seconds",
            tag="admin",
            access=Access.ADMIN,
            row="admin_stats",
            returns={200: HealthAnswer},
        ),
        Route(
            method="GET",
            path="/v1/admin/queues",
            handler=queues,
            summary="What waits to be done",
            tag="admin",
            access=Access.ADMIN,
            row="admin_stats",
            returns={200: Queues},
        ),
        Route(
            method="GET",
            path="/v1/admin/conversations",
            handler=conversations,
            summary="All conversations, without what is in them",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            query=ConversationsQuery,
            returns={200: ConversationPage},
        ),
        Route(
            method="POST",
            path="/v1/admin/retention/run",
            handler=run_retention,
            summary="Remove old events, or say what would go",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=RetentionBody,
            returns={200: Removed},
        ),
    ]


def _component(found: Component) -> ComponentState:
    return ComponentState(
        name=found.name,
        status=found.status,
        latency_ms=round(found.latency * 1000, 3) if found.latency is not None else None,
        error=found.error,
        last_checked=rfc3339(found.checked_at),
    )
