"""The counters: of requests, of calls to providers, of batches, of caches and of bulk jobs."""

from __future__ import annotations

from inferpoint.telemetry.events import Answered, Called, Retry
from inferpoint.telemetry.metrics import Metrics

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0)
_FILLS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2048)
_SERVICE = ("service",)


class RequestCounters:
    """Counters of the server's requests."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.counter("inferpoint_requests", "Requests answered.", ("method", "route", "status"))
        self._seconds = metrics.histogram(
            "inferpoint_request_seconds", "Time to the end of an answer.", ("route",), _SECONDS
        )

    def answered(self, answered: Answered) -> None:
        """Count a request."""
        self._requests[answered.method, answered.route, answered.status].value += 1
        self._seconds.observe(answered.seconds, answered.route)


class CallCounters:
    """Counters of calls to providers."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = metrics.counter(
            "inferpoint_provider_calls", "Calls to providers; status 0 is no reply.", ("service", "status")
        )
        self._seconds = metrics.histogram(
            "inferpoint_provider_call_seconds", "Time of a call to a provider.", _SERVICE, _SECONDS
        )
        self._retries = metrics.counter(
            "inferpoint_retries", "Calls made again, by reason; budget is those that were not.", ("service", "reason")
        )
        self._tokens = metrics.counter(
            "inferpoint_tokens",
            "Tokens of calls whose provider counts them: estimated before, used after.",
            ("service", "source"),
        )

    def called(self, called: Called) -> None:
        """Count a call."""
        self._calls[called.service, called.status].value += 1
        self._seconds.observe(called.seconds, called.service)

    def retried(self, service: str, reason: Retry) -> None:
        """Count a retry, or that there was none left."""
        self._retries[service, reason.value].value += 1

    def cost(self, service: str, estimated: int, used: int) -> None:
        """Count the tokens of a call, as they were guessed and as they were."""
        self._tokens[service, "estimated"].value += estimated
        self._tokens[service, "used"].value += used


class BatchCounters:
    """Counters of calls for embeddings, and of the inputs in them."""

    def __init__(self, metrics: Metrics) -> None:
        self._fills = metrics.histogram(
            "inferpoint_call_fill_ratio", "How much of what a call of embeddings may hold it held.", _SERVICE, _FILLS
        )
        self._inputs = metrics.histogram("inferpoint_call_inputs", "Inputs in a call of embeddings.", _SERVICE, _COUNTS)
        self._merged = metrics.counter(
            "inferpoint_merged_requests", "Requests that shared a call with others, once for each such call.", _SERVICE
        )
        self._joined = metrics.counter(
            "inferpoint_single_flight_inputs", "Inputs answered by a call that was made for the same text.", _SERVICE
        )

    def packed(self, service: str, inputs: int, requests: int, fill: float) -> None:
        """Count a call for *inputs* of so many *requests*; *fill*, from 0 to 1, is how much it held of what it may."""
        self._fills.observe(fill, service)
        self._inputs.observe(inputs, service)
        if requests > 1:
            self._merged[service,].value += requests

    def joined(self, service: str, inputs: int) -> None:
        """Count inputs that are answered by what was asked already."""
        if inputs:
            self._joined[service,].value += inputs


class CacheCounters:
    """Counters of all caches together."""

    def __init__(self, metrics: Metrics) -> None:
        self._hits = metrics.counter("inferpoint_cache_hits", "Texts that were in a cache.")[()]
        self._misses = metrics.counter("inferpoint_cache_misses", "Texts that were looked for in vain.")[()]
        self._entries = metrics.gauge("inferpoint_cache_entries", "Embeddings in memory, in all caches.")[()]
        self._bytes = metrics.gauge("inferpoint_cache_bytes", "What all caches take of memory.")[()]
        self.holds(0, 0)  # a worker that takes another's place begins with empty caches

    def looked_up(self, hits: int, misses: int) -> None:
        """Count texts that were looked for."""
        self._hits.value += hits
        self._misses.value += misses

    def holds(self, entries: int, size: int) -> None:
        """Note how much is in memory, in embeddings and in bytes."""
        self._entries.value = entries
        self._bytes.value = size


class JobCounters:
    """Counters of the bulk jobs that the server works on."""

    def __init__(self, metrics: Metrics) -> None:
        self._items = metrics.counter("inferpoint_job_items", "Items of bulk jobs that ended.", ("outcome",))
        self._in_work = metrics.gauge(
            "inferpoint_jobs_in_work", "Bulk jobs that are worked on, once for each worker of the server that does."
        )[()]
        self.work_on(0)  # a worker that takes another's place has none

    def wrote(self, done: int, failed: int) -> None:
        """Count items that were written down."""
        for outcome, items in (("done", done), ("failed", failed)):
            self._items[outcome,].value += items

    def work_on(self, jobs: int) -> None:
        """Note how many jobs this process works on."""
        self._in_work.value = jobs
