"""What is counted of embeddings: how full their calls are, who shared them, and what was known already."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FILLS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2048)
_SERVICE = ("service",)


class Packing:
    """Calls, and the inputs in them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        fills = Histogram(
            "inferpoint_call_fill_ratio", "How much of what a call of embeddings may hold it held.", _SERVICE,
            registry=registry, buckets=_FILLS,
        )  # fmt: skip
        inputs = Histogram(
            "inferpoint_call_inputs", "Inputs in a call of embeddings.", _SERVICE, registry=registry, buckets=_COUNTS
        )
        merged = Counter(
            "inferpoint_merged_requests", "Requests that shared a call with others, once for each such call.", _SERVICE,
            registry=registry,
        )  # fmt: skip
        joined = Counter(
            "inferpoint_single_flight_inputs", "Inputs answered by a call that was made for the same text.", _SERVICE,
            registry=registry,
        )  # fmt: skip
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


class Caching:
    """All caches together."""

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
