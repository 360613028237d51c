"""What one socket is still owed before it is live: held frames, and ranges to read from the store.

Between acceptance and the end of its replay a socket takes no live frames directly. They wait here, per
conversation and in order. Frames are held up to a bound; beyond it a run of events shrinks to the range of
its seqs, which is read back when the socket gets there. So nothing is lost and memory stays small.
"""

from collections import deque

from secureconnect.edge.realtime.base import EventFrame

__all__ = ["Backlog", "Due"]


class Due:
    """One thing owed: an event, a range `after` < seq ≤ `upto` (no `frame`), or a control (`upto` 0)."""

    __slots__ = ("after", "frame", "upto")

    def __init__(self, after: int, upto: int, frame: bytes | None) -> None:
        self.after = after
        self.upto = upto
        self.frame = frame


class Backlog:
    """Everything owed to one socket, by conversation.

    Args:
        most: how many frames may be held before events shrink to ranges.
    """

    __slots__ = ("_held", "_most", "queues")

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self.queues: dict[str, deque[Due]] = {}

    def event(self, conversation_id: str, seq: int, frame: bytes) -> None:
        """An event came live; follows what is owed of its conversation already."""
        queue = self._queue(conversation_id)
        if self._held < self._most:
            self._held += 1
            queue.append(Due(seq - 1, seq, frame))
            return
        queue.append(Due(seq - 1, seq, None))
        self._shrink(queue)

    def control(self, conversation_id: str, frame: bytes) -> None:
        """A frame without seq that has its place between the events; never dropped."""
        self._held += 1
        self._queue(conversation_id).append(Due(0, 0, frame))

    def ephemeral(self, frame: bytes) -> None:
        """A frame of no conversation; dropped when much is held."""
        if self._held < self._most:
            self.control("", frame)

    def replace(self, conversation_id: str, first: list[EventFrame], after: int, upto: int) -> None:
        """Owe `first` and then the range (after, upto] instead of everything held."""
        self.purge(conversation_id)
        queue = self._queue(conversation_id)
        self._held += len(first)
        queue.extend(Due(seq - 1, seq, frame) for seq, frame in first)
        if upto > after:
            queue.append(Due(after, upto, None))

    def drop_events(self, conversation_id: str) -> None:
        """Owe only the controls held."""
        held = list(self.queues.get(conversation_id, ()))
        self.purge(conversation_id)
        for due in held:
            if due.upto == 0 and due.frame is not None:
                self.control(conversation_id, due.frame)

    def purge(self, conversation_id: str) -> None:
        """Owe nothing of this conversation any more."""
        queue = self.queues.pop(conversation_id, None)
        if queue:
            self._held -= sum(1 for due in queue if due.frame is not None)
            queue.clear()

    def take(self, queue: deque[Due]) -> Due:
        """Remove the first thing of `queue`."""
        due = queue.popleft()
        if due.frame is not None:
            self._held -= 1
        return due

    def _queue(self, conversation_id: str) -> deque[Due]:
        queue = self.queues.get(conversation_id)
        if queue is None:
            queue = self.queues[conversation_id] = deque()
        return queue

    def _shrink(self, queue: deque[Due]) -> None:
        """Join the run of events at the end of `queue` into its first entry, which may be being read now."""
        while len(queue) > 1 and queue[-2].upto and queue[-2].upto == queue[-1].after:
            last = queue.pop()
            if last.frame is not None:
                self._held -= 1
            if queue[-1].frame is not None:
                self._held -= 1
                queue[-1].frame = None
            queue[-1].upto = last.upto
