"""Embeddings as calls: many requests in one call where they wait anyway, many calls for one request where it is long.

For the inputs in a pool calls stand in the queue of the rate group, and each takes along as much as a call may hold,
when its turn comes and not before: so whoever has to wait shares a call, and what was learnt meanwhile of a provider's
limits counts for all who wait. Each version of an endpoint, each caller and whatever else goes over the wire has pools
of its own, and inputs of two pools never share a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from functools import partial

from inferpoint.endpoints.caches import Caches, Given
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.calls import Calls, too_long
from inferpoint.engine.pools import Asker, Item, Pool, Travels
from inferpoint.engine.sizing import Load, load_of
from inferpoint.engine.trips import Trip, Trips, refuse
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import (
    Embeddings,
    InferenceRequest,
    Journey,
    SparseEmbeddings,
    Tokens,
)
from inferpoint.runtime.clock import Clock


class Batching:
    """Everything that is to be embedded."""

    def __init__(self, calls: Calls, caches: Caches, clock: Clock) -> None:
        self._calls = calls
        self._caches = caches
        self._trips = Trips(calls, caches, clock)
        self._clock = clock
        self._pools: dict[Hashable, Pool] = {}

    async def embedded(self, resolved: Resolved, request: InferenceRequest) -> Embeddings | SparseEmbeddings:
        """The embeddings of all inputs, in their order.

        An input that the provider refuses ends the request, and the error says which; in a `partial` request each has
        its embedding or its error.
        """
        asker = Asker(request, self._clock.monotonic(), self._calls.begin_by(resolved, request))
        try:
            await self._calls.by_deadline(resolved, request, partial(self._ask, resolved, asker), asker.begun)
        except InferenceError as error:
            if not request.partial or error.kind not in (Kind.TIMED_OUT, Kind.RATE_LIMITED):
                raise
            asker.end(error)
        finally:
            self._leave(asker)
        return asker.result(sparse=resolved.endpoint.task_type is TaskType.SPARSE_EMBEDDING)

    async def _ask(self, resolved: Resolved, asker: Asker) -> None:
        await self._join(resolved, asker)
        await asker.done

    async def _join(self, resolved: Resolved, asker: Asker) -> None:
        """Have what *asker* wants wait, but for what is on its way already, and what is refused as it is."""
        wanted: dict[Given, list[int]] = {}
        for index, given in enumerate(asker.inputs):
            wanted.setdefault(given, []).append(index)
        await self._remember(resolved, asker, wanted)
        sizing = self._calls.sizing(resolved)
        limited = resolved.rate.tokens is not None
        loads: dict[Given, Load] = {}
        for given in list(wanted):
            load = load_of(given)
            if limited and (error := too_long(resolved, sizing.tokens(load))):
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
            trip = Trip(pool)
            trip.take = partial(self._taken, pool, trip, self._clock.monotonic())
            trip.task = asyncio.ensure_future(self._go(pool, trip))
            pool.trips.append(trip)
        while len(pool.trips) > needed:
            pool.trips.pop().cancel()

    def _taken(self, pool: Pool, trip: Trip, since: float) -> Sequence[Item]:
        """The turn of *trip*, which waited *since*, has come: what it takes along. Others go for what it leaves."""
        now = self._clock.monotonic()
        if late := pool.late(now):
            refuse(pool, late, self._calls.too_late(pool.resolved, pool.request(()), now - since))
        taken = pool.take()
        pool.trips.remove(trip)
        self._dispatch(pool)
        return taken

    async def _go(self, pool: Pool, trip: Trip) -> None:
        try:
            await self._trips.make(trip)
        finally:
            if trip in pool.trips:
                pool.trips.remove(trip)
            self._dispatch(pool)  # for what waits again, and that nobody stands in the queue for nothing
            self._done_with(pool)

    def _leave(self, asker: Asker) -> None:
        """What only *asker* wanted is not sent, or no longer waited for."""
        asker.close()
        if asker.pool is None:
            return
        pool, trips = asker.pool, set[Travels | None]()
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
