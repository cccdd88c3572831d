"""A worker does every item of a job once, whatever fails on the way, and says of each what became of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from bulk_places import PINNED, SPEC, Hurried, MemorySink, MemorySource, Scripted, items, outage
from msgspec.structs import replace

from inferpoint.bulk import starting
from inferpoint.bulk.asking import Asking
from inferpoint.bulk.job import UNCOMMITTED, FailureKind, Job, JobState, Shard
from inferpoint.bulk.manifest import Manifest, opened
from inferpoint.bulk.sinks.sink import Receipt
from inferpoint.bulk.sources.source import Item
from inferpoint.bulk.verifying import verified
from inferpoint.bulk.working import GRACE, Places, Worker
from inferpoint.errors import InferenceError, Kind


class Bench:
    """A job over places in memory."""

    def __init__(self, folder: Path, count: int | list[Item], **spec: Any) -> None:
        self.manifest: Manifest = opened(folder)
        self.source = MemorySource(items(count) if isinstance(count, int) else count)
        self.sink = MemorySink()
        self.inference = Scripted()
        self.clock = Hurried()
        self.spec = replace(SPEC, **spec)
        self.waits: list[InferenceError | None] = []

    def begin(self) -> Job:
        job = self.manifest.find("job")
        if job is None:
            return starting.started("job", self.spec, PINNED, self.source, self.manifest, 0.0)
        return starting.resumed(job, self.spec, PINNED, self.manifest)

    @property
    def places(self) -> Places:
        return Places(self.manifest, self.source, self.sink)

    def worker(self, job: Job, **how: Any) -> Worker:
        embeds = self.inference.task_type != "completion"
        asking = Asking(self.inference, self.clock, embeds, waiting=self.waits.append)
        return Worker(job, self.places, asking, self.clock, **how)

    def run(self) -> Job:
        """Begin the job, or go on with it, and work until the worker ends."""
        job = self.begin()
        asyncio.run(self.worker(job).run())
        return self.now()

    def now(self) -> Job:
        job = self.manifest.find("job")
        assert job is not None
        return job

    def held(self) -> list[str]:
        return sorted(self.sink.ids(self.manifest.receipts("job")))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(count: int | list[Item], **spec: Any) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), count, **spec))
        return made[-1]

    yield make
    for one in made:
        one.manifest.close()


def test_every_item_is_in_the_sink_once(bench: Callable[..., Bench]) -> None:
    """A job of several shards asks for each text once, and the sink has a row for each."""
    one = bench(5000)
    assert one.run().state is JobState.DONE
    assert one.held() == sorted(f"d{number}" for number in range(5000))
    assert set(one.inference.asked.values()) == {1}
    counts = one.manifest.counts("job")
    assert (counts.planned, counts.done, counts.failed, counts.rows, counts.tokens) == (5000, 5000, 0, 5000, 5000)
    assert one.sink.finished == one.manifest.receipts("job")
    assert verified(one.now(), one.places).is_right


def test_what_is_not_written_down_is_bounded(bench: Callable[..., Bench]) -> None:
    """Of the texts that a process has asked for at most 2,048 are not written down, however many shards are open."""
    one = bench(20000)

    async def held_back() -> None:
        one.inference.open.clear()
        running = asyncio.create_task(one.worker(one.begin(), shards=8).run())
        await one.inference.busy(UNCOMMITTED)
        one.inference.open.set()
        await running

    asyncio.run(held_back())
    assert one.inference.most_at_once == UNCOMMITTED


def test_what_fails_for_now_is_asked_again_and_is_nobodys_failure(bench: Callable[..., Bench]) -> None:
    """Outages of a whole request and of single texts are waited for, as long as they say or ever longer."""
    one = bench(10)
    one.inference.outages = [outage(retry_after=7.0), outage(Kind.CUT_OFF), outage(Kind.TIMED_OUT)]
    one.inference.faults = {"text 3": [outage(Kind.OVERLOADED), outage(Kind.INTERNAL)]}
    assert one.run().state is JobState.DONE
    assert one.manifest.counts("job").failed == 0
    assert 7.0 in one.clock.waits
    assert {str(error) for error in one.waits if error} == {"not now"}
    assert one.waits[-1] is None
    assert one.inference.asked["text 4"] == 1, "what was answered is asked for again"


def test_an_item_that_fails_has_its_kind_and_its_words(bench: Callable[..., Bench]) -> None:
    """Texts that are too long, refused, empty, unreadable or rejected by the sink are failures, and no others."""
    bad = Item("", "d4", problem="line 5 is no JSON")
    one = bench([*items(4), bad, Item(" \n", "d5"), *items(7)[6:]], max_failed=1.0)
    one.inference.faults = {
        "text 0": InferenceError(Kind.CONTEXT_OVERFLOW, "too long"),
        "text 1": InferenceError(Kind.INVALID, "not this"),
    }
    one.sink.refused = {"d2": "a mapping"}
    assert one.run().state is JobState.DONE
    failures = {failure.id: (failure.kind, failure.message) for failure in one.manifest.failures("job")}
    assert failures == {
        "d0": (FailureKind.TOO_LONG, "too long"),
        "d1": (FailureKind.REFUSED, "not this"),
        "d2": (FailureKind.REJECTED, "a mapping"),
        "d4": (FailureKind.UNREADABLE, "line 5 is no JSON"),
        "d5": (FailureKind.EMPTY, "There is no text"),
    }
    assert one.held() == ["d3", "d6"]
    assert verified(one.now(), one.places).is_right


def test_failures_are_tried_again_alone(bench: Callable[..., Bench]) -> None:
    """A retry asks for the items that failed and for no others, and what is done then is no failure any more."""
    one = bench(3000, max_failed=1.0)
    one.inference.faults = {f"text {number}": InferenceError(Kind.INVALID, "no") for number in (5, 2047, 2048, 2999)}
    one.run()
    del one.inference.faults["text 5"], one.inference.faults["text 2048"]
    one.inference.asked.clear()
    assert one.manifest.retry("job") == 4
    assert one.manifest.retry("job") == 0, "what waits to be tried again is tried twice"
    assert one.manifest.counts("job").failed == 4
    assert one.run().state is JobState.DONE
    assert set(one.inference.asked) == {"text 5", "text 2047", "text 2048", "text 2999"}
    assert [failure.id for failure in one.manifest.failures("job")] == ["d2047", "d2999"]
    assert len(one.held()) == len(set(one.held())) == 2998
    assert verified(one.now(), one.places).is_right


def test_a_job_stops_when_more_fail_than_may(bench: Callable[..., Bench]) -> None:
    """More failures than the bound stop the job with the reason; started again with another bound it goes on."""
    one = bench(10000, max_failed=0.0001)
    one.inference.faults = {f"text {number}": InferenceError(Kind.INVALID, "no") for number in (0, 1)}
    job = one.run()
    assert (job.state, job.reason) == (JobState.STOPPED, "[2] items have failed, and [1] may")
    assert one.manifest.counts("job").done < 10000
    one.spec = replace(one.spec, max_failed=0.01)
    assert one.run().state is JobState.DONE
    assert one.manifest.counts("job").done == 9998


def test_the_first_failure_stops_a_job_that_is_to_stop(bench: Callable[..., Bench]) -> None:
    """With `on_error` stop one failed item stops the job."""
    one = bench(10000, on_error="stop")
    one.inference.faults = {"text 0": InferenceError(Kind.INVALID, "no")}
    assert one.run().state is JobState.STOPPED
    assert one.manifest.counts("job").done < 10000


@pytest.mark.parametrize("kind", [Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.UNSUPPORTED])
def test_what_concerns_every_item_stops_the_job(bench: Callable[..., Bench], kind: Kind) -> None:
    """An endpoint that cannot be asked at all is no item's failure: the job stops with its words, to go on later."""
    one = bench(3000)
    one.inference.outages = [outage(kind)]
    with pytest.raises(InferenceError, match="not now"):
        one.run()
    assert (one.now().state, one.now().reason) == (JobState.STOPPED, "not now")
    assert one.manifest.counts("job").failed == 0
    assert one.run().state is JobState.DONE
    assert len(one.held()) == 3000


