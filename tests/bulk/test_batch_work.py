"""A job in mode `batch` does every item once, whatever becomes of its batches, and pays none of them twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_provider import BatchProvider, Outcome, serving
from bulk_batches import ENDPOINTS, Bench, moved
from msgspec.structs import replace
from world import World, openai

from inferpoint.bulk.job import FailureKind, JobState
from inferpoint.bulk.served import ServedInference
from inferpoint.bulk.sources.source import Item
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.caller_limits import CallerLimits
from inferpoint.model.endpoint import TaskType
from inferpoint.model.price import Price
from inferpoint.model.requests import ANONYMOUS

MakeBench = Callable[..., Bench]
everywhere = pytest.mark.parametrize("service", list(ENDPOINTS))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBench]:
    """Makes a job of so many items by a service whose batches have the outcomes."""
    provider = BatchProvider(now=time.time)
    made: list[Bench] = []
    with serving(provider) as address:
        for name, url in moved(address).items():
            monkeypatch.setenv(name, url)

        def make(service: str, count: int | list[Item], *outcomes: Outcome, **spec: Any) -> Bench:
            provider.outcomes = list(outcomes)
            made.append(Bench(tmp_path / str(len(made)), service, provider, count, **spec))
            return made[-1]

        yield make
    for one in made:
        one.manifest.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens in the provider's threads, which tell nobody."""
    while not holds():  # noqa: ASYNC110 - there is no event of this loop for it
        await asyncio.sleep(0.01)


@everywhere
def test_every_item_is_in_the_sink_once_and_paid_once(bench: MakeBench, service: str) -> None:
    """Several shards in several batches, whatever the order in which their lines are answered."""
    one = bench(service, 5000)
    one.most = 2
    one.run()
    assert one.is_done(5000)
    assert one.provider.paid.total() == one.provider.handed.total() == 5000
    assert max(one.provider.paid.values()) == 1
    assert not one.provider.files
    assert not one.provider.objects


@everywhere
def test_what_is_left_of_a_batch_is_asked_for_in_another(bench: MakeBench, service: str) -> None:
    """What expired or failed for now is nobody's failure: it is handed in once more, and is paid once."""
    one = bench(service, 400, Outcome(end="expired", done=0.5), Outcome(statuses={0: 429, 1: 500}))
    one.run()
    assert one.is_done(400)
    assert one.counts().failed == 0
    assert max(one.provider.paid.values()) == 1


@everywhere
def test_a_full_queue_is_waited_for(bench: MakeBench, service: str) -> None:
    """A provider that takes no more batches is asked again later, and no item has failed."""
    one = bench(service, 100, *[Outcome(end="full", polls=0)] * 2)
    one.run()
    assert one.is_done(100)
    assert one.waits or service == "anthropic"  # whose refusal comes at once, and is waited for by the way out
    assert one.provider.paid.total() == 100


@everywhere
def test_a_batch_that_nobody_heard_of_is_found_again(bench: MakeBench, service: str) -> None:
    """Its creation was not answered: it is read by its name or size, and no second one is made."""
    one = bench(service, 100, Outcome(heard=False))
    one.run()
    assert one.is_done(100)
    assert one.provider.handed.total() == 100


def test_a_batch_that_was_not_made_is_made_later(bench: MakeBench) -> None:
    """Where its provider lists none for a while after its creation failed, it is handed in once more."""
    one = bench("anthropic", 10, Outcome(status=503))
    one.run()
    assert one.is_done(10)
    assert one.provider.handed.total() == 10


def test_a_line_that_is_refused_is_looked_into(bench: MakeBench) -> None:
    """Of several inputs that were refused together each is asked for by itself, and only those at fault fail."""
    one = bench("openai", 10, Outcome(statuses={0: 400}))
    one.run()
    assert one.is_done(10)
    assert one.provider.paid.total() == 10


def test_a_prompt_that_is_refused_has_failed(bench: MakeBench) -> None:
    """In its provider's words; the others are done."""
    one = bench("anthropic", 4, Outcome(statuses={2: 400}))
    one.run()
    (failure,) = one.manifest.failures("job")
    assert (failure.id, failure.kind) == ("d2", FailureKind.REFUSED)
    assert "line refused with 400" in failure.message
    assert sorted(one.held()) == ["d0", "d1", "d3"]
    assert one.verified().is_right


def test_items_without_a_text_are_in_no_batch(bench: MakeBench) -> None:
    """Blank and unreadable items fail as they do at once, also where a shard has no others."""
    one = bench("openai", [Item(" ", "d0"), Item("", "d1", problem="no JSON")])
    assert one.run().state is JobState.DONE
    assert {one.id: one.kind for one in one.manifest.failures("job")} == {
        "d0": FailureKind.EMPTY,
        "d1": FailureKind.UNREADABLE,
    }
    assert not one.provider.handed


@pytest.mark.parametrize("service", ["openai", "anthropic"])
def test_what_is_late_is_asked_for_at_once(bench: MakeBench, service: str) -> None:
    """After the fallback a batch is ended, what it has answered is kept, and the rest is asked for as in mode now."""
    one = bench(service, 40, Outcome(polls=10**6, done=0.5), fallback=0.0)
    one.run()
    assert one.is_done(40)
    assert len(one.provider.batches) == (0 if service == "anthropic" else 1)
    assert max(one.provider.paid.values()) == 1


