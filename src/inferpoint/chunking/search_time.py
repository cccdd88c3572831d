"""The time that separators of a caller's own may take: an expression can backtrack without end."""

from __future__ import annotations

from collections.abc import Callable

SECONDS = 2.0  # many times what separators need


class SearchTime:
    """The seconds that are `left`, by a *clock*, for all searches of separators that one request causes."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0, seconds: float = SECONDS) -> None:
        self.clock = clock
        self.left = seconds
