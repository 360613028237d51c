"""What runs again and again."""

from secureconnect.features.files.tasks import tasks
from tests.unit.files.world import World


async def test_the_periodic_work(w: World) -> None:
    (a,) = await w.base.people("a")
    await w.file(a)
    await w.begin(a, 10)
    every = tasks(w.cases, w.database, w.counts, upload_sweep_interval=7)
    named = {task.name: task for task in every}
    assert named["expired_uploads"].every == 7
    w.clock.at += 1_000_000
    assert [await task.run() for task in every] == [1, 0, 0]
    assert w.counts.seen["stored"] == 1000
