"""What a job would take is told before anything is called: from a sample, by the endpoint's limits and price."""

from __future__ import annotations

from typing import Any

import pytest
from bulk_places import SPEC, MemorySource
from msgspec.structs import replace

from inferpoint.bulk.estimating import estimated
from inferpoint.bulk.sources.source import Item

PRICE = {"usd_per_million_input_tokens": 0.02, "usd_per_million_output_tokens": 1.0}


def shown(service: str = "openai", task_type: str = "text_embedding", **settings: Any) -> dict[str, Any]:
    """An endpoint as it is shown: without its secrets."""
    settings = {"model_id": "m", **settings}
    return {"inference_id": "e", "service": service, "task_type": task_type, "service_settings": settings}


def texts(count: int, length: int = 400) -> MemorySource:
    return MemorySource([Item("x" * length) for _ in range(count)])


def test_tokens_are_a_quarter_of_the_bytes_of_a_sample() -> None:
    """Of a large source some items are read, from all over it, and the estimate says how many."""
    estimate = estimated(SPEC, shown(), texts(100_000))
    assert (estimate.items, estimate.inputs, estimate.tokens) == (100_000, 100_000, 10_000_000)
    assert estimate.sampled < 2000
    assert estimate.margin == pytest.approx(1 / 3)
    assert estimate.usd is estimate.usd_in_batches is None


def test_texts_that_differ_are_known_less_well() -> None:
    """Sizes that vary make the margin wider."""
    varied = MemorySource([Item("x" * (10 if number % 2 else 4000)) for number in range(50)])
    assert estimated(SPEC, shown(), varied).margin > 0.4


def test_calls_and_time_follow_from_the_limits() -> None:
    """As many inputs travel together as the service declares, and no faster than the endpoint's rate limit."""
    limits = {"requests_per_minute": 10, "tokens_per_minute": 50_000_000}
    estimate = estimated(SPEC, shown(rate_limit=limits), texts(20_480, 4))
    assert estimate.calls == 10
    assert estimate.minutes == 1.0
    estimate = estimated(SPEC, shown(rate_limit={**limits, "tokens_per_minute": 10_000}), texts(1000))
    assert estimate.minutes
    assert 10 <= estimate.minutes <= 10 * (1 + estimate.margin) * 1.1  # calls are filled by the upper end


def test_half_the_price_is_told_where_there_are_batches() -> None:
    """Now, and in batches, where the provider has some for the task."""
    estimate = estimated(SPEC, {**shown(), "price": PRICE}, texts(1000))
    assert estimate.usd == pytest.approx(0.002)
    assert estimate.usd_in_batches == pytest.approx(0.001)
    local = {**shown("hugging_face", url="http://127.0.0.1"), "price": PRICE}
    assert estimated(SPEC, local, texts(1000)).usd_in_batches is None


def test_what_a_model_writes_costs_too() -> None:
    """A prompt is a call of its own, and its answer is guessed."""
    estimate = estimated(SPEC, {**shown(task_type="completion"), "price": PRICE}, texts(100))
    assert (estimate.calls, estimate.output) == (100, 25_600)
    assert estimate.usd == pytest.approx(0.0256 + 0.0002)


def test_a_limit_is_heeded() -> None:
    """Only so many items are counted."""
    estimate = estimated(replace(SPEC, limit=10), shown(), texts(5000))
    assert (estimate.items, estimate.tokens) == (10, 1000)


def test_chunks_are_counted_as_they_are_cut() -> None:
    """By the endpoint's chunking settings, on the sample."""
    settings = {"strategy": "word", "max_chunk_size": 10, "overlap": 2}
    source = MemorySource([Item(" ".join(["word"] * 26)) for _ in range(100)])
    estimate = estimated(replace(SPEC, chunk=True), {**shown(), "chunking_settings": settings}, source)
    assert (estimate.items, estimate.inputs) == (100, 300)
    assert estimate.tokens > estimated(SPEC, shown(), source).tokens


def test_nothing_is_nothing() -> None:
    """An empty source takes nothing."""
    estimate = estimated(SPEC, {**shown(), "price": PRICE}, texts(0))
    assert (estimate.items, estimate.calls, estimate.tokens, estimate.usd) == (0, 0, 0, 0.0)
