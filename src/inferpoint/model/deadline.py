"""By when something must have happened."""

from __future__ import annotations

import math

import msgspec


class Deadline(msgspec.Struct, frozen=True):
    """A moment of the clock's monotonic time, in seconds, and the timeout in seconds that it came from.

    Both are infinite where there is no hurry.
    """

    at: float = math.inf
    timeout: float = math.inf

    def left(self, now: float) -> float:
        """The seconds until then, negative once it is over."""
        return self.at - now

    def sooner(self, seconds: float) -> Deadline:
        """A deadline so many seconds before this one."""
        return Deadline(self.at - seconds, self.timeout)

    def later_of(self, other: Deadline) -> Deadline:
        """Whichever of the two comes last."""
        return self if self.at >= other.at else other


NEVER = Deadline()
