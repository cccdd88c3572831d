"""The work on a job by one process: shards are claimed, read, asked for, written and written down, until all are done.

Several processes on several machines may work on one job: the manifest decides who has which shard.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from inferpoint.bulk import rows
from inferpoint.bulk.asking import Answers, Asking
from inferpoint.bulk.job import SHARDS, UNCOMMITTED, Job, JobState, Paid, Shard
from inferpoint.bulk.manifest import Manifest, Outcome
from inferpoint.bulk.owners import has_died, own_name
from inferpoint.bulk.sinks.sink import Part, Receipt, Sink
from inferpoint.bulk.sources.source import Source
from inferpoint.bulk.steps import Steps
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.tasks import Tasks

T = TypeVar("T")

LEASE = 60.0  # seconds after which a shard is anybody's whose worker is not heard of
_LOOK = 1.0  # seconds between two looks at what others have changed
GRACE = 20.0  # seconds for which a worker that is to stop waits for answers: less than programs are given to end
_LOOKS = 30  # at what another worker may be ending
_PATIENCE = 300.0  # seconds for which what cannot be written for now is tried again


@dataclass(frozen=True)
class Places:
    """What a job is between, and where it is written down."""

    manifest: Manifest
    source: Source
    sink: Sink


class Worker:
    """One worker of *job*; `run` works until nothing is left for it, or somebody stops it or the job."""

    def __init__(
        self, job: Job, places: Places, asking: Asking, clock: Clock, shards: int = SHARDS, lease: float = LEASE
    ) -> None:
        self._job = job
        self._manifest, self._source, self._sink = places.manifest, places.source, places.sink
        self._asking = asking
        self._clock = clock
        self._shards = shards
        self._lease = lease
        self._owner = own_name()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Work; what ends the job early is in its state when this ends, and what prevents the work is raised."""
        async with self._at_work():
            await self._work()

    async def run_shard(self, number: int) -> None:
        """Do the shard of that *number* and no other, once whoever has it has died; one that is done costs nothing."""
        async with self._at_work():
            while not self._stopping and number in await self._wait_for(partial(self._manifest.left, self._job.name)):
                if (shard := await self._claimed(number)) is not None:
                    await self._do(shard)
                else:
                    await self._pause()

    def stop(self) -> None:
        """Have the worker write down what it has asked for, and end; what is not answered for a while is given up."""
        self._stopped.set()

    @contextlib.asynccontextmanager
    async def _at_work(self) -> AsyncGenerator[None]:
        """Leases are kept as long as this lasts, and given back after it."""
        tasks = Tasks()
        try:
            await self._wait_for(partial(_give_back, self._manifest, self._job.name))
            tasks.start(self._watch())
            yield
        except InferenceError as error:
            await self._end(error)
            raise
        finally:
            await tasks.close()
            with contextlib.suppress(InferenceError):
                await asyncio.to_thread(self._manifest.release, self._job.name, self._owner)

    async def _work(self) -> None:
        while not self._stopping:
            await self._open_shards()
            if self._stopping:
                return
            if not await self._wait_for(partial(self._manifest.left, self._job.name)):
                await self._finish()
                return
            await self._pause()  # others have what is left

    async def _pause(self) -> None:
        await self._clock.sleep(_LOOK)
        await self._wait_for(partial(_give_back, self._manifest, self._job.name))

    async def _open_shards(self) -> None:
        """Work on so many shards at once, until there is none to claim."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._shards):
                    group.create_task(self._shard_by_shard())
        except* InferenceError as errors:
            raise errors.exceptions[0] from None

    async def _shard_by_shard(self) -> None:
        while not self._stopping and (shard := await self._claimed()) is not None:
            await self._do(shard)

    async def _claimed(self, number: int | None = None) -> Shard | None:
        now = self._clock.now().timestamp()
        claim = partial(self._manifest.claim, self._job.name, self._owner, now, self._lease, number)
        return await self._wait_for(claim)

    async def _do(self, shard: Shard) -> None:
        """Do a shard step by step, each of which is written down; left when it is somebody else's."""
        steps = Steps(self._source, shard, UNCOMMITTED // self._shards)
        while step := await self._wait_for(steps.next):
            answers = await self._answered(rows.texts(step))
            if answers is None:
                return
            if not await self._commit(shard, step, answers, self._asking.paid(answers)):
                return
            shard = replace(shard, done=shard.done + len(step))
            if self._stopping:
                return

    async def _answered(self, texts: Mapping[int, str]) -> Answers | None:
        """The answers to *texts*; None when the worker is to stop, and they do not come for a while."""
        tasks = Tasks()
        asked, late = tasks.start(self._asking.ask(texts)), tasks.start(self._late())
        try:
            await asyncio.wait([asked, late], return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        finally:
            await tasks.close()

    async def _late(self) -> None:
        """Wait until what is asked for is waited for no more."""
        await self._stopped.wait()
        await self._clock.sleep(GRACE)

    @property
    def _stopping(self) -> bool:
        return self._stopped.is_set()

    async def _commit(
        self, shard: Shard, step: Sequence[rows.Numbered], answers: Answers, paid: Paid, owed: Collection[int] = ()
    ) -> bool:
        """Write what was answered to the sink, then down; False when the shard is somebody else's by now.

        Items with the numbers *owed* are neither done nor failed.
        """
        part = Part(shard.number, shard.done, shard.attempt)
        written = rows.rows(step, answers)
        receipt = await self._wait_for(partial(self._sink.write, part, written)) if written else Receipt(0)
        failures = [one for one in rows.failures(step, answers, receipt.rejected) if one.item not in owed]
        outcome = Outcome(len(step), receipt, failures, paid, [number - shard.first_item for number in sorted(owed)])
        commit = partial(self._manifest.commit, self._job.name, self._owner, shard, outcome)
        committed = await self._wait_for(commit)
        if failures:
            await self._has_too_many_failures()
        return committed

    async def _wait_for(self, act: Callable[[], T]) -> T:
        """The result of *act* in a thread, tried again for a while where it is prevented by what may pass."""
        until, pause = self._clock.monotonic() + _PATIENCE, 1.0
        while True:
            try:
                result = await _to_its_end(act)
            except InferenceError as error:
                if error.kind in _LASTING or self._clock.monotonic() + pause > until or self._stopping:
                    raise
                self._asking.waiting(error)
                await self._clock.sleep(pause)
                pause = min(2 * pause, 30.0)
            else:
                self._asking.waiting(None)
                return result

    async def _has_too_many_failures(self) -> bool:
        """Whether more items have failed than may, which stops the job."""
        counts = await self._wait_for(partial(self._manifest.counts, self._job.name))
        most = self._job.spec.most_failures(counts.planned)
        if counts.failed <= most:
            return False
        self._stopped.set()
        await asyncio.to_thread(
            self._change, JobState.STOPPED, f"[{counts.failed}] items have failed, and [{most}] may"
        )
        return True

    async def _finish(self) -> None:
        """Bring the sink to its end; of several workers that do so at the same time the first is enough."""
        if await self._has_too_many_failures():
            return
        receipts = await self._wait_for(partial(self._manifest.receipts, self._job.name))
        finish = partial(self._sink.finish, receipts)
        try:
            await self._wait_for(finish)
        except InferenceError:  # what is missing may be what another worker has joined and removed
            if await self._is_ended_by_others():
                return
            await self._wait_for(finish)
        at = self._clock.now().timestamp()
        await self._wait_for(
            partial(self._manifest.change, self._job.name, JobState.DONE, of=[JobState.RUNNING], at=at)
        )

    async def _is_ended_by_others(self) -> bool:
        """Whether the job is brought to its end within a while."""
        for _ in range(_LOOKS):
            job = await asyncio.to_thread(self._manifest.find, self._job.name)
            if job is None or job.state is not JobState.RUNNING:
                return True
            await self._clock.sleep(_LOOK)
        return False

    async def _end(self, error: InferenceError) -> None:
        """Write down why the job cannot go on, if that can be written."""
        with contextlib.suppress(InferenceError):
            await asyncio.to_thread(self._change, JobState.STOPPED, error.whole())

    def _change(self, state: JobState, reason: str) -> None:
        self._manifest.change(self._job.name, state, of=[JobState.RUNNING], reason=reason)

    async def _watch(self) -> None:
        """Keep what this worker has, and stop it when the job is not to run any more."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(_LOOK)
            with contextlib.suppress(InferenceError):  # what is prevented now is tried at the next look
                job = await asyncio.to_thread(self._manifest.find, self._job.name)
                if job is None or job.state is not JobState.RUNNING:
                    self._stopped.set()
                if self._clock.monotonic() - renewed >= self._lease / 3:
                    until = self._clock.now().timestamp() + self._lease
                    await asyncio.to_thread(self._manifest.renew, self._job.name, self._owner, until)
                    renewed = self._clock.monotonic()


_LASTING = frozenset({Kind.INVALID, Kind.CONFLICT, Kind.FORBIDDEN, Kind.UNAUTHENTICATED, Kind.NOT_FOUND})


async def _to_its_end(act: Callable[[], T]) -> T:
    """The result of *act* in a thread; who is cancelled waits, or what it claims would stay with nobody."""
    acting = asyncio.ensure_future(asyncio.to_thread(act))
    try:
        return await asyncio.shield(acting)
    except asyncio.CancelledError:
        await asyncio.wait({acting})
        raise


def _give_back(manifest: Manifest, name: str) -> None:
    """Have the shards of workers that died on this machine be anybody's, before their leases end."""
    for owner in manifest.owners(name):
        if has_died(owner):
            manifest.release(name, owner)
