"""What a job would take, told before anything is called: items, calls, tokens, minutes, money."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from inferpoint import services
from inferpoint.bulk.job import SHARD_ITEMS, Spec
from inferpoint.bulk.pricing import price_of
from inferpoint.bulk.sources.source import Item, Source, Span
from inferpoint.calls.sizing import DEVIATION, MEAN, OUTPUT_GUESS, Load, Sizing
from inferpoint.chunking import chunk
from inferpoint.model.endpoint import TaskType
from inferpoint.model.price import NANO
from inferpoint.model.quota import Cost, Rate
from inferpoint.model.settings import declared, read
from inferpoint.protocols.service import Task

_SPANS, _OF_A_SPAN = 16, 64  # of which the sample is read


class Estimate(msgspec.Struct, frozen=True):
    """What a job would take: `tokens` are estimated from the bytes of `sampled` items, with a `margin` of so much.

    `inputs` are items, or their chunks. `output` are tokens that a model would write. `minutes` are those of the rate
    limits of the endpoint, None where it has none. `usd` is None without a price; `usd_in_batches` also where the
    provider has no batches, which no rate limit holds back.
    """

    items: int
    sampled: int
    inputs: int
    calls: int
    tokens: int
    margin: float
    output: int
    minutes: float | None
    usd: float | None
    usd_in_batches: float | None


def estimated(spec: Spec, shown: Mapping[str, Any], source: Source) -> Estimate:
    """The estimate of what *spec* says, by an endpoint that is *shown*; of *source* a sample is read."""
    spans = list(source.spans(SHARD_ITEMS))
    items = sum(span.items for span in spans)
    items = items if spec.limit is None else min(items, spec.limit)
    sample = list(_sample(source, spans))
    inputs, sizes = _cut(sample, shown.get("chunking_settings")) if spec.chunk else (len(sample), _sizes(sample))
    several = items / max(1, len(sample))
    load = Load(round(inputs * several), round(sum(sizes) * several))
    tokens = round(load.bytes * MEAN)
    completes = shown["task_type"] == TaskType.COMPLETION
    rate, calls = _calls(shown, load, completes=completes)
    output = round(OUTPUT_GUESS * items) if completes else 0
    price, batches = price_of(shown), _task(shown).batches
    usd = None if price is None else price.nano_usd(Cost(0, tokens + output, output, calls=calls)) / NANO
    return Estimate(
        items,
        len(sample),
        load.inputs,
        calls,
        tokens,
        _margin(sizes),
        output,
        _minutes(rate, calls, tokens + output),
        usd,
        None if usd is None or batches is None else usd * batches.price,
    )


def _sample(source: Source, spans: Sequence[Span]) -> Iterator[Item]:
    """Some items of some spans, from all over the source."""
    step = max(1, math.ceil(len(spans) / _SPANS))
    for span in spans[::step]:
        yield from islice(source.read(span), _OF_A_SPAN)


def _sizes(sample: Sequence[Item]) -> list[int]:
    return [len(item.text.encode("utf-8", "surrogatepass")) for item in sample]


def _cut(sample: Sequence[Item], settings: Mapping[str, Any] | None) -> tuple[int, list[int]]:
    """How many chunks a *sample* has, and the bytes of all chunks of each item."""
    chunks, sizes = 0, list[int]()
    for item in sample:
        spans = chunk(item.text, settings)
        chunks += len(spans)
        sizes.append(sum(len(item.text[begin:end].encode("utf-8", "surrogatepass")) for begin, end in spans))
    return chunks, sizes


def _task(shown: Mapping[str, Any]) -> Task[Any, Any]:
    return services.find(shown["service"]).tasks[TaskType(shown["task_type"])]


def _calls(shown: Mapping[str, Any], load: Load, *, completes: bool) -> tuple[Rate, int]:
    """The limits of the endpoint's rate group, and how many calls *load* takes."""
    task = _task(shown)
    unseen = {setting.name: "-" for setting in declared(task.settings) if setting.secret}
    settings = read(task.settings, {**unseen, **shown["service_settings"]}, scope="", problems=[])
    limit: Mapping[str, int] = shown["service_settings"].get("rate_limit") or {}
    rate = Rate(limit.get("requests_per_minute"), limit.get("tokens_per_minute"))
    if rate.requests is None:
        rate = msgspec.structs.replace(rate, requests=task.rates.default)
    if completes or settings is None:
        return rate, load.inputs
    return rate, Sizing(task.rates.limits(settings), rate).calls(load)


def _margin(sizes: Sequence[int]) -> float:
    """How far the tokens may be from their estimate, as a share: texts differ in length, and in bytes a token."""
    mean = statistics.fmean(sizes) if sizes else 0.0
    sampling = 2 * statistics.stdev(sizes) / math.sqrt(len(sizes)) / mean if len(sizes) > 1 and mean else 0.0
    return math.hypot(sampling, 2 * DEVIATION / MEAN)


def _minutes(rate: Rate, calls: int, tokens: int) -> float | None:
    limited = [taken / most for taken, most in ((calls, rate.requests), (tokens, rate.tokens)) if most is not None]
    return max(limited) if limited else None
