"""Time, passed in everywhere else, so that tests can move it."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from typing_extensions import override


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Make it not happen."""
        ...


class Clock(Protocol):
    """The time of day, a time that never goes back, and ways to wait."""

    @abstractmethod
    def now(self) -> datetime:
        """The time of day, in UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds that never go back; deadlines count in these."""

    @abstractmethod
    def at(self, moment: float, act: Callable[[], None], /) -> Timer:
        """Call *act* at *moment* of the monotonic time."""

    @abstractmethod
    async def sleep(self, seconds: float, /) -> None:
        """Wait for so many seconds."""


class SystemClock(Clock):
    """The machine's clock and the running event loop's timers."""

    # What is asked for a dozen times a request is not wrapped; pyright takes it for a method without `self`.
    now = staticmethod(partial(datetime.now, UTC))  # pyright: ignore[reportAssignmentType]
    monotonic = staticmethod(time.monotonic)  # pyright: ignore[reportAssignmentType]

    @override
    def at(self, moment: float, act: Callable[[], None], /) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, moment - time.monotonic()), act)

    @override
    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)
