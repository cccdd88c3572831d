"""All counters of a server, and what Prometheus is shown of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from inferpoint.model.budgets import CallerReport
from inferpoint.model.quota import BreakerReport, GroupReport
from inferpoint.telemetry.counters import BatchCounters, CacheCounters, CallCounters, JobCounters, RequestCounters
from inferpoint.telemetry.events import Answered
from inferpoint.telemetry.metrics import Metrics, SharedCounters
from inferpoint.telemetry.state import ProcessesCollector, StateCollector


class Telemetry:
    """Counts requests, `calls`, `batches`, `jobs` and what `caches` know, and hands each answered request to *write*.

    What is not counted is asked for when Prometheus asks: how the *groups* of calls and the *callers* with limits
    stand, the states of the *breakers*, how many retries the least *budget* has left. With counters *shared* by
    several workers each of them shows what all have counted.
    """

    def __init__(
        self,
        groups: Callable[[], Awaitable[Sequence[GroupReport]]],
        callers: Callable[[], Awaitable[Sequence[CallerReport]]],
        breakers: Callable[[], Sequence[BreakerReport]],
        budget: Callable[[], float],
        write: Callable[[Answered], None],
        shared: SharedCounters | None = None,
    ) -> None:
        self._groups = groups
        self._callers = callers
        self._write = write
        self._state = StateCollector(breakers, budget)
        self._shown = CollectorRegistry()
        self._shown.register(self._state)
        metrics = Metrics(shared)
        if shared is None:
            self._shown.register(metrics)
            ProcessCollector(registry=self._shown)
        else:
            MultiProcessCollector(self._shown, shared.folder)
            self._shown.register(ProcessesCollector())
        self._requests = RequestCounters(metrics)
        self.calls = CallCounters(metrics)
        self.batches = BatchCounters(metrics)
        self.caches = CacheCounters(metrics)
        self.jobs = JobCounters(metrics)

    def answered(self, answered: Answered) -> None:
        """Count a request and write its line."""
        self._requests.answered(answered)
        self._write(answered)

    async def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        self._state.groups, self._state.callers = await self._groups(), await self._callers()
        return generate_latest(self._shown)
