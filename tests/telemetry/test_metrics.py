"""Counters that are cells of memory, of one process or of several that share a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from inferpoint.telemetry.metrics import Metrics, SharedCounters

WORDS = "What it is."


def count(metrics: Metrics) -> None:
    metrics.counter("a", WORDS, ("b", "c"))["x", 200].value += 2
    seconds = metrics.histogram("d", WORDS, ("e",), (0.1, 1, 10))
    for amount in (0.05, 0.1, 0.11, 3.0, 11.0):
        seconds.observe(amount, "y")
    metrics.gauge("f", WORDS)[()].value = 3


def told(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def expected(times: int) -> dict[str, float]:
    """What is told of *times* counts of the same; of what is set there are two workers."""
    buckets = {"0.1": 2, "1.0": 3, "10.0": 4, "+Inf": 5}
    return {
        'a_total{b="x",c="200"}': 2.0 * times,
        **{f'd_bucket{{e="y",le="{bound}"}}': float(count * times) for bound, count in buckets.items()},
        'd_count{e="y"}': 5.0 * times,
        'd_sum{e="y"}': pytest.approx(14.26 * times),
        "f": 3.0 * min(times, 2),
    }


def test_what_was_counted_is_told() -> None:
    """A counter by its labels, a histogram by what is as large as each bound at most, a gauge as it was set."""
    registry, metrics = CollectorRegistry(), Metrics(None)
    registry.register(metrics)
    count(metrics)
    assert told(registry) == expected(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a worker's files stay open to its end
def test_several_workers_count_together(tmp_path: Path) -> None:
    """Any of them tells the sum at once, and one that takes another's place counts on where that ended."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))
    for times, worker in enumerate([0, 1, 0], 1):
        count(Metrics(SharedCounters(str(tmp_path), worker)))
        assert told(registry) == expected(times)
