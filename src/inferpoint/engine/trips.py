"""The calls of a pool: what each takes along when its turn comes, and what becomes of that.

What comes is given to all who asked for it. A call that was too large is made anew as smaller ones; of a call that was
refused the input at fault is looked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from inferpoint.engine.caches import Caches
from inferpoint.engine.calls import Calls, Wish, lane
from inferpoint.engine.pools import Item, Pool, divided, loaded, rows
from inferpoint.errors import InferenceError
from inferpoint.model.inference import InferenceRequest, Journey
from inferpoint.protocols.oversize import Oversize
from inferpoint.runtime.clock import Clock

# Refusals that may be the fault of one input among many; and after how many inputs in a row, each refused on its own,
# it is taken for everyone's.
_INPUTS_FAULT = (400, 413, 422)
_IN_VAIN = 32
_HALVINGS = 20  # of a call, until it is not its size that is wrong: the largest that services allow takes eighteen


class Trip:
    """One call. It takes its inputs from the pool when its turn comes, unless it was made for some."""

    def __init__(self, pool: Pool, items: Sequence[Item] | None = None) -> None:
        self.pool = pool
        self.items = items
        self.load = loaded(items or ())
        self.of_another = items is not None
        self.journey = Journey()
        self.take: Callable[[], Sequence[Item]] = tuple
        self.task: asyncio.Future[None] | None = None

    def request(self) -> InferenceRequest:
        """What to ask: from now on nothing joins."""
        if self.items is None:
            self.items = self.take()
            self.load = loaded(self.items)
            for item in self.items:
                item.trip = self
        if not self.items:
            raise asyncio.CancelledError  # whoever wanted this call has left
        return self.pool.request(self.items)

    def tokens(self) -> int:
        """What it costs, as far as is known."""
        sizing = self.pool.sizing
        return sizing.a_call(self.pool.load) if self.items is None else sizing.tokens(self.load)

    def cancel_if_unwanted(self) -> None:
        """End the call when nobody asks for any of its inputs."""
        if not any(item.askers for item in self.items or ()):
            self.cancel()

    def cancel(self) -> None:
        """It is not needed."""
        if self.task is not None:
            self.task.cancel()

    def wish(self) -> Wish:
        """The call as it is sent."""
        request = self.pool.request(())
        return Wish(
            caller=request.caller,
            lane=lane(request),
            request=self.request,
            tokens=self.tokens,
            deadline=lambda: self.pool.deadline,
            journey=self.journey,
            first=self.of_another,
        )


class Trips:
    """Makes the calls of pools."""

    def __init__(self, calls: Calls, caches: Caches, clock: Clock) -> None:
        self._calls = calls
        self._caches = caches
        self._clock = clock

    async def make(self, trip: Trip) -> None:
        """One call, from its place in the queue to what became of each of its inputs; some may wait again."""
        pool = trip.pool
        try:
            try:
                await self._sent(pool, trip)
            except InferenceError as error:
                await self._refused(pool, trip, error)
        except Exception as error:  # noqa: BLE001 - whatever happens, those who wait are told
            refuse(pool, trip.items or list(pool.waiting), error)

    async def _sent(self, pool: Pool, trip: Trip) -> None:
        """Send *trip*, and give every input its embedding and everyone who asked a part of the usage."""
        try:
            result = await self._calls.whole(pool.resolved, trip.wish())
        finally:
            askers = {asker for item in trip.items or () for asker in item.askers}
            journey, trip.journey = trip.journey, Journey()  # whoever leaves from now on has it counted already
            for asker in askers:
                asker.travelled(journey, self._clock.monotonic())
        items = trip.items or ()
        found = rows(result, len(items))
        name, fill = pool.resolved.service.name, pool.sizing.fill(trip.load)
        self._calls.telemetry.packing.packed(name, len(items), len(askers), fill)
        pool.in_vain = pool.too_large = 0
        used = None if result.usage is None else result.usage.input
        pool.sizing.count(trip.load, used or 0)
        parts = [None] * len(items) if used is None else divided(used, [item.load.weight for item in items])
        kept = ((item.given, value, cut) for item, (value, cut) in zip(items, found, strict=True))
        self._caches.keep(pool.resolved, pool.request(()), kept)
        for item, (value, cut), tokens in zip(items, found, parts, strict=True):
            pool.forget(item)
            item.give(value, cut=cut, tokens=tokens)

    async def _refused(self, pool: Pool, trip: Trip, error: InferenceError) -> None:
        """What was too much for one call goes back into the pool; where one input may be at fault it is looked for."""
        if trip.items is None:  # before its turn came: those who still wait have other calls, or none
            if pool.trips == [trip]:
                refuse(pool, list(pool.waiting), error)
            return
        items = trip.items  # with those that nobody asks for any more: one of them may be at fault
        said = error.upstream
        of = None if said is None else pool.resolved.task.failures.oversize(said)
        if said is None or of is None:
            await self._search(pool, items, error)
        elif len(items) > 1 and pool.too_large < _HALVINGS:
            _shrink(pool, trip, of, said.message)
        else:
            for item in items:
                if item.before is not None:
                    pool.sizing.relent(item.before)
            if of is Oversize.INPUTS:  # there is no smaller call than one that has one: none will do
                refuse(pool, [*items, *pool.waiting], error)
            else:
                await self._search(pool, items, error)

    async def _search(self, pool: Pool, items: Sequence[Item], error: InferenceError) -> None:
        """Find the inputs that the provider refuses: by halves, and by halves of those that it refuses again.

        They go before what waits, as what is found may end a request. When too many inputs in a row were refused on
        their own, it is not the inputs that are wrong.
        """
        if len(items) < 2 or not _is_inputs_fault(error) or pool.in_vain >= _IN_VAIN:
            pool.in_vain += _is_inputs_fault(error)
            refuse(pool, items, error)
            return
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            part = [item for item in half if item.askers]
            try:
                if part:
                    await self._sent(pool, Trip(pool, part))
            except InferenceError as again:
                await self._search(pool, part, again)


def _is_inputs_fault(error: InferenceError) -> bool:
    return error.upstream is not None and error.upstream.status in _INPUTS_FAULT


def _shrink(pool: Pool, trip: Trip, of: Oversize, words: str) -> None:
    """What was too much for one call waits again, for smaller ones."""
    items = trip.items or ()
    if pool.sizing.fits(trip.load):  # else another call, sent at the same time, has taught as much
        pool.too_large += 1
        before = pool.sizing.refuse(trip.load, of, words)
        for item in items:
            item.before = item.before or before
    pool.put_back(items)


def refuse(pool: Pool, items: Sequence[Item], error: Exception) -> None:
    """None of *items* will come; where it is the one input's fault, its askers are told which it is of theirs."""
    alone = len(items) == 1 and isinstance(error, InferenceError) and _is_inputs_fault(error)
    for item in items:
        pool.forget(item)
        item.refuse(error, alone=alone)
