"""Embeddings as calls: many requests in one call where they wait anyway, many calls for one request where it is long.

For the inputs in a pool calls stand in the queue of the rate group, and each takes along as much as a call may hold,
when its turn comes and not before: so whoever has to wait shares a call, and what was learnt meanwhile of a provider's
limits counts for all who wait. Each version of an endpoint, each caller and whatever else goes over the wire has pools
of its own, and inputs of two pools never share a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

from inferpoint.engine.caches import Caches, Given
from inferpoint.engine.calls import Calls, Wish, lane, too_long
from inferpoint.engine.endpoints import Resolved
from inferpoint.engine.pools import Asker, Item, Pool, Trip, divided, loaded, rows
from inferpoint.engine.sizing import Load, load_of
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import (
    Embeddings,
    InferenceRequest,
    Journey,
    SparseEmbeddings,
    Tokens,
)
from inferpoint.protocols.oversize import Oversize
from inferpoint.runtime.clock import Clock

# Refusals that may be the fault of one input among many; and after how many inputs in a row, each refused on its own,
# it is taken for everyone's.
_INPUTS_FAULT = (400, 413, 422)
_IN_VAIN = 32
_HALVINGS = 20  # of a call, until it is not its size that is wrong: the largest that services allow takes eighteen


class _Call:
    """One call. It takes its inputs from the pool when its turn comes, unless it was made for some."""

    def __init__(self, pool: Pool, items: Sequence[Item] | None = None) -> None:
        self.pool = pool
        self.items = items
        self.of_another = items is not None
        self.journey = Journey()
        self.take: Callable[[], Sequence[Item]] = tuple
        self.task: asyncio.Future[None] | None = None

    def request(self) -> InferenceRequest:
        """What to ask: from now on nothing joins."""
        if self.items is None:
            self.items = self.take()
            for item in self.items:
                item.trip = self
        if not self.items:
            raise asyncio.CancelledError  # whoever wanted this call has left
        return self.pool.request(self.items)

    def tokens(self) -> int:
        """What it costs, as far as is known."""
        if self.items is None:
            return self.pool.sizing.a_call(self.pool.load)
        return self.pool.sizing.tokens(loaded(self.items))

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


class Batching:
    """Everything that is to be embedded."""

    def __init__(self, calls: Calls, caches: Caches, clock: Clock) -> None:
        self._calls = calls
        self._caches = caches
        self._clock = clock
        self._pools: dict[Hashable, Pool] = {}

    async def embedded(self, resolved: Resolved, request: InferenceRequest) -> Embeddings | SparseEmbeddings:
        """The embeddings of all inputs, in their order.

        An input that the provider refuses ends the request, and the error says which; in a `partial` request each has
        its embedding or its error.
        """
        asker = Asker(request, self._clock.monotonic(), self._calls.begin_by(resolved, request))
        try:
            async with self._calls.by_deadline(resolved, request, asker.begun):
                await self._ask(resolved, asker)
                await asker.done
        except InferenceError as error:
            if not request.partial or error.kind not in (Kind.TIMED_OUT, Kind.RATE_LIMITED):
                raise
            asker.end(error)
        finally:
            self._leave(asker)
        return asker.result(sparse=resolved.endpoint.task_type is TaskType.SPARSE_EMBEDDING)

    async def _ask(self, resolved: Resolved, asker: Asker) -> None:
        """Have what *asker* wants wait, but for what is on its way already, and what is refused as it is."""
        wanted: dict[Given, list[int]] = {}
        for index, given in enumerate(asker.inputs):
            wanted.setdefault(given, []).append(index)
        await self._remember(resolved, asker, wanted)
        sizing = self._calls.sizing(resolved)
        loads: dict[Given, Load] = {}
        for given in list(wanted):
            load = load_of(given)
            if error := too_long(resolved, sizing.tokens(load)):
                asker.refuse(wanted.pop(given), error, alone=True)
            else:
                loads[given] = load
        key = _key(resolved, asker.request)
        if not asker.done.done():
            await self._refuse_too_late(resolved, asker, wanted, loads, self._pools.get(key))
        if asker.done.done():
            return
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(key, resolved, asker.request, sizing)
        asker.pool = pool
        joining = sum(map(len, wanted.values()))
        for given, indexes in wanted.items():
            if given not in pool.items:
                pool.put(given, loads[given])
                joining -= 1
            asker.ask(pool.items[given], indexes)
        self._calls.telemetry.packing.joined(resolved.service.name, joining)
        pool.prolong(asker.begin_by)
        self._dispatch(pool)

    async def _remember(self, resolved: Resolved, asker: Asker, wanted: dict[Given, list[int]]) -> None:
        """Take out of *wanted* what the endpoint's cache knows."""
        known = await self._caches.find(resolved, asker.request, wanted)
        if known is None:
            return
        places = {given: wanted.pop(given) for given in known}
        journey = Journey(known=sum(map(len, places.values())), asked=len(asker.inputs))
        asker.request.journey.add(journey)
        for given, (vector, cut) in known.items():
            asker.give(places[given], vector, cut=cut, tokens=0)

    async def _refuse_too_late(
        self,
        resolved: Resolved,
        asker: Asker,
        wanted: dict[Given, list[int]],
        loads: Mapping[Given, Load],
        pool: Pool | None,
    ) -> None:
        """Refuse what could not be sent in time: the request, or in a partial one the inputs that come last."""
        sizing, total = self._calls.sizing(resolved), Load()
        waiting = 0
        if pool is not None:
            total.add(pool.load)
            waiting = len(pool.trips)
        new = [given for given in loads if pool is None or given not in pool.items]
        for given in new:
            total.add(loads[given])
        calls = max(0, sizing.calls(total) - waiting)
        possible, error = await self._calls.in_time(resolved, asker.request, calls)
        if error is None:
            return
        if not asker.request.partial:
            raise error
        while new and max(0, sizing.calls(total) - waiting) > possible:
            total.add(loads[new[-1]], -1)
            asker.refuse(wanted.pop(new.pop()), error, alone=False)

    def _dispatch(self, pool: Pool) -> None:
        """Have as many calls in the queue as what waits in *pool* needs."""
        needed = pool.sizing.calls(pool.load)
        while len(pool.trips) < needed:
            call = _Call(pool)
            call.take = partial(self._taken, pool, call, self._clock.monotonic())
            call.task = asyncio.ensure_future(self._go(pool, call))
            pool.trips.append(call)
        while len(pool.trips) > needed:
            pool.trips.pop().cancel()

    def _taken(self, pool: Pool, call: _Call, since: float) -> Sequence[Item]:
        """The turn of *call*, which waited *since*, has come: what it takes along. Others go for what it leaves."""
        now = self._clock.monotonic()
        if late := pool.late(now):
            _refuse(pool, late, self._calls.too_late(pool.resolved, pool.request(()), now - since))
        taken = pool.take()
        pool.trips.remove(call)
        self._dispatch(pool)
        return taken

    async def _go(self, pool: Pool, call: _Call) -> None:
        """One call, from its place in the queue to what became of each of its inputs."""
        try:
            try:
                await self._sent(pool, call)
            except InferenceError as error:
                await self._refused(pool, call, error)
        except Exception as error:  # noqa: BLE001 - whatever happens, those who wait are told
            _refuse(pool, call.items or list(pool.waiting), error)
        finally:
            if call in pool.trips:
                pool.trips.remove(call)
            if not pool.waiting:
                self._dispatch(pool)  # what still stands in the queue is not needed
            self._done_with(pool)

    async def _sent(self, pool: Pool, call: _Call) -> None:
        """Send *call*, and give every input its embedding and everyone who asked a part of the usage."""
        try:
            result = await self._calls.whole(pool.resolved, call.wish())
        finally:
            askers = {asker for item in call.items or () for asker in item.askers}
            journey, call.journey = call.journey, Journey()  # whoever leaves from now on has it counted already
            for asker in askers:
                asker.travelled(journey, self._clock.monotonic())
        items = call.items or ()
        found = rows(result, len(items))
        load = loaded(items)
        name, fill = pool.resolved.service.name, pool.sizing.fill(load)
        self._calls.telemetry.packing.packed(name, len(items), len(askers), fill)
        pool.in_vain = pool.too_large = 0
        used = None if result.usage is None else result.usage.input
        pool.sizing.count(load, used or 0)
        weights = [pool.sizing.tokens(item.load) for item in items]
        parts = [None] * len(items) if used is None else divided(used, weights)
        kept = ((item.given, value, cut) for item, (value, cut) in zip(items, found, strict=True))
        self._caches.keep(pool.resolved, pool.request(()), kept)
        for item, (value, cut), tokens in zip(items, found, parts, strict=True):
            pool.forget(item)
            item.give(value, cut=cut, tokens=tokens)

    async def _refused(self, pool: Pool, call: _Call, error: InferenceError) -> None:
        """What was too much for one call goes back into the pool; where one input may be at fault it is looked for."""
        if call.items is None:  # before its turn came: those who still wait have other calls, or none
            if pool.trips == [call]:
                _refuse(pool, list(pool.waiting), error)
            return
        items = call.items  # with those that nobody asks for any more: one of them may be at fault
        said = error.upstream
        of = None if said is None else pool.resolved.service.oversize(said)
        if said is None or of is None:
            await self._search(pool, items, error)
        elif len(items) > 1 and pool.too_large < _HALVINGS:
            _shrink(pool, items, of, said.message)
            self._dispatch(pool)
        else:
            for item in items:
                if item.before is not None:
                    pool.sizing.relent(item.before)
            if of is Oversize.INPUTS:  # there is no smaller call than one that has one: none will do
                _refuse(pool, [*items, *pool.waiting], error)
            else:
                await self._search(pool, items, error)

    async def _search(self, pool: Pool, items: Sequence[Item], error: InferenceError) -> None:
        """Find the inputs that the provider refuses: by halves, and by halves of those that it refuses again.

        They go before what waits, as what is found may end a request. When too many inputs in a row were refused on
        their own, it is not the inputs that are wrong.
        """
        if len(items) < 2 or not _is_inputs_fault(error) or pool.in_vain >= _IN_VAIN:
            pool.in_vain += _is_inputs_fault(error)
            _refuse(pool, items, error)
            return
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            part = [item for item in half if item.askers]
            try:
                if part:
                    await self._sent(pool, _Call(pool, part))
            except InferenceError as again:
                await self._search(pool, part, again)

    def _leave(self, asker: Asker) -> None:
        """What only *asker* wanted is not sent, or no longer waited for."""
        asker.close()
        if asker.pool is None:
            return
        pool, trips = asker.pool, set[Trip | None]()
        for item in asker.items:
            if item.askers.pop(asker, None) is not None:
                trips.add(item.trip)
                if not item.askers:
                    pool.forget(item)
        asker.left(trips, self._clock.monotonic())
        for trip in trips:
            if trip is not None:
                trip.cancel_if_unwanted()
        self._dispatch(pool)
        self._done_with(pool)

    def _done_with(self, pool: Pool) -> None:
        if not pool.items and self._pools.get(pool.key) is pool:
            del self._pools[pool.key]


def _key(resolved: Resolved, request: InferenceRequest) -> Hashable:
    """What inputs must have in common to travel together."""
    return (
        resolved.endpoint.version,
        repr(resolved.endpoint.options) if request.options else "",
        request.input_type,
        repr(request.params) if request.params else "",
        isinstance(request.input, Tokens),
        request.caller.name,
    )


def _is_inputs_fault(error: InferenceError) -> bool:
    return error.upstream is not None and error.upstream.status in _INPUTS_FAULT


def _shrink(pool: Pool, items: Sequence[Item], of: Oversize, words: str) -> None:
    """What was too much for one call waits again, for smaller ones."""
    load = loaded(items)
    if pool.sizing.fits(load):  # else another call, sent at the same time, has taught as much
        pool.too_large += 1
        before = pool.sizing.refuse(load, of, words)
        for item in items:
            item.before = item.before or before
    pool.put_back(items)


def _refuse(pool: Pool, items: Sequence[Item], error: Exception) -> None:
    """None of *items* will come; where it is the one input's fault, its askers are told which it is of theirs."""
    alone = len(items) == 1 and isinstance(error, InferenceError) and _is_inputs_fault(error)
    for item in items:
        pool.forget(item)
        item.refuse(error, alone=alone)
