"""What happened, as counters and as lines of a log."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TextIO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from inferpoint.model.quota import GroupReport
from inferpoint.telemetry.counts import Caching, Packing
from inferpoint.telemetry.gauges import Standing, Workers

_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0)
# A pipe takes 4096 bytes whole, whoever else writes to it. These are characters, of two bytes at most.
_LONGEST_LINE = 2000
_SHORTENED = 600


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


@dataclass(frozen=True)
class Counters:
    """The folder where several workers count, and which of them this is: it counts on where its predecessor ended."""

    folder: str
    number: int


class Telemetry:
    """Counts and writes what it is told.

    It asks when it is asked itself: how the *groups* of calls stand, the states of the *breakers* by address, how many
    retries are left of the *budget*. With *counters* each of several workers shows what all have counted.
    """

    def __init__(
        self,
        groups: Callable[[], Awaitable[Sequence[GroupReport]]],
        breakers: Callable[[], Mapping[str, str]],
        budget: Callable[[], float],
        write: Callable[[Answered], None],
        counters: Counters | None = None,
    ) -> None:
        self._groups = groups
        self._write = write
        self._standing = Standing(breakers, budget)
        self._shown = CollectorRegistry()
        self._shown.register(self._standing)
        registry = self._shown
        if counters is None:
            ProcessCollector(registry=registry)
        else:
            self._shown.register(Workers())
            MultiProcessCollector(self._shown, counters.folder)
            values.ValueClass = values.MultiProcessValue(lambda: counters.number)  # pyright: ignore[reportUnknownMemberType]
            registry = CollectorRegistry()  # of this worker alone, and shown to nobody
        requests = Counter(
            "inferpoint_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        durations = Histogram(
            "inferpoint_request_seconds", "Time to the end of an answer.", ("route",),
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        calls = Counter(
            "inferpoint_provider_calls", "Calls to providers; status 0 is no reply.", ("service", "status"),
            registry=registry,
        )  # fmt: skip
        times = Histogram(
            "inferpoint_provider_call_seconds", "Time of a call to a provider.", ("service",),
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        retries = Counter(
            "inferpoint_retries", "Calls made again, by reason; budget is those that were not.", ("service", "reason"),
            registry=registry,
        )  # fmt: skip
        tokens = Counter(
            "inferpoint_tokens", "Tokens of calls whose provider counts them: estimated before, used after.",
            ("service", "source"), registry=registry,
        )  # fmt: skip
        self.packing = Packing(registry)
        self.caching = Caching(registry)
        # Finding a child by its labels costs more than counting: each is found once and kept.
        self._request = cache(requests.labels)
        self._duration = cache(durations.labels)
        self._call = cache(calls.labels)
        self._time = cache(times.labels)
        self._retry = cache(retries.labels)
        self._tokens = cache(tokens.labels)

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

    def cost(self, service: str, estimated: int, used: int) -> None:
        """Count the tokens of a call, as they were guessed and as they were."""
        self._tokens(service, "estimated").inc(estimated)
        self._tokens(service, "used").inc(used)

    async def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        self._standing.groups = await self._groups()
        return generate_latest(self._shown)


def access_log(form: str, to: TextIO = sys.stderr) -> Callable[[Answered], None]:
    """A writer of one line a request, as `text` or as `json`, each line whole among those of other processes."""
    line = _json_line if form == "json" else _text_line

    def write(answered: Answered) -> None:
        text = line(answered)
        if len(text) > _LONGEST_LINE:
            path, opaque_id = _shortened(answered.path), _shortened(answered.opaque_id)
            text = line(replace(answered, path=path, opaque_id=opaque_id))
        to.write(text)

    return write


def _shortened(text: str) -> str:
    return text if len(text) <= _SHORTENED else text[:_SHORTENED] + "..."


def _text_line(answered: Answered) -> str:
    time = answered.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f"{time} {answered.method} {answered.path} {answered.status} {answered.seconds * 1000:.1f}ms"
        f" {answered.size}B {answered.caller} {answered.request_id}\n"
    )


def _json_line(answered: Answered) -> str:
    return msgspec.json.encode(answered).decode() + "\n"
