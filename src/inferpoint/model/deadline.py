"""By when something must have happened."""

from __future__ import annotations

import math

import msgspec


class Deadline(msgspec.Struct, frozen=True):
    """A moment of the clock's monotonic time, in seconds, and the timeout in seconds that it came from.

    Both are infinite where there is no hurry. `patience` is the moment beyond which nothing is waited for that has not
    begun, however late the deadline is.
    """

    at: float = math.inf
    timeout: float = math.inf
    patience: float = math.inf

    def left(self, now: float) -> float:
        """The seconds until then, negative once it is over."""
        return self.at - now

    def sooner(self, seconds: float) -> Deadline:
        """A deadline so many seconds before this one, and no later than patience lasts."""
        at = self.at - seconds
        return Deadline(min(self.patience, at), self.timeout, self.patience)

    def later_of(self, other: Deadline) -> Deadline:
        """Whichever of the two comes last."""
        return self if self.at >= other.at else other


NEVER = Deadline()
