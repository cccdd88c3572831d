"""The counters: of requests, of calls to providers, of batches and of caches."""

from __future__ import annotations

from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inferpoint.telemetry.events import Answered, Called, Retry

# Finding a child by its labels costs more than counting: each is found once and kept, by `cache`.
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0)
_FILLS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2048)
_SERVICE = ("service",)


class RequestCounters:
    """Counters of the server's requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        requests = counter("inferpoint_requests", "Requests answered.", ("method", "route", "status"))
        durations = histogram(
            "inferpoint_request_seconds", "Time to the end of an answer.", ("route",), buckets=_SECONDS
        )
        self._request = cache(requests.labels)
        self._duration = cache(durations.labels)

    def answered(self, answered: Answered) -> None:
        """Count a request."""
        self._request(answered.method, answered.route, answered.status).inc()
        self._duration(answered.route).observe(answered.seconds)


class CallCounters:
    """Counters of calls to providers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        calls = counter("inferpoint_provider_calls", "Calls to providers; status 0 is no reply.", ("service", "status"))
        times = histogram(
            "inferpoint_provider_call_seconds", "Time of a call to a provider.", _SERVICE, buckets=_SECONDS
        )
        retries = counter(
            "inferpoint_retries", "Calls made again, by reason; budget is those that were not.", ("service", "reason")
        )
        tokens = counter(
            "inferpoint_tokens",
            "Tokens of calls whose provider counts them: estimated before, used after.",
            ("service", "source"),
        )
        self._call = cache(calls.labels)
        self._time = cache(times.labels)
        self._retry = cache(retries.labels)
        self._tokens = cache(tokens.labels)

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


class BatchCounters:
    """Counters of calls for embeddings, and of the inputs in them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        fills = histogram(
            "inferpoint_call_fill_ratio",
            "How much of what a call of embeddings may hold it held.",
            _SERVICE,
            buckets=_FILLS,
        )
        inputs = histogram("inferpoint_call_inputs", "Inputs in a call of embeddings.", _SERVICE, buckets=_COUNTS)
        merged = counter(
            "inferpoint_merged_requests", "Requests that shared a call with others, once for each such call.", _SERVICE
        )
        joined = counter(
            "inferpoint_single_flight_inputs", "Inputs answered by a call that was made for the same text.", _SERVICE
        )
        self._fill = cache(fills.labels)
        self._inputs = cache(inputs.labels)
        self._merged = cache(merged.labels)
        self._joined = cache(joined.labels)

    def packed(self, service: str, inputs: int, requests: int, fill: float) -> None:
        """Count a call for *inputs* of so many *requests*; *fill*, from 0 to 1, is how much it held of what it may."""
        self._fill(service).observe(fill)
        self._inputs(service).observe(inputs)
        if requests > 1:
            self._merged(service).inc(requests)

    def joined(self, service: str, inputs: int) -> None:
        """Count inputs that are answered by what was asked already."""
        if inputs:
            self._joined(service).inc(inputs)


class CacheCounters:
    """Counters of all caches together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._hits = Counter("inferpoint_cache_hits", "Texts that were in a cache.", registry=registry)
        self._misses = Counter("inferpoint_cache_misses", "Texts that were looked for in vain.", registry=registry)
        self._entries = Gauge(
            "inferpoint_cache_entries", "Embeddings in memory, in all caches.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._bytes = Gauge(
            "inferpoint_cache_bytes", "What all caches take of memory.", registry=registry, multiprocess_mode="livesum"
        )
        self.holds(0, 0)  # a worker that takes another's place begins with empty caches

    def looked_up(self, hits: int, misses: int) -> None:
        """Count texts that were looked for."""
        self._hits.inc(hits)
        self._misses.inc(misses)

    def holds(self, entries: int, size: int) -> None:
        """Note how much is in memory, in embeddings and in bytes."""
        self._entries.set(entries)
        self._bytes.set(size)
