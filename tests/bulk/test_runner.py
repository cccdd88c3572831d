"""A server works on its jobs: all that run, few at once, in the name of who started them, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hosting import REQUEST, SOURCE_PATH, hosting
from making_keys import caller, make, management
from msgspec.structs import replace
from world import EMBEDDING, HANG, Answer, Arrived, World, like_openai, openai

from inferpoint.access.key import ApiKey
from inferpoint.api.elastic.job_request import job_request
from inferpoint.bulk.hosted import HostedJobs
from inferpoint.bulk.job import Job, JobState
from inferpoint.bulk.manifest import Manifest, opened
from inferpoint.clock import SystemClock
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Lane
from inferpoint.model.requests import ANONYMOUS, INTERNAL, Caller

TEXTS = [f"text {number}" for number in range(30)]


class Hurried(SystemClock):
    """The machine's clock, on which nobody waits long."""

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class Ending:
    """A server that is told to stop, and gives what is in work so many seconds then."""

    def __init__(self, seconds: int = 60) -> None:
        self.draining = False
        self.forced = False
        self.limits = ConnectionLimits(shutdown_seconds=seconds)


class Answering:
    """A provider that answers, or hangs while it is told to; and has been `asked` once it was."""

    def __init__(self) -> None:
        self.hangs = False
        self.asked = asyncio.Event()

    def __call__(self, call: Call) -> Reply | Arrived:
        self.asked.set()
        return Arrived(200, [HANG]) if self.hangs else like_openai(call)


class Bench:
    """The jobs of a server, its books, and the provider that its endpoint asks."""

    def __init__(self, world: World, provider: Answering, hosted: HostedJobs, manifest: Manifest) -> None:
        self.world = world
        self.provider = provider
        self.hosted = hosted
        self.manifest = manifest
        self.server = Ending()

    async def start(self, name: str = "job", who: Caller = ANONYMOUS) -> Job:
        body = {**REQUEST, "name": name, "sink": {"place": "vectors", "path": f"{name}.jsonl"}}
        return await self.hosted.start(who, job_request(body, self.hosted.places).spec, name, accept=False)

    async def until(self, name: str, state: JobState) -> Job:
        """Wait until a job is in *state*."""
        return await self.wait(lambda job: job.state is state, name)

    async def wait(self, holds: Callable[[Job], bool], name: str = "job") -> Job:
        for _ in range(3000):
            job = self.manifest.find(name)
            assert job is not None
            if holds(job):
                return job
            await asyncio.sleep(0.01)
        raise AssertionError(f"it never came to hold: {self.manifest.find(name)}, {self.manifest.owners(name)}")


