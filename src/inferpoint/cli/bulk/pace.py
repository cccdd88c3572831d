"""How fast a job goes, and when it may be done: by what was done within the last minute."""

from __future__ import annotations

from collections import deque

from inferpoint.bulk.job import Counts

SECONDS = 60.0


class Pace:
    """The counts of a job as they were at moments of the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._moved = 0.0

    def add(self, at: float, counts: Counts) -> None:
        """Take in what was counted at a moment."""
        finished = counts.done + counts.failed
        if not self._seen or finished != self._seen[-1][1]:
            self._moved = at
        self._seen.append((at, finished))
        while len(self._seen) > 2 and self._seen[1][0] <= at - SECONDS:
            self._seen.popleft()

    def a_second(self) -> float | None:
        """How many items a second; None before anything can be said."""
        if len(self._seen) < 2:
            return None
        (begin, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - begin) if end > begin else None

    def still(self) -> float:
        """For how many seconds nothing was done."""
        return self._seen[-1][0] - self._moved if self._seen else 0.0

    def seconds_left(self, counts: Counts) -> float | None:
        """In how many seconds all items are done at this pace; None when nothing moves."""
        speed = self.a_second()
        return (counts.planned - counts.done - counts.failed) / speed if speed else None