def test_a_sink_that_fails_for_now_is_written_again_without_being_paid_for_again(bench: Callable[..., Bench]) -> None:
    """What was answered waits until the sink takes it."""
    one = bench(600)
    one.sink.failing = [outage(Kind.INTERNAL), outage(Kind.CUT_OFF)]
    assert one.run().state is JobState.DONE
    assert set(one.inference.asked.values()) == {1}
    assert len(one.held()) == 600


def test_what_a_source_cannot_read_is_unreadable(bench: Callable[..., Bench]) -> None:
    """A source that breaks in the middle of a shard costs the items from there on, and tells why."""
    one = bench(3000, max_failed=1.0)
    one.source.breaks_at, one.source.error = 2900, InferenceError(Kind.UNREADABLE, "page 3 is damaged")
    one.run()
    assert one.manifest.counts("job").failed == 100
    assert {failure.message for failure in one.manifest.failures("job")} == {"page 3 is damaged"}


def test_prompts_are_completed_one_by_one(bench: Callable[..., Bench]) -> None:
    """A job of a completion endpoint has the model's words as the value of each row, and fails item by item."""
    one = bench(100, max_failed=1.0)
    one.inference.task_type = "completion"
    one.inference.faults = {"text 7": InferenceError(Kind.INVALID, "no"), "text 8": [outage()]}
    one.run()
    values = {row.id: row.value for rows in one.sink.parts.values() for row in rows}
    assert values["d8"] == "TEXT 8"
    assert len(values) == 99
    assert one.manifest.counts("job").tokens == 99 * 3


