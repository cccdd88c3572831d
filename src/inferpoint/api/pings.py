"""Pings in a stream whose provider is silent, so that clients and proxies do not take it for dead."""

from __future__ import annotations

from types import TracebackType

from inferpoint.clock import Clock
from inferpoint.inbound.exchange import Exchange

SILENCE = 10.0  # seconds; proxies wait for sixty


class Pings:
    """A context in which a *ping* is sent on an *exchange* after ten to twenty seconds without anything else."""

    def __init__(self, exchange: Exchange, clock: Clock, ping: bytes) -> None:
        self._exchange = exchange
        self._clock = clock
        self._ping = ping

    def __enter__(self) -> None:
        self._look_later()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._exchange.sent == self._sent:
            self._exchange.nudge(self._ping)
        self._look_later()

    def _look_later(self) -> None:
        """Look again, once so much time has passed, whether anything was sent."""
        self._sent = self._exchange.sent
        self._timer = self._clock.at(self._clock.monotonic() + SILENCE, self._look)
