"""What happened, as counters and as lines of a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TextIO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0)


@dataclass(frozen=True)
class Answered:
    """One request, after its answer. `route` is the pattern that matched, so that ids do not become labels."""

    time: datetime
    request_id: str
    caller: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    size: int
    opaque_id: str = ""


@dataclass(frozen=True)
class Called:
    """One call to a provider; a status of 0 means that no reply came."""

    service: str
    status: int
    seconds: float


class Retry(StrEnum):
    """Why a call was made again; or, for `BUDGET`, that it was not, although it would have been worth it."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    BUDGET = "budget"


class Telemetry:
    """Counts and writes what it is told.

    It asks when it is asked itself: how many calls are `waiting`, the states of the `breakers` by address, how many
    retries are left of the `budget`.
    """

    def __init__(
        self,
        waiting: Callable[[], int],
        breakers: Callable[[], Mapping[str, str]],
        budget: Callable[[], float],
        write: Callable[[Answered], None],
    ) -> None:
        self._registry = CollectorRegistry()
        self._write = write
        ProcessCollector(registry=self._registry)
        requests = Counter(
            "inferpoint_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        durations = Histogram(
            "inferpoint_request_seconds", "Time to the end of an answer.", ("route",),
            registry=self._registry, buckets=_BUCKETS,
        )  # fmt: skip
        calls = Counter(
            "inferpoint_provider_calls", "Calls to providers; status 0 is no reply.", ("service", "status"),
            registry=self._registry,
        )  # fmt: skip
        times = Histogram(
            "inferpoint_provider_call_seconds", "Time of a call to a provider.", ("service",),
            registry=self._registry, buckets=_BUCKETS,
        )  # fmt: skip
        Gauge("inferpoint_waiting_calls", "Calls that wait for their turn.", registry=self._registry).set_function(
            waiting
        )
        retries = Counter(
            "inferpoint_retries", "Calls made again, by reason; budget is those that were not.", ("service", "reason"),
            registry=self._registry,
        )  # fmt: skip
        Gauge("inferpoint_retry_budget", "Retries that may be made now.", registry=self._registry).set_function(budget)
        self._registry.register(_Breakers(breakers))
        # Finding a child by its labels costs more than counting: each is found once and kept.
        self._request = cache(requests.labels)
        self._duration = cache(durations.labels)
        self._call = cache(calls.labels)
        self._time = cache(times.labels)
        self._retry = cache(retries.labels)

    def answered(self, answered: Answered) -> None:
        """Count a request and write its line."""
        self._request(answered.method, answered.route, answered.status).inc()
        self._duration(answered.route).observe(answered.seconds)
        self._write(answered)

    def called(self, called: Called) -> None:
        """Count a call."""
        self._call(called.service, called.status).inc()
        self._time(called.service).observe(called.seconds)

    def retried(self, service: str, reason: Retry) -> None:
        """Count a retry, or that there was none left."""
        self._retry(service, reason.value).inc()

    def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)


class _Breakers(Collector):
    """The breakers there are when it is asked: their addresses come and go."""

    def __init__(self, states: Callable[[], Mapping[str, str]]) -> None:
        self._states = states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("inferpoint_breaker", "1 for the state of each address.", None, ("address", "state"))
        for address, state in self._states().items():
            family.add_metric((address, state), 1.0)
        yield family


def access_log(form: str, to: TextIO = sys.stderr) -> Callable[[Answered], None]:
    """A writer of one line a request, as `text` or as `json`."""
    line = _json_line if form == "json" else _text_line

    def write(answered: Answered) -> None:
        to.write(line(answered))

    return write


def _text_line(answered: Answered) -> str:
    time = answered.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f"{time} {answered.method} {answered.path} {answered.status} {answered.seconds * 1000:.1f}ms"
        f" {answered.size}B {answered.caller} {answered.request_id}\n"
    )


def _json_line(answered: Answered) -> str:
    return msgspec.json.encode(answered).decode() + "\n"
