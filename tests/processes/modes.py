"""The table of degraded modes (docs/reference/operations.md §9), as tests go through it."""

from tests.processes import modes_of_others as others
from tests.processes import modes_of_stores as stores
from tests.processes.world import Fact, Mode, Step, World, dependency
from tests.scenarios.patience import eventually
from tests.scenarios.profiles import PROFILE

__all__ = ["MODES"]


async def nothing_more(_: World) -> None:
    """The metric says it all."""


def _of(name: str, alert: str, begin_: Step, end: Step, meanwhile: Step, after: Step = nothing_more) -> Mode:
    """A mode that `dependency_up` shows."""
    shows, gone = dependency(name, up=False), dependency(name, up=True)
    return Mode(begin_, end, shows, (alert, name), meanwhile, after, gone)


def _of_jobs(kind: str, begin_: Step, end: Step, meanwhile: Step, after: Step, gone: Fact) -> Mode:
    """A mode in which jobs wait."""

    async def shows(world: World) -> bool:
        return await others.waiting(world, kind)

    async def done(world: World) -> None:
        async def nothing_waits() -> bool:
            return not await world.sum("outbox_pending", kind=kind)

        await eventually(nothing_waits)
        await after(world)

    return Mode(begin_, end, shows, ("OutboxStuck", kind), meanwhile, done, gone)


MODES = {
    "the database dies": _of(
        "database",
        "DatabaseDown",
        stores.database_dies,
        stores.database_returns,
        stores.without_database,
        stores.with_database,
    ),
    "the database hangs": _of(
        "database",
        "DatabaseDown",
        stores.database_hangs,
        stores.database_goes_on,
        stores.without_database,
        stores.with_database,
    ),
    "the object store dies": _of(
        "object_store",
        "ObjectStoreDown",
        stores.objects_die,
        stores.objects_return,
        stores.without_objects,
        stores.with_objects,
    ),
    "the object store hangs": _of(
        "object_store",
        "ObjectStoreDown",
        stores.objects_hang,
        stores.objects_go_on,
        stores.without_objects,
        stores.with_objects,
    ),
    "Redis dies": Mode(
        stores.redis_dies,
        stores.redis_returns,
        stores.redis_is_away,
        ("RedisUnavailable", ""),
        stores.without_redis,
        nothing_more,
        stores.redis_is_back,
    ),
    "the pool is used up": Mode(
        stores.pool_is_used,
        stores.pool_is_free,
        stores.refuses_what_can_wait,
        ("DatabasePoolExhausted", ""),
        stores.without_connections,
        nothing_more,
        stores.pool_recovered,
    ),
    "the mail server dies": _of_jobs(
        "mail",
        others.mail_dies,
        others.mail_returns,
        others.without_mail,
        others.with_mail,
        others.mails_came,
    ),
    "the push service is cut off": _of_jobs(
        "push",
        others.push_is_cut,
        others.push_returns,
        others.without_push,
        others.with_push,
        others.pushes_came,
    ),
    "LiveKit is cut off": _of(
        "sfu", "Degraded", others.sfu_is_cut, others.sfu_returns, others.without_sfu, others.with_sfu
    ),
    "TURN dies": _of("turn", "Degraded", others.turn_dies, others.turn_returns, others.without_turn),
}
if PROFILE.has_cassandra:
    MODES["Cassandra hangs"] = _of(
        "timeline", "TimelineDown", stores.cassandra_hangs, stores.cassandra_goes_on, stores.without_cassandra
    )
