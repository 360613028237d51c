"""One person's words in the search index. They go with the messages, whose end the index follows."""

from collections.abc import AsyncIterator

from secureconnect.features.search.service import Feeder
from secureconnect.features.search.tasks import Sweeper
from secureconnect.infra.database.personal import Page
from secureconnect.infra.search.base import SearchIndex
from secureconnect.infra.timeline.base import Timeline

__all__ = ["Indexed"]


class Indexed:
    """Implements `privacy.api.Belongings`. Comes after messages and conversations."""

    name = "search_index"
    tables = frozenset[str]()

    def __init__(self, index: SearchIndex, timeline: Timeline, feeder: Feeder) -> None:
        self._index = index
        self._timeline = timeline
        self._feeder = feeder

    async def exported(self, _: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`: nothing that is not in the messages."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page

    async def erased(self, _: str) -> AsyncIterator[int]:
        """See `Belongings.erased`: returns once the index holds nothing that the timeline does not."""
        await self._feeder.caught_up()
        sweeper = Sweeper(self._index, self._timeline)
        yield await sweeper.sweep()
        while not sweeper.done:
            yield await sweeper.sweep()
        # Words of what is gone stay on the disk until the parts of the index are merged.
        while await self._index.expunge():
            yield 0
