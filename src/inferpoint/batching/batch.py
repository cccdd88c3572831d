"""The calls of a pool: what each takes along when its turn comes, and what becomes of that.

What comes is given to all who wait for it. A call that was too large is made anew as smaller ones; of a call that was
refused the input at fault is looked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from typing_extensions import override

from inferpoint.batching.items import Carrier, Item
from inferpoint.batching.pool import Pool, divided, loaded, rows
from inferpoint.calls.calls import Calls
from inferpoint.calls.job import EndpointJob
from inferpoint.clock import Clock
from inferpoint.endpoints.caches import Caches
from inferpoint.errors import InferenceError
from inferpoint.model.deadline import Deadline
from inferpoint.model.requests import InferenceRequest, RequestStats
from inferpoint.model.results import InferenceResult
from inferpoint.outbound.ticket import Ticket
from inferpoint.protocols.oversize import Oversize
from inferpoint.telemetry.counters import BatchCounters

# Refusals that may be the fault of one input among many; and after how many inputs in a row, each refused on its own,
# it is taken for everyone's.
_INPUTS_FAULT = (400, 413, 422)
_IN_VAIN = 32
_HALVINGS = 20  # of a call, until it is not its size that is wrong: the largest that services allow takes eighteen


class Batch(EndpointJob, Carrier):
    """One call for inputs of a pool, which *fill* tells when its turn comes, unless it was made for some *items*.

    A batch that was made for some is a part of another that had its turn, and goes ahead of what waits.
    """

    def __init__(
        self,
        pool: Pool,
        origin: str,
        fill: Callable[[Batch], Sequence[Item]],
        since: float,
        items: Sequence[Item] | None = None,
    ) -> None:
        super().__init__(pool.resolved, origin, pool.like, RequestStats())
        self.pool = pool
        self.items = items
        self.load = loaded(items or ())
        self.since = since
        self.task: asyncio.Task[None] | None = None
        self._fill = fill
        self._is_part = items is not None

    def part(self, items: Sequence[Item]) -> Batch:
        """A call for some of the items."""
        return Batch(self.pool, self.origin, self._fill, self.since, items)

    @override
    def request(self) -> InferenceRequest | None:
        if self.items is None:
            self.items = self._fill(self)
            self.load = loaded(self.items)
            for item in self.items:
                item.batch = self
        return self.pool.request(self.items) if self.items else None

    @override
    def tokens(self) -> int:
        sizing = self.pool.sizing
        return sizing.a_call(self.pool.load) if self.items is None else sizing.tokens(self.load)

    @override
    def deadline(self) -> Deadline:
        return self.pool.deadline

    @override
    def ticket(self, *, ahead: bool) -> Ticket:
        return super().ticket(ahead=ahead or self._is_part)

    @override
    def cancel_if_unwanted(self) -> None:
        if not any(item.waiters for item in self.items or ()):
            self.cancel()

    @override
    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


class BatchSender:
    """Makes the calls of pools."""

    def __init__(self, calls: Calls, caches: Caches, counters: BatchCounters, clock: Clock) -> None:
        self._calls = calls
        self._caches = caches
        self._counters = counters
        self._clock = clock

    async def send(self, batch: Batch) -> None:
        """One call, from its place in the queue to what became of each of its inputs; some may wait again."""
        pool = batch.pool
        try:
            try:
                await self._sent(batch)
            except InferenceError as error:
                await self._refused(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever happens, those who wait are told
            refuse(pool, batch.items or list(pool.waiting), error)

    async def _sent(self, batch: Batch) -> None:
        """Send *batch*, and give every input its embedding and each waiter a part of the usage."""
        pool = batch.pool
        try:
            result = await self._calls.whole(batch)
        finally:
            waiters = {waiter for item in batch.items or () for waiter in item.waiters}
            stats, batch.stats = batch.stats, RequestStats()  # whoever leaves from now on has it counted already
            for waiter in waiters:
                waiter.count(stats, self._clock.monotonic())
        items = batch.items or ()
        embeddings = rows(result, len(items))
        self._counters.packed(pool.resolved.service.name, len(items), len(waiters), pool.sizing.fill(batch.load))
        pool.in_vain = pool.too_large = 0
        parts = _learnt_and_divided(batch, result)
        kept = ((item.input, value, cut) for item, (value, cut) in zip(items, embeddings, strict=True))
        self._caches.keep(pool.resolved, pool.like, kept)
        for item, (value, cut), tokens in zip(items, embeddings, parts, strict=True):
            pool.forget(item)
            item.give(value, cut=cut, tokens=tokens)

    async def _refused(self, batch: Batch, error: InferenceError) -> None:
        """Put what was too much for one call back into the pool, and look for the one input that may be at fault."""
        pool = batch.pool
        if batch.items is None:  # before its turn came: those who still wait have other calls, or none
            if pool.batches == [batch]:
                refuse(pool, list(pool.waiting), error)
            return
        items = batch.items  # with those that nobody waits for any more: one of them may be at fault
        upstream = error.upstream
        of = None if upstream is None else pool.resolved.task.failures.oversize(upstream)
        if upstream is None or of is None:
            await self._search(batch, items, error)
        elif len(items) > 1 and pool.too_large < _HALVINGS:
            _shrink(batch, of, upstream.message)
        else:
            for item in items:
                if item.before is not None:
                    pool.sizing.relent(item.before)
            if of is Oversize.INPUTS:  # there is no smaller call than one that has one: none will do
                refuse(pool, [*items, *pool.waiting], error)
            else:
                await self._search(batch, items, error)

    async def _search(self, batch: Batch, items: Sequence[Item], error: InferenceError) -> None:
        """Find the inputs that the provider refuses: by halves, and by halves of those that it refuses again.

        They go before what waits, as what is found may end a request. When too many inputs in a row were refused on
        their own, it is not the inputs that are wrong.
        """
        pool = batch.pool
        if len(items) < 2 or not _is_inputs_fault(error) or pool.in_vain >= _IN_VAIN:
            pool.in_vain += _is_inputs_fault(error)
            refuse(pool, items, error)
            return
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            part = [item for item in half if item.waiters]
            try:
                if part:
                    await self._sent(batch.part(part))
            except InferenceError as again:
                await self._search(batch, part, again)


def _learnt_and_divided(batch: Batch, result: InferenceResult) -> Sequence[int | None]:
    """The tokens of each input of *batch*, as far as the provider told; what it counted is learnt from."""
    used = None if result.usage is None else result.usage.input
    batch.pool.sizing.count(batch.load, used or 0)
    items = batch.items or ()
    return [None] * len(items) if used is None else divided(used, [item.load.weight for item in items])


def _is_inputs_fault(error: InferenceError) -> bool:
    return error.upstream is not None and error.upstream.status in _INPUTS_FAULT


def _shrink(batch: Batch, of: Oversize, words: str) -> None:
    """Have what was too much for one call wait again, for smaller ones."""
    pool, items = batch.pool, batch.items or ()
    if pool.sizing.fits(batch.load):  # else another call, sent at the same time, has taught as much
        pool.too_large += 1
        before = pool.sizing.refuse(batch.load, of, words)
        for item in items:
            item.before = item.before or before
    pool.put_back(items)


def refuse(pool: Pool, items: Sequence[Item], error: Exception) -> None:
    """Tell all who wait for *items* that they will not come; and which it is of theirs, where it is one's own fault."""
    alone = len(items) == 1 and isinstance(error, InferenceError) and _is_inputs_fault(error)
    for item in items:
        pool.forget(item)
        item.refuse(error, alone=alone)
