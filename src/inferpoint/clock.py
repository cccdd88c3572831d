"""Time, passed in everywhere else, so that tests can move it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Make it not happen."""
        ...


class Clock(Protocol):
    """What time it is, and a way to wait."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; deadlines count in these."""
        ...

    def at(self, moment: float, act: Callable[[], None], /) -> Timer:
        """Call *act* at *moment* of the monotonic time."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some point that does not move."""
        return time.monotonic()

    def at(self, moment: float, act: Callable[[], None], /) -> Timer:
        """Call *act* at *moment*."""
        return asyncio.get_running_loop().call_later(max(0.0, moment - time.monotonic()), act)

    async def sleep(self, seconds: float, /) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
