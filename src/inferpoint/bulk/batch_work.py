"""The work on a job in mode `batch`: whole shards are handed in, asked for now and then, and collected.

At any point a worker may be killed: what it was about to hand in is looked for at the provider before it is handed in
once more, and what a provider has answered is fetched again until it is in the sink and written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
from typing_extensions import override

from inferpoint.bulk.asking import Answers, passes
from inferpoint.bulk.batch_items import BatchItems, Sorted, items_of, sort
from inferpoint.bulk.batch_shards import BatchShards, Handed, part_of, together
from inferpoint.bulk.job import Job, JobState, Paid, Shard
from inferpoint.bulk.pricing import added, cheaper
from inferpoint.bulk.working import Worker
from inferpoint.calls.batches import EndpointBatches
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.batches import Ended, FateUnknownError, PlannedBatch
from inferpoint.model.requests import InferenceRequest

T = TypeVar("T")
Planned = tuple[BatchItems, PlannedBatch]

SHARDS_OF_A_BATCH = 8  # at most: all its answers are in memory when it is collected
SETTLED = 60.0  # seconds after which a batch that its provider does not list was not made
_BYTES = 2  # of a character as it is sent; where that is too few, smaller batches are handed in
_READ = 5.0  # seconds between two looks at which batches there are


class GoneError(Exception):
    """That a provider has a batch no more, so that nobody will ever read its answers."""


class BatchWorker(Worker):
    """A worker of a job in mode `batch`, whose provider takes *batches*."""

    def __init__(
        self, *arguments: Any, batches: EndpointBatches, settled: float = SETTLED, most: int = SHARDS_OF_A_BATCH
    ) -> None:
        super().__init__(*arguments)
        self._batches = batches
        self._settled = settled
        self._books = BatchShards(self._manifest, self._job.name)
        self._ask_at: dict[str, float] = {}
        self._read_at = self._hand_in_at = 0.0
        self._carried: BatchItems | None = None
        self._most = most

    @override
    async def run_shard(self, number: int) -> None:
        raise invalid(f"The job [{self._job.name}] is done by batches: its worker has all shards, and none by itself")

    @override
    async def _work(self) -> None:
        while not self._stopping:
            await self._ask_for_batches()
            await self._hand_in_batches()
            if self._stopping:
                break
            if not await asyncio.to_thread(self._manifest.left, self._job.name):
                await self._finish()
                return
            await self._pause()
        job = await self._wait_for(partial(self._manifest.find, self._job.name))
        if job is not None and job.state is JobState.CANCELLED:  # perhaps while a batch was made
            await cancel_batches(self._books, self._batches)

    # Batches that their provider has

    async def _ask_for_batches(self) -> None:
        """Ask for each batch whose time has come, and collect what has ended."""
        if self._clock.monotonic() < self._read_at:
            return
        self._read_at = self._clock.monotonic() + min(self._job.spec.poll, _READ)
        for handed in await self._wait_for(self._books.submitted):
            name, now = handed.batch.name, self._clock.monotonic()
            if self._stopping or now < self._ask_at.get(name, 0.0):
                continue
            self._ask_at[name] = now + self._job.spec.poll
            try:
                await self._ask_for(handed)
            except GoneError:
                await self._wait_for(partial(self._books.unmade, name))
            except InferenceError as error:
                if not passes(error):
                    raise
                self._asking.waiting(error)

    async def _ask_for(self, handed: Handed) -> None:
        state = await there(self._batches.look(handed.batch))
        if isinstance(state, Ended):
            if state.refusal is None:
                await self._collect(handed, state)
            else:
                await self._refused(handed, state)
        elif self._is_late(handed.batch):
            await self._batches.cancel(handed.batch)
            self._ask_at[handed.batch.name] = self._clock.monotonic()

    async def _refused(self, handed: Handed, ended: Ended) -> None:
        """Give a batch up of which no line was looked at; where the provider had too many, it is handed in later."""
        await self._wait_for(partial(self._books.unmade, handed.batch.name))
        try:
            await self._batches.collect(handed.batch, ended, {})
        except InferenceError as error:
            if not passes(error):
                raise
            self._later(error)

    async def _collect(self, handed: Handed, ended: Ended) -> None:
        """Fetch the answers, write them to the sink and down, and delete what is left of the batch."""
        until = self._clock.now().timestamp() + self._lease
        taken = await self._wait_for(partial(self._books.take, handed, self._owner, until))
        if taken is None:
            return
        left = list(taken.shards)
        try:
            every = [await self._items(shard) for shard in taken.shards]
            requests = numbered([(of, of.part) for of in every])
            answers = await there(self._batches.collect(taken.batch, ended, requests))
            for of in every:
                await self._take_in(of, sort(of, answers))
                left.remove(of.shard)
        finally:
            for shard in left:
                with contextlib.suppress(InferenceError):
                    await asyncio.to_thread(self._books.put_back, shard, self._owner)
        if await self._wait_for(partial(self._books.of, taken.batch.name)) is None:
            with contextlib.suppress(InferenceError):  # it is paid and kept; what is left ends by itself
                await self._batches.discard(taken.batch, ended)

    async def _take_in(self, of: BatchItems, became: Sorted) -> None:
        """Write down what became of a shard's items; what was refused among others is asked for by itself."""
        answers = became.answers
        paid = cheaper(self._asking.paid(answers), self._batches.price)
        texts = became.unclear | (became.owed if self._is_late(of.part) else {})
        owed = {of.items[place][0] for place in became.owed if place not in texts}
        if texts:
            now = await self._asking.ask(texts)
            answers.values |= now.values
            answers.failures |= now.failures
            paid = added(paid, self._asking.paid(now))
        await self._commit(of.shard, of.items, answers, paid, owed)

    def _is_late(self, batch: PlannedBatch) -> bool:
        """Whether what the batch has not come to is to be asked for otherwise."""
        fallback = self._job.spec.fallback
        return fallback is not None and self._clock.now().timestamp() - batch.planned >= fallback

    # Handing in

    async def _hand_in_batches(self) -> None:
        """Hand in what nobody has done, as long as the provider takes more."""
        while not self._stopping and self._clock.monotonic() >= self._hand_in_at:
            if not (gathered := await self._gathered()):
                return
            await self._hand_in(gathered)

    async def _gathered(self) -> list[Planned]:
        """Shards that make a batch, with what of it each is; none when there is nothing to hand in."""
        gathered: list[Planned] = []
        while len(gathered) < self._most and not self._stopping and (of := await self._next()) is not None:
            first = sum(len(one.requests) for one, _ in gathered)
            name = gathered[0][1].name if gathered else batch_name(self._job, of.shard)
            try:
                part = await self._batches.plan(of.numbered(first), name)
            except InferenceError as error:
                if error.kind is not Kind.INVALID:
                    raise
                part = None
            if part is not None and self._fit([*gathered, (of, part)]):
                gathered.append((of, part))
            elif gathered:
                self._carried = of
                break
            else:  # more than any batch takes
                await self._do(of.shard)
        return gathered

    def _fit(self, gathered: Sequence[Planned]) -> bool:
        """Whether one batch may have all that is *gathered*, as far as that is known before it is written."""
        limits = self._batches.limits
        lines, inputs = sum(part.count for _, part in gathered), sum(part.inputs for _, part in gathered)
        size = sum(of.characters for of, _ in gathered) * _BYTES
        return lines <= limits.lines and inputs <= (limits.inputs or inputs) and size <= limits.bytes

    async def _next(self) -> BatchItems | None:
        """The next shard that is in no batch, with its items; what was left of batches by others is put in order."""
        if self._carried is not None:
            of, self._carried = self._carried, None
            return of
        while not self._stopping and (shard := await self._claimed()) is not None:
            part = part_of(shard)
            if part is None:
                of = await self._items(shard)
                if of.requests:
                    return of
                await self._commit(shard, of.items, Answers(), Paid())
            elif part.id:
                await self._wait_for(partial(self._books.put_back, shard, self._owner))
            else:
                await self._settle(part.name)
        return None

    async def _hand_in(self, gathered: Sequence[Planned]) -> None:
        """Write down what the batch is, make it, and write its id down."""
        count, planned = sum(part.count for _, part in gathered), gathered[0][1].planned
        parts = [(of.shard, msgspec.structs.replace(part, count=count, planned=planned)) for of, part in gathered]
        batch = together([part for _, part in parts])
        if not await self._wait_for(partial(self._books.hand_over, self._owner, parts)):
            return
        try:
            made = await self._batches.submit(batch, numbered(gathered))
        except FateUnknownError as error:
            self._asking.waiting(error)
            await self._settle(batch.name)
        except InferenceError as error:
            await self._wait_for(partial(self._books.unmade, batch.name))
            await self._not_made(error, [shard for shard, _ in parts])
        else:
            await self._wait_for(partial(self._books.made, batch.name, made.id))

    async def _not_made(self, error: InferenceError, shards: Sequence[Shard]) -> None:
        """Go on after a batch of *shards* was refused: with smaller ones, later, or not at all."""
        if error.kind is Kind.TOO_LARGE:
            self._most = max(1, len(shards) // 2)
            if len(shards) == 1 and (shard := await self._claimed(shards[0].number)) is not None:
                await self._do(shard)
        elif passes(error):
            self._later(error)
        else:
            raise error

    async def _settle(self, name: str) -> None:
        """Find out whether the batch called *name* was made; it was not where its provider lists none for a while."""
        until = self._clock.monotonic() + self._settled
        while not self._stopping and (handed := await self._wait_for(partial(self._books.of, name))) is not None:
            try:
                taken = await self._wait_for(self._books.known)
                adopted = await self._batches.adopt(handed.batch, taken)
                if adopted is not None:
                    return await self._wait_for(partial(self._books.made, name, adopted.id))
                if self._clock.monotonic() >= until:
                    return await self._wait_for(partial(self._books.unmade, name))
            except InferenceError as error:
                if not passes(error):
                    raise
                self._asking.waiting(error)
            await self._pause()
        return None

    def _later(self, error: InferenceError) -> None:
        """Hand nothing in until the provider may take more."""
        self._asking.waiting(error)
        self._hand_in_at = self._clock.monotonic() + self._job.spec.poll

    async def _items(self, shard: Shard) -> BatchItems:
        return await self._wait_for(partial(items_of, self._source, shard, self._asking))


async def there(asked: Awaitable[T]) -> T:
    """What a provider says of a batch; `GoneError` where it has none of that id, or one that is another's."""
    try:
        return await asked
    except InferenceError as error:
        if error.kind in (Kind.NOT_FOUND, Kind.CONFLICT):
            raise GoneError from error
        raise


def numbered(every: Sequence[Planned]) -> dict[int, InferenceRequest]:
    """The requests of *every* shard with the numbers that they have in the batch."""
    return {number: one for of, part in every for number, one in of.numbered(min(part.lines)).items()}


def batch_name(job: Job, shard: Shard) -> str:
    """A name that no other batch of any job has, for one that begins with *shard*."""
    digest = hashlib.sha256(f"{job.name}\n{job.created}".encode()).hexdigest()[:8]
    stem = re.sub(r"[^a-z0-9]+", "-", job.name)[:20].strip("-")
    return f"{stem}-{digest}-{shard.number}-{shard.attempt}"


async def cancel_batches(books: BatchShards, batches: EndpointBatches) -> None:
    """End the batches of a job that is not to go on; what they have answered by then is paid, and nobody's."""
    for handed in await asyncio.to_thread(books.submitted):
        await batches.cancel(handed.batch)
