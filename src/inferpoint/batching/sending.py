"""What becomes of a pool's calls.

What comes is given to all who wait for it. A call that was too large is made anew as smaller ones; of a call that
failed the input at fault is looked for, and the others are asked for without it.
"""

from __future__ import annotations

from collections.abc import Sequence

from inferpoint.batching import faults
from inferpoint.batching.batch import Batch
from inferpoint.batching.items import Item
from inferpoint.batching.pool import Pool, Rows, divided, loaded, rows
from inferpoint.calls.calls import Calls
from inferpoint.calls.sizing import weights
from inferpoint.clock import Clock
from inferpoint.endpoints.caches import Caches
from inferpoint.errors import InferenceError
from inferpoint.model.quota import Lane
from inferpoint.model.requests import RequestStats
from inferpoint.model.results import InferenceResult
from inferpoint.protocols import truncation
from inferpoint.protocols.oversize import Oversize
from inferpoint.telemetry.counters import BatchCounters

_HALVINGS = 20  # of a call, until it is not its size that is wrong: the largest that services allow takes eighteen
_HALVINGS_OF_AN_INPUT = 2  # as in Elasticsearch, which sends a half and then a quarter


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
                await self._failed(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever happens, those who wait are told
            refuse(pool, batch.items or list(pool.waiting), error)

    async def _sent(self, batch: Batch) -> None:
        """Send *batch*, and give every input its embedding or its own error, and each waiter a part of the usage."""
        pool = batch.pool
        try:
            result = await self._calls.whole(batch)
        finally:
            waiters = {waiter for item in batch.items or () for waiter in item.waiters}
            stats, batch.stats = batch.stats, RequestStats()  # whoever leaves from now on has it counted already
            for waiter in waiters:
                waiter.count(stats, self._clock.monotonic())
        items = batch.items or ()
        answered = rows(result, len(items), pool.resolved.numbers)
        self._counters.packed(pool.resolved.service.name, len(items), len(waiters), pool.sizing.fill(batch.load))
        pool.in_vain = pool.too_large = pool.failed_parts = 0
        self._hand_out(pool, items, answered, _learnt_and_divided(batch, result))

    def _hand_out(self, pool: Pool, items: Sequence[Item], answered: Rows, parts: Sequence[int | None]) -> None:
        """Give each of *items* its row or its own error, and of the tokens its part; keep the rows."""
        values, cut, errors = answered
        for place in errors:
            refuse(pool, [items[place]], errors[place], alone=True)
        good = [
            (item, value, item.halvings > 0 or place in cut, tokens)
            for place, (item, value, tokens) in enumerate(zip(items, values, parts, strict=True))
            if place not in errors
        ]
        self._caches.keep(pool.resolved, pool.like, ((item.input, value, is_cut) for item, value, is_cut, _ in good))
        pool.forget([item for item, *_ in good])
        for item, value, is_cut, tokens in good:
            item.give(value, cut=is_cut, tokens=tokens)

    async def _failed(self, batch: Batch, error: InferenceError) -> None:
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

    async def _search(
        self, batch: Batch, items: Sequence[Item], error: InferenceError, *, is_part: bool = False
    ) -> None:
        """Find the inputs for which a call failed: by parts of it, and by parts of those that fail again.

        They go before what waits, as what is found may end a request. After a failure of the provider all parts are
        sent before one is divided: so the breakers see more of them pass than fail.
        """
        pool = batch.pool
        if len(items) < 2 or not faults.are_worth_a_search(pool, items, error):
            await self._given_up(batch, items, error, is_part=is_part)
            return
        failed: list[tuple[Sequence[Item], InferenceError]] = []
        passed = 0
        at_once = faults.is_an_inputs(error)
        for some in faults.parts(items, error):
            part = [item for item in some if item.waiters]
            if not part:
                continue
            if faults.is_providers(pool, error):
                failed.append((part, error))
                continue
            try:
                await self._sent(batch.part(part))
                passed += len(part)
            except InferenceError as again:
                if at_once:
                    await self._search(batch, part, again, is_part=True)
                else:
                    failed.append((part, faults.counted(pool, error, again)))
        if passed == len(items) and at_once:  # nothing was wrong but their number
            assert error.upstream is not None
            pool.sizing.refuse(loaded(items), Oversize.INPUTS, error.upstream.message)
        for part, again in failed:
            await self._search(batch, part, again, is_part=True)

    async def _given_up(self, batch: Batch, items: Sequence[Item], error: InferenceError, *, is_part: bool) -> None:
        """Refuse what is not divided any further; but send a text that is too long by itself shorter."""
        pool = batch.pool
        if len(items) == 1 and await self._sent_shorter(batch, items[0], error):
            return
        if faults.is_an_inputs(error):
            pool.in_vain += 1
            refuse(pool, items, error, alone=len(items) == 1)
        elif is_part and faults.is_providers(pool, error):
            if batch.lane is Lane.INGEST:  # it has time, and nothing is known against it
                pool.put_back(items)
            else:
                refuse(pool, items, error)
        else:
            refuse(pool, items, error, alone=is_part and len(items) == 1)

    async def _sent_shorter(self, batch: Batch, item: Item, error: InferenceError) -> bool:
        """Whether what was refused for its length was sent again, a half of it and then a quarter."""
        pool = batch.pool
        sent = truncation.halved(item.sent, pool.resolved.max_input_tokens)
        if not (faults.is_too_long(error) and item.halvings < _HALVINGS_OF_AN_INPUT and item.waiters and sent):
            return False
        item.shorten(sent)
        try:
            await self._sent(batch.part([item]))
        except InferenceError as again:
            await self._given_up(batch, [item], again, is_part=True)
        return True


def _learnt_and_divided(batch: Batch, result: InferenceResult) -> Sequence[int | None]:
    """The tokens of each input of *batch*, as far as the provider told; what it counted is learnt from."""
    used = None if result.usage is None else result.usage.input
    batch.pool.sizing.count(batch.load, used or 0)
    items = batch.items or ()
    return [None] * len(items) if used is None else divided(used, weights([item.load for item in items]))


def _shrink(batch: Batch, of: Oversize, words: str) -> None:
    """Have what was too much for one call wait again, for smaller ones."""
    pool, items = batch.pool, batch.items or ()
    if pool.sizing.fits(batch.load):  # else another call, sent at the same time, has taught as much
        pool.too_large += 1
        before = pool.sizing.refuse(batch.load, of, words)
        for item in items:
            item.before = item.before or before
    pool.put_back(items)


def refuse(pool: Pool, items: Sequence[Item], error: Exception, *, alone: bool = False) -> None:
    """Tell all who wait for *items* that they will not come; *alone* when it is the one input's own fault."""
    pool.forget(items)
    for item in items:
        item.refuse(error, alone=alone)