@pytest.fixture
def bench(make_world: Callable[..., World], tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A function that makes a bench whose runner works on at most so many jobs at once."""
    with ExitStack() as stack:

        def made(most: int = 2) -> Bench:
            provider = Answering()
            answer: Answer = provider
            world = make_world(answer, validate=False)
            rate = {"requests_per_minute": 60_000, "burst": 1000}  # the engine's own clock stands still
            world.create("my-embeddings", EMBEDDING, openai({"rate_limit": rate}))
            hosted = stack.enter_context(hosting(world, tmp_path, TEXTS, Hurried(), most))
            manifest = opened(tmp_path / "jobs")
            stack.callback(manifest.close)
            return Bench(world, provider, hosted, manifest)

        yield made


def held(folder: Path, name: str = "job") -> list[str]:
    """The ids in a job's sink."""
    lines = (folder / "vectors" / f"{name}.jsonl").read_text().splitlines()
    return sorted(json.loads(line)["id"] for line in lines)


def invalidated(bench: Bench, key: ApiKey) -> Any:
    """The act that ends a key."""
    manager = management(bench.world)
    return manager.invalidate(INTERNAL, manager.seen(INTERNAL, lambda one: one.id == key.id))


def test_all_that_runs_is_done(bench: Callable[..., Bench], tmp_path: Path) -> None:
    """Jobs that run when the server starts, and those that are started later, however few are worked on at once."""
    one = bench(most=1)

    async def work() -> None:
        await one.start("before")
        async with one.hosted.runner.working(one.server):
            for name in ("first", "second", "third"):
                await one.start(name)
            for name in ("before", "first", "second", "third"):
                await one.until(name, JobState.DONE)

    asyncio.run(work())
    ids = sorted(f"d{number}" for number in range(len(TEXTS)))
    assert [held(tmp_path, name) for name in ("before", "first", "second", "third")] == [ids] * 4


def test_no_more_are_worked_on_than_may(bench: Callable[..., Bench]) -> None:
    """The oldest first; the others wait until there is room."""
    one = bench(most=2)
    one.provider.hangs = True

    async def work() -> None:
        for name in ("c", "b", "a"):
            await one.start(name)
            await asyncio.sleep(0.002)  # times that differ
        async with one.hosted.runner.working(one.server):
            await one.wait(lambda _: len(owners(one)) == 2, "c")
            await asyncio.sleep(0.1)
            assert owners(one) == {"c", "b"}
            await one.hosted.pause(ANONYMOUS, "c")
            one.server.forced = True

    asyncio.run(work())


def owners(bench: Bench) -> set[str]:
    """The jobs of which somebody has a shard."""
    return {job.name for job in bench.manifest.jobs() if bench.manifest.owners(job.name)}


def test_a_job_asks_in_its_callers_name(bench: Callable[..., Bench]) -> None:
    """What it uses counts against the limits of the key that started it."""
    one = bench()
    key, _ = make(one.world, "manage_inference", budget={"tokens_per_day": 100_000})

    async def work() -> float:
        await one.start(who=caller(one.world, key))
        async with one.hosted.runner.working(one.server):
            await one.until("job", JobState.DONE)
        (report,) = await one.world.limiter.callers(ANONYMOUS)
        assert report.caller == key.id
        return sum(use.used for use in report.limits.values())

    assert asyncio.run(work()) > 0


def test_a_job_waits_when_its_key_ends(bench: Callable[..., Bench], tmp_path: Path) -> None:
    """Whether it is asking or idle; why is told, and whoever may resumes it in a name of their own."""
    one = bench()
    key, _ = make(one.world, "manage_inference")
    other, _ = make(one.world, "manage_inference")
    one.provider.hangs = True

    async def work() -> None:
        await one.start(who=caller(one.world, key))
        async with one.hosted.runner.working(one.server):
            await one.provider.asked.wait()
            await invalidated(one, key)
            job = await one.until("job", JobState.PAUSED)
            assert f"api key [{key.id}] has been invalidated" in (job.reason or "")
            await one.wait(lambda _: not owners(one))
            one.provider.hangs = False
            assert one.manifest.change("job", JobState.RUNNING, of=[JobState.PAUSED])
            await one.until("job", JobState.PAUSED)  # in the same name it goes on no more than before
            await one.hosted.resume(caller(one.world, other), "job")
            job = await one.until("job", JobState.DONE)
            assert job.spec.caller == other.id

    asyncio.run(work())
    assert len(held(tmp_path)) == len(TEXTS)


@pytest.mark.parametrize("how", ["changed", "gone", "endpoint", "place"])
def test_what_cannot_go_on_says_why(bench: Callable[..., Bench], tmp_path: Path, how: str) -> None:
    """A source that changed, an endpoint, a file or a place that is gone: the job is stopped, with the reason."""
    one = bench()

    async def work() -> str:
        await one.start()
        source = tmp_path / "docs" / SOURCE_PATH
        if how == "changed":
            source.write_text(source.read_text() + '{"text": "more"}\n')
        elif how == "gone":
            source.unlink()
        elif how == "endpoint":
            await one.world.engine.lifecycle.delete(ANONYMOUS, "my-embeddings")
        else:
            job = one.manifest.find("job")
            assert job is not None
            one.manifest.respecify("job", replace(job.spec, source="place:none/x"), job.pinned)
        async with one.hosted.runner.working(one.server):
            job = await one.until("job", JobState.STOPPED)
        return job.reason or ""

    reason = asyncio.run(work())
    words = {"changed": "The source has changed", "gone": "names no file", "endpoint": "not found", "place": "no place"}
    assert words[how] in reason
    assert not one.provider.asked.is_set()


def test_jobs_of_others_are_left_alone(bench: Callable[..., Bench]) -> None:
    """One that was started with addresses of its own, in the same books, is not this server's."""
    one = bench()

    async def work() -> None:
        job = await one.start("mine")
        spec = replace(job.spec, source=f"{Path('/etc/passwd')}", caller=None)
        assert one.manifest.add(replace(job, name="typed", spec=spec, created=0.0), one.manifest.shards("mine"))
        async with one.hosted.runner.working(one.server):
            await one.until("mine", JobState.DONE)

    asyncio.run(work())
    typed = one.manifest.find("typed")
    assert typed is not None
    assert (typed.state, one.manifest.counts("typed").done) == (JobState.RUNNING, 0)


@pytest.mark.parametrize("forced", [True, False])
def test_a_stop_gives_back_what_is_in_work(bench: Callable[..., Bench], tmp_path: Path, *, forced: bool) -> None:
    """At once when forced, else after so long as requests have; the next server goes on with it at once."""
    one = bench()
    one.provider.hangs = True
    one.server = Ending(seconds=1)

    async def work() -> None:
        await one.start()
        async with one.hosted.runner.working(one.server):
            await one.provider.asked.wait()
            assert owners(one) == {"job"}
            one.server.draining = True
            one.server.forced = forced
        assert not owners(one)
        assert (await one.until("job", JobState.RUNNING)).reason is None

    asyncio.run(work())
    assert one.manifest.counts("job").done == 0


def test_a_stop_lets_what_was_asked_be_written_down(bench: Callable[..., Bench]) -> None:
    """An answer that comes within the time is kept, and no more is asked for."""
    one = bench()

    async def work() -> None:
        await one.start()
        async with one.hosted.runner.working(one.server):
            one.server.draining = True

    asyncio.run(work())
    assert one.manifest.counts("job").done in (0, len(TEXTS))
    assert not owners(one)


def test_the_lane_is_that_of_what_is_ingested(bench: Callable[..., Bench]) -> None:
    """A job waits behind whoever searches."""
    one = bench()
    one.world.update("my-embeddings", {"service_settings": {"rate_limit": {"requests_per_minute": 1, "burst": 1}}})
    lanes: set[Lane] = set()

    async def work() -> None:
        for name in ("a", "b", "c"):
            await one.start(name)
        async with one.hosted.runner.working(one.server):
            while not lanes:
                for report in await one.world.limiter.groups():
                    lanes.update(lane for lane, waiting in report.waiting.items() if waiting)
                await asyncio.sleep(0.01)
            one.server.forced = True

    asyncio.run(work())
    assert lanes == {Lane.INGEST}


def test_nobody_is_a_caller_only_while_the_server_is_open(bench: Callable[..., Bench]) -> None:
    """A job that was started without a key waits once there are keys."""
    one = bench()

    async def work() -> Job:
        await one.start()
        await asyncio.to_thread(make, one.world)
        async with one.hosted.runner.working(one.server):
            return await one.until("job", JobState.PAUSED)

    assert "missing authentication credentials" in (asyncio.run(work()).reason or "")
    with pytest.raises(InferenceError) as caught:
        asyncio.run(one.hosted.resume(Caller("nobody", frozenset()), "job"))
    assert caught.value.kind is Kind.FORBIDDEN