def test_a_worker_that_is_stopped_writes_down_what_it_asked_for(bench: Callable[..., Bench]) -> None:
    """A stop loses nothing: what is in flight is answered and kept, the shards are free, and the rest is done later."""
    one = bench(20000)

    async def stopped() -> None:
        worker = one.worker(one.begin())
        one.inference.open.clear()
        running = asyncio.create_task(worker.run())
        await one.inference.busy(UNCOMMITTED)
        worker.stop()
        one.inference.open.set()
        await running

    asyncio.run(stopped())
    assert one.manifest.counts("job").done == len(one.held()) == UNCOMMITTED
    assert one.manifest.owners("job") == []
    assert one.run().state is JobState.DONE
    assert set(one.inference.asked.values()) == {1}


def test_a_worker_that_is_stopped_does_not_wait_for_ever(bench: Callable[..., Bench]) -> None:
    """What is not answered for a while after a stop is given up, and asked for again by whoever goes on."""
    one = bench(20000)
    one.clock.gives_up = True

    async def stopped() -> None:
        worker = one.worker(one.begin())
        one.inference.open.clear()
        running = asyncio.create_task(worker.run())
        await one.inference.busy(UNCOMMITTED)
        worker.stop()
        await running
        one.inference.open.set()

    asyncio.run(stopped())
    assert one.manifest.counts("job").done == len(one.held()) == 0
    assert one.manifest.owners("job") == []
    assert GRACE in one.clock.waits
    one.clock.gives_up = False
    assert one.run().state is JobState.DONE
    assert set(one.inference.asked.values()) == {1}


def test_a_job_that_somebody_pauses_is_left(bench: Callable[..., Bench]) -> None:
    """A worker sees that its job was paused elsewhere, and ends."""
    one = bench(20000)

    async def paused() -> None:
        one.inference.open.clear()
        running = asyncio.create_task(one.worker(one.begin()).run())
        await one.inference.busy(UNCOMMITTED)
        one.manifest.change("job", JobState.PAUSED, of=[JobState.RUNNING])
        one.inference.open.set()
        await running

    asyncio.run(paused())
    assert one.now().state is JobState.PAUSED
    assert one.manifest.counts("job").done < 20000
    assert one.run().state is JobState.DONE


