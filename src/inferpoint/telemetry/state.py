"""The state of queues, limits, breakers and processes, read when Prometheus asks and kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from inferpoint.model.budgets import CallerReport
from inferpoint.model.quota import BreakerReport, GroupReport

_GROUP = ("group", "service")
_MOST_CALLERS = 500  # of which each has up to twelve series


class StateCollector(Collector):
    """The waiting calls, limits, breakers and retry budget as gauges.

    `groups` and `callers` are set before each collection.
    """

    groups: Sequence[GroupReport] = ()
    callers: Sequence[CallerReport] = ()

    def __init__(self, breakers: Callable[[], Sequence[BreakerReport]], budget: Callable[[], float]) -> None:
        self._breakers = breakers
        self._budget = budget

    def collect(self) -> Iterable[Metric]:
        """One family after the other; for the registry."""
        waiting = sum(sum(group.waiting.values()) for group in self.groups)
        yield GaugeMetricFamily("inferpoint_waiting_calls", "Calls that wait for their turn.", waiting)
        yield GaugeMetricFamily(
            "inferpoint_retry_budget", "Retries that may be made now, of the rate group that has least.", self._budget()
        )
        words = "1 for the state of each rate group's calls to an address, and without a group of the address."
        states = GaugeMetricFamily("inferpoint_breaker", words, None, ("address", "group", "state"))
        for breaker in self._breakers():  # addresses and groups come and go
            states.add_metric((breaker.address, breaker.group, breaker.state), 1.0)
        yield states
        yield from _lanes(self.groups)
        yield from _limits(self.groups)
        yield from _callers(self.callers)


class ProcessesCollector(Collector):
    """The metrics of `ProcessCollector`, as sums over the supervisor and all its workers."""

    def collect(self) -> Iterable[Metric]:
        """One family after the other; for the registry."""
        supervisor = os.getppid()
        workers = Path(f"/proc/{supervisor}/task/{supervisor}/children")
        processes = [str(supervisor), *workers.read_text("ascii").split()] if workers.exists() else [str(os.getpid())]
        every = [list(ProcessCollector(pid=partial(int, pid), registry=None).collect()) for pid in processes]
        for families in zip(*filter(None, every), strict=False):  # of one that has just ended there is nothing
            samples = [family.samples[0].value for family in families]
            total = min(samples) if families[0].name == "process_start_time_seconds" else sum(samples)
            family = Metric(families[0].name, families[0].documentation, families[0].type)
            family.add_sample(families[0].samples[0].name, {}, total)
            yield family


def _lanes(groups: Sequence[GroupReport]) -> Iterator[Metric]:
    depth = _family("inferpoint_queue_calls", "Calls that wait in a lane of a rate group.", "lane")
    oldest = _family("inferpoint_queue_oldest_seconds", "For how long the oldest of them has waited.", "lane")
    for group in groups:
        for lane, count in group.waiting.items():
            depth.add_metric((group.group, group.service, lane.value), count)
            oldest.add_metric((group.group, group.service, lane.value), group.oldest[lane])
    yield depth
    yield oldest


def _limits(groups: Sequence[GroupReport]) -> Iterator[Metric]:
    """The limits of each group, as they were configured and as they were learnt."""
    configured = _family("inferpoint_limit_per_minute", "What was configured for a rate group.", "of")
    told = _family("inferpoint_provider_limit", "The limit that the provider told last.", "of")
    remaining = _family("inferpoint_provider_remaining", "What is left of it, as the provider told last.", "of")
    paused = _family("inferpoint_paused_seconds", "For how long a rate group makes no calls.")
    for group in groups:
        labels = group.group, group.service
        paused.add_metric(labels, group.paused)
        for of, limit in group.rate.present():
            configured.add_metric((*labels, of), limit)
        for of, bucket in group.told.present():
            told.add_metric((*labels, of), bucket.limit)
            remaining.add_metric((*labels, of), bucket.remaining)
    yield from (configured, told, remaining, paused)


def _callers(callers: Sequence[CallerReport]) -> Iterator[Metric]:
    """The limits of each caller of its own, and what is used of them; of the callers that called last."""
    limits = GaugeMetricFamily("inferpoint_caller_limit", "A limit of a caller's own.", None, ("caller", "limit"))
    used = GaugeMetricFamily("inferpoint_caller_used", "What is used of it now.", None, ("caller", "limit"))
    for caller in callers[-_MOST_CALLERS:]:
        for name, limit in caller.limits.items():
            limits.add_metric((caller.caller, name), limit.limit)
            used.add_metric((caller.caller, name), limit.used)
    yield from (limits, used)


def _family(name: str, words: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, None, (*_GROUP, *more))