def test_a_batch_costs_what_its_provider_asks(bench: MakeBench) -> None:
    """Half of the price of calls, for the tokens that its answers tell."""
    one = bench("openai", 100)
    one.price = Price(usd_per_million_input_tokens=10.0)
    one.run()
    counts = one.counts()
    tokens = sum(len(item.text) for item in one.source.items)
    assert (counts.tokens, counts.calls, counts.nano_usd) == (tokens, 1, tokens * 10_000 // 2)


def test_a_batch_that_is_refused_stops_the_job_with_its_words(bench: MakeBench) -> None:
    """And goes on from there when the reason is gone."""
    one = bench("bedrock", 10, Outcome(end="invalid"))
    with pytest.raises(InferenceError, match="the file is wrong"):
        one.run()
    job = one.now()
    assert job.state is JobState.STOPPED
    assert "the file is wrong" in (job.reason or "")
    one.run()
    assert one.is_done(10)


def test_a_job_that_is_paused_leaves_its_batches_with_their_provider(bench: MakeBench) -> None:
    """They go on there, and whoever resumes it reads them: nothing is handed in twice."""
    one = bench("openai", 100, Outcome(polls=10**6))

    async def paused() -> None:
        work = asyncio.create_task(one.work())
        await until(lambda: any(made.polled > 2 for made in one.provider.batches.values()))
        assert one.worker is not None
        one.worker.stop()
        await work

    asyncio.run(paused())
    assert one.now().state is JobState.RUNNING
    (batch,) = one.provider.batches.values()
    batch.outcome.polls = 0
    one.run()
    assert one.is_done(100)
    assert one.provider.handed.total() == 100


def test_a_shard_that_no_batch_holds_is_done_at_once(bench: MakeBench) -> None:
    """A job does not stand still for texts that are more than a provider's batches take."""
    one = bench("openai", [Item("x" * 200_000, f"d{number}") for number in range(600)])
    one.run()
    assert one.is_done(600)
    assert not one.provider.handed


def test_a_file_that_is_not_whole_is_fetched_again(bench: MakeBench) -> None:
    """Nothing is written down of it, and nothing is deleted, until all its answers are there."""
    one = bench("anthropic", 20, Outcome(hidden=3))
    one.run()
    assert one.is_done(20)
    assert any("[20] answers, of which [17]" in wait for wait in one.waits)
    assert one.provider.handed.total() == 20


def test_what_is_owed_counts_as_neither_done_nor_failed(bench: MakeBench) -> None:
    """While a second batch goes on for what a first one did not come to, the books say so."""
    one = bench("anthropic", 40, Outcome(end="expired", done=0.5), Outcome(polls=10**6))

    async def half() -> None:
        work = asyncio.create_task(one.work())
        await until(lambda: one.provider.handed.total() == 60)
        assert one.worker is not None
        one.worker.stop()
        await work

    asyncio.run(half())
    counts = one.counts()
    assert (counts.planned, counts.done, counts.failed) == (40, 20, 0)
    recount = one.verified()
    assert (recount.done, recount.missing, recount.twice) == (20, 0, 0)


@pytest.mark.parametrize("kind", [Kind.CONFLICT, Kind.NOT_FOUND])
def test_a_sink_that_fails_costs_no_batch(bench: MakeBench, kind: Kind) -> None:
    """The job stops, and whoever goes on with it reads the same batch."""
    one = bench("openai", 10)
    one.sink.failing = [InferenceError(kind, "no such bucket")]
    with pytest.raises(InferenceError, match="no such bucket"):
        one.run()
    assert one.now().state is JobState.STOPPED
    one.run()
    assert one.is_done(10)
    assert one.provider.handed.total() == 10


def test_a_batch_that_was_made_while_its_job_was_cancelled_is_ended(bench: MakeBench) -> None:
    """The worker that made it ends it, where whoever cancelled the job did not know of it."""
    one = bench("openai", 10, Outcome(polls=10**6))

    async def cancelled() -> None:
        work = asyncio.create_task(one.work())
        await until(lambda: bool(one.provider.batches))
        one.manifest.change("job", JobState.CANCELLED, of=[JobState.RUNNING])
        await work

    asyncio.run(cancelled())
    assert [made.ended for made in one.provider.batches.values()] == ["cancelled"]


def test_a_batch_that_its_provider_has_lost_is_handed_in_again(bench: MakeBench) -> None:
    """Nobody will ever read its answers."""
    one = bench("openai", 10, Outcome(polls=10**6))

    async def lost() -> None:
        work = asyncio.create_task(one.work())
        await until(lambda: any(made.polled for made in one.provider.batches.values()))
        one.provider.batches.clear()
        await work

    asyncio.run(lost())
    assert one.is_done(10)


def test_a_caller_with_limits_has_no_batches(world: World) -> None:
    """Batches would not be held to what its key may use; one without limits has them."""
    world.create("e", TaskType.TEXT_EMBEDDING, openai())
    limited = replace(ANONYMOUS, limits=CallerLimits())
    with pytest.raises(InferenceError, match="has no batches") as caught:
        ServedInference(world.engine, lambda: limited, "e").batches()
    assert caught.value.kind is Kind.FORBIDDEN
    assert ServedInference(world.engine, lambda: ANONYMOUS, "e").batches().limits.lines == 50_000


def test_an_engine_s_tasks_are_no_batches(bench: MakeBench) -> None:
    """A shard by itself is refused: batches are handed in by one worker of the whole job."""
    one = bench("openai", 10)
    with pytest.raises(InferenceError, match="none by itself"):
        asyncio.run(one.work(shard=0))
