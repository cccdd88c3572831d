"""Counters, gauges and histograms whose numbers are cells of memory, so that to count is an addition and no call.

The classes of `prometheus_client` take a lock and five calls for each number. Shown is all of it by that library; and
several workers count in files of the form in which it sums them.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.registry import Collector

Cell = ctypes.c_double
Labels = tuple[str, ...]
MakeCell = Callable[[str, Labels, Labels], Cell]  # of a sample's name, the names of its labels, and their values


@dataclass(frozen=True)
class SharedCounters:
    """The folder where several workers count, and which of them this is: it counts on where its predecessor ended."""

    folder: str
    number: int


class Counter(dict[tuple[str | int, ...], Cell]):
    """One cell for each combination of *labels*, made when it is first counted in."""

    suffix = "_total"
    family: type[CounterMetricFamily | GaugeMetricFamily] = CounterMetricFamily

    def __init__(self, make: MakeCell, name: str, words: str, labels: Labels) -> None:
        super().__init__()
        self._make = make
        self._name = name
        self._words = words
        self._labels = labels

    def __missing__(self, values: tuple[str | int, ...]) -> Cell:
        cell = self[values] = self._make(f"{self._name}{self.suffix}", self._labels, tuple(map(str, values)))
        return cell

    def shown(self) -> Metric:
        """What was counted."""
        family = self.family(self._name, self._words, labels=self._labels)
        for values, cell in self.items():
            family.add_metric([str(value) for value in values], cell.value)
        return family


class Gauge(Counter):
    """Cells that are set; of several workers the sum is shown."""

    suffix = ""
    family = GaugeMetricFamily


class Histogram(dict[tuple[str, ...], Sequence[Cell]]):
    """Cells for each combination of *labels*: for each of the *buckets*, for what is larger, and for the sum."""

    def __init__(
        self,
        make: MakeCell,
        name: str,
        words: str,
        labels: Labels,
        buckets: Sequence[float],
    ) -> None:
        super().__init__()
        self._make = make
        self._name = name
        self._words = words
        self._labels = labels
        self._buckets = buckets
        self._bounds = [*(str(float(bound)) for bound in buckets), "+Inf"]

    def __missing__(self, values: tuple[str, ...]) -> Sequence[Cell]:
        names = (*self._labels, "le")
        cells = [self._make(f"{self._name}_bucket", names, (*values, bound)) for bound in self._bounds]
        cells.append(self._make(f"{self._name}_sum", self._labels, values))
        self[values] = cells
        return cells

    def observe(self, amount: float, *values: str) -> None:
        """Count an *amount* under labels of these *values*."""
        cells = self[values]
        cells[bisect_left(self._buckets, amount)].value += 1
        cells[-1].value += amount

    def shown(self) -> Metric:
        """What was counted."""
        family = HistogramMetricFamily(self._name, self._words, labels=self._labels)
        for values, cells in self.items():
            counts = accumulate(cell.value for cell in cells[:-1])
            family.add_metric(values, list(zip(self._bounds, counts, strict=True)), cells[-1].value)
        return family


class Metrics(Collector):
    """All counters and histograms of a process; those that are *shared* are shown by who sums those of all workers."""

    def __init__(self, shared: SharedCounters | None) -> None:
        self._shared = shared
        self._files: dict[str, _File] = {}
        self._metrics: list[Counter | Histogram] = []

    def counter(self, name: str, words: str, labels: Labels = ()) -> Counter:
        """A counter called *name*, explained by *words*."""
        counter = Counter(self._maker("counter", name, words), name, words, labels)
        self._metrics.append(counter)
        return counter

    def gauge(self, name: str, words: str, labels: Labels = ()) -> Gauge:
        """A gauge called *name*, explained by *words*."""
        gauge = Gauge(self._maker("gauge_livesum", name, words), name, words, labels)
        self._metrics.append(gauge)
        return gauge

    def histogram(self, name: str, words: str, labels: Labels, buckets: Sequence[float]) -> Histogram:
        """A histogram called *name*, explained by *words*, of what is as large as each of the *buckets* at most."""
        histogram = Histogram(self._maker("histogram", name, words), name, words, labels, buckets)
        self._metrics.append(histogram)
        return histogram

    def collect(self) -> Iterable[Metric]:
        """One family after the other; for the registry."""
        return [metric.shown() for metric in self._metrics]

    def _maker(self, kind: str, name: str, words: str) -> MakeCell:
        """What makes the cells of a metric: of memory of ours, or of this worker's file."""
        if self._shared is None:
            return lambda _sample, _labels, _values: Cell()
        if kind not in self._files:
            self._files[kind] = _File(str(Path(self._shared.folder) / f"{kind}_{self._shared.number}.db"))
        file = self._files[kind]
        return lambda sample, labels, values: file.cell(mmap_key(name, sample, list(labels), list(values), words))


class _File:
    """A mapped file of keys and numbers, as `prometheus_client` reads them."""

    def __init__(self, path: str) -> None:
        self._values: Any = MmapedDict(path)

    def cell(self, key: str) -> Cell:
        """The number of *key* in the file, which goes on where it was."""
        values = self._values
        values.read_value(key)  # which makes it
        return Cell.from_buffer(values._m, values._positions[key])  # noqa: SLF001 - each write of its own is five calls
