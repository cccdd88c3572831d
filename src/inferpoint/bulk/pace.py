"""How fast jobs go, by looks at how far they have come."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

SECONDS = 60.0  # that a pace is the average of


class Paces:
    """The paces of jobs by name, in items a second."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[tuple[float, int]]] = {}

    def saw(self, name: str, now: float, items: int) -> None:
        """Note that so many *items* of a job are done or failed at the time *now*."""
        looks = self._looks.setdefault(name, deque())
        looks.append((now, items))
        while looks[0][0] < now - SECONDS:
            looks.popleft()

    def keep(self, names: Collection[str]) -> None:
        """Know no more of jobs but those called *names*."""
        self._looks = {name: looks for name, looks in self._looks.items() if name in names}

    def of(self, name: str) -> float | None:
        """The pace of a job over the last minute; None of one that was not seen twice."""
        looks = self._looks.get(name, ())
        if len(looks) < 2:
            return None
        (begin, before), (end, after) = looks[0], looks[-1]
        return max(0, after - before) / (end - begin) if end > begin else None