def test_workers_share_a_job(bench: Callable[..., Bench]) -> None:
    """Several workers at once do every item of a job once."""
    one = bench(20000)

    async def together() -> None:
        job = one.begin()
        await asyncio.gather(*(one.worker(job).run() for _ in range(3)))

    asyncio.run(together())
    assert one.now().state is JobState.DONE
    assert set(one.inference.asked.values()) == {1}
    assert len(one.held()) == len(set(one.held())) == 20000


def test_a_worker_that_comes_back_late_does_no_harm(bench: Callable[..., Bench]) -> None:
    """A shard whose lease has ended is done by another worker; what the first one brings later does not count."""
    one = bench(100)

    async def late() -> None:
        job = one.begin()
        one.inference.open.clear()
        first = asyncio.create_task(one.worker(job, lease=-1.0).run())
        await one.inference.busy(100)
        second = asyncio.create_task(one.worker(job).run())
        await one.inference.busy(200)
        one.inference.open.set()
        await asyncio.gather(first, second)

    asyncio.run(late())
    assert one.now().state is JobState.DONE
    assert one.held() == sorted(f"d{number}" for number in range(100))
    assert one.manifest.counts("job").tokens == 200, "what was paid in vain is not in the books"
    assert verified(one.now(), one.places).is_right


def test_a_whole_job_is_not_asked_for_again(bench: Callable[..., Bench]) -> None:
    """A job that is done and started again is left as it is."""
    one = bench(100)
    one.run()
    one.inference.asked.clear()
    job = one.begin()
    assert job.state is JobState.DONE
    assert not one.inference.asked


def test_a_shard_that_is_handed_out_twice_costs_nothing_more(bench: Callable[..., Bench]) -> None:
    """An engine that runs the task of a shard again, or at the same time, finds it done or in work."""
    one = bench(5000)

    async def twice() -> None:
        job = one.begin()
        await asyncio.gather(*(one.worker(job, shards=1).run_shard(number) for number in (0, 1, 2, 1, 0)))
        await one.worker(job, shards=1).run_shard(2)

    asyncio.run(twice())
    assert set(one.inference.asked.values()) == {1}
    assert one.manifest.left("job") == []
    assert one.run().state is JobState.DONE
    assert len(one.held()) == 5000


@pytest.mark.parametrize("ends", [True, False])
def test_two_workers_end_a_job_once(bench: Callable[..., Bench], *, ends: bool) -> None:
    """The one that finds a part removed waits for the other that joined it; where that one is gone, it ends the job."""
    one = bench(3)
    finish, tries = one.sink.finish, 0

    def joined_by_another(receipts: Sequence[Receipt]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            if ends:
                one.manifest.change("job", JobState.DONE, of=[JobState.RUNNING])
            raise InferenceError(Kind.NOT_FOUND, "no such part")
        finish(receipts)

    one.sink.finish = joined_by_another  # type: ignore[method-assign]
    assert one.run().state is JobState.DONE
    assert tries == (1 if ends else 2)


def test_who_is_cancelled_gives_back_what_is_being_claimed(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that claims goes on when its worker is cancelled; what it claims is given back all the same."""
    one = bench(10)
    claiming, go_on, claim = threading.Event(), threading.Event(), one.manifest.claim

    def slow(*given: Any) -> Shard | None:
        claiming.set()
        go_on.wait(60)
        return claim(*given)

    monkeypatch.setattr(one.manifest, "claim", slow)

    async def work() -> None:
        running = asyncio.create_task(one.worker(one.begin()).run())
        await asyncio.to_thread(claiming.wait, 60)
        running.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait({running})

    asyncio.run(work())
    assert one.manifest.owners("job") == []


def test_what_is_too_much_at_once_is_asked_for_in_parts(bench: Callable[..., Bench]) -> None:
    """A request that is refused as a whole is halved, until it is taken, or is about the one text that is at fault."""
    one = bench(600, max_failed=1.0)
    one.inference.most = 100
    one.inference.refused = {"text 77"}
    assert one.run().state is JobState.DONE
    assert [failure.id for failure in one.manifest.failures("job")] == ["d77"]
    assert len(one.held()) == 599
