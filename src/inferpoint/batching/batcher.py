"""Embeddings as calls: many requests in one call where they wait anyway, many calls for one request where it is long.

For the inputs in a pool calls stand in the queue of the rate group, and each takes along as much as a call may hold,
when its turn comes and not before: so whoever has to wait shares a call, and what was learnt meanwhile of a provider's
limits counts for all who wait. Each version of an endpoint, each caller and whatever else goes over the wire has pools
of its own, and inputs of two pools never share a call.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

from inferpoint.batching.batch import Batch
from inferpoint.batching.items import Carrier, Item, Waiter
from inferpoint.batching.pool import Pool
from inferpoint.batching.sending import BatchSender, refuse
from inferpoint.calls.calls import Calls, too_long
from inferpoint.calls.deadlines import InTime
from inferpoint.calls.job import ticket
from inferpoint.calls.refusals import too_late
from inferpoint.calls.sizing import Load, Sizing, loads_of, together
from inferpoint.clock import Clock
from inferpoint.endpoints.caches import Caches, Input
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.quota import Cost
from inferpoint.model.requests import InferenceRequest, RequestStats
from inferpoint.model.results import Embeddings, SparseEmbeddings
from inferpoint.tasks import Tasks
from inferpoint.telemetry.counters import BatchCounters


class Batcher:
    """Embeds the inputs of all requests."""

    def __init__(self, calls: Calls, caches: Caches, counters: BatchCounters, clock: Clock) -> None:
        self._calls = calls
        self._caches = caches
        self._counters = counters
        self._sender = BatchSender(calls, caches, counters, clock)
        self._clock = clock
        self._pools: dict[Hashable, Pool] = {}
        self._pool_of: dict[Waiter, Pool] = {}
        self._tasks = Tasks()

    async def close(self) -> None:
        """End the calls that are still on their way."""
        await self._tasks.close()

    async def embedded(self, resolved: Resolved, request: InferenceRequest) -> Embeddings | SparseEmbeddings:
        """The embeddings of all inputs, in their order.

        An input that the provider refuses ends the request, and the error says which; in a `partial` request each has
        its embedding or its error.
        """
        sizing = self._calls.sizing(resolved)
        waiter = Waiter(request, self._clock.monotonic(), sizing.begin_by(request.deadline))
        try:
            with InTime(resolved, request, waiter.begun, self._clock):
                await self._join(resolved, waiter, sizing)
                await waiter.done
        except InferenceError as error:
            if not request.partial or error.kind not in (Kind.TIMED_OUT, Kind.RATE_LIMITED):
                raise
            waiter.end(error)
        finally:
            self._leave(waiter)
        return waiter.result(sparse=resolved.endpoint.task_type is TaskType.SPARSE_EMBEDDING)

    async def _join(self, resolved: Resolved, waiter: Waiter, sizing: Sizing) -> None:
        """Have what *waiter* wants wait, but for what is on its way already, and what is refused as it is."""
        wanted: dict[Input, list[int]] = {}
        for index, content in enumerate(waiter.inputs):
            if content in wanted:
                wanted[content].append(index)
            else:
                wanted[content] = [index]
        await self._remember(resolved, waiter, wanted)
        loads = dict(zip(wanted, loads_of(wanted), strict=True))
        if resolved.rate.tokens is not None:
            _refuse_too_long(resolved, waiter, wanted, loads, sizing)
        if waiter.done.done():
            return
        key = _key(resolved, waiter.request)
        pool = self._pools.get(key)
        # A single call that is for nobody else is refused like any other, where it could not be made in time.
        if pool is not None or sizing.calls(together(loads.values())) > 1:
            await self._refuse_too_late(resolved, waiter, wanted, loads, pool)
            if waiter.done.done():
                return
            pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(key, resolved, waiter.request, sizing)
        self._pool_of[waiter] = pool
        new = {content: loads[content] for content in wanted if content not in pool.items}
        pool.put(new)
        waiter.ask({pool.items[content]: wanted[content] for content in wanted})
        if len(new) < len(waiter.inputs):
            self._counters.joined(resolved.service.name, sum(map(len, wanted.values())) - len(new))
        pool.prolong(waiter.begin_by)
        self._dispatch(pool)

    async def _remember(self, resolved: Resolved, waiter: Waiter, wanted: dict[Input, list[int]]) -> None:
        """Take out of *wanted* what the endpoint's cache knows."""
        known = await self._caches.find(resolved, waiter.request, wanted)
        if known is None:
            return
        places = {content: wanted.pop(content) for content in known}
        stats = RequestStats(known=sum(map(len, places.values())), asked=len(waiter.inputs))
        waiter.request.stats.add(stats)
        for content, (vector, cut) in known.items():
            waiter.give(places[content], vector, cut=cut, tokens=0)

    async def _refuse_too_late(
        self,
        resolved: Resolved,
        waiter: Waiter,
        wanted: dict[Input, list[int]],
        loads: Mapping[Input, Load],
        pool: Pool | None,
    ) -> None:
        """Refuse what could not be sent in time: the request, or in a partial one the inputs that come last."""
        sizing = self._calls.sizing(resolved)
        new, waiting = list(loads), 0
        total = together(loads.values())
        if pool is not None:
            new = [content for content in loads if content not in pool.items]
            total = together([pool.load, *[loads[content] for content in new]])
            waiting = len(pool.batches)
        calls = max(0, sizing.calls(total) - waiting)
        if waiter.request.caller.limits is not None and not waiter.request.partial:
            tokens = sizing.tokens(together([loads[content] for content in new]))
            await self._calls.check_affordable(resolved, waiter.request, Cost(calls, tokens, calls=calls))
        possible, error = await self._calls.check_deadline(resolved, waiter.request, calls)
        if error is None:
            return
        if not waiter.request.partial:
            raise error
        while new and max(0, sizing.calls(total) - waiting) > possible:
            total.add(loads[new[-1]], -1)
            waiter.refuse(wanted.pop(new.pop()), error, alone=False)

    def _dispatch(self, pool: Pool, most: float = math.inf) -> None:
        """Have as many calls in the queue as what waits in *pool* needs, and no more than *most*."""
        if not (pool.waiting or pool.batches):
            return
        needed = min(most, pool.sizing.calls(pool.load))
        while len(pool.batches) < needed:
            batch = Batch(pool, self._calls.origin(pool.resolved), self._fill, self._clock.monotonic())
            batch.task = self._tasks.start(self._send(batch))
            pool.batches.append(batch)
        while len(pool.batches) > needed:
            pool.batches.pop().cancel()

    def _fill(self, batch: Batch) -> tuple[Sequence[Item], Load]:
        """The inputs that *batch* takes along now, and their load; other batches go for what it leaves."""
        pool, now = batch.pool, self._clock.monotonic()
        if late := pool.late(now):
            place = ticket(pool.resolved, batch.caller, batch.lane)
            refuse(pool, late, too_late(place, pool.resolved.endpoint.inference_id, now - batch.since))
        taken = pool.take()
        pool.batches.remove(batch)
        self._dispatch(pool)
        return taken

    async def _send(self, batch: Batch) -> None:
        pool = batch.pool
        try:
            await self._sender.send(batch)
        finally:
            most = math.inf
            if batch in pool.batches:  # its turn did not come, and that of another in its place would not either
                pool.batches.remove(batch)
                most = len(pool.batches)
            self._dispatch(pool, most)  # for what waits again, and that no call stands in the queue for nothing
            self._done_with(pool)

    def _leave(self, waiter: Waiter) -> None:
        """Have what only *waiter* wanted not be sent, or no longer waited for."""
        pool = self._pool_of.pop(waiter, None)
        if pool is None:
            return
        batches, alone = set[Carrier | None](), list[Item]()
        for item in waiter.items:
            if waiter in item.waiters:
                del item.waiters[waiter]
                batches.add(item.batch)
                if not item.waiters:
                    alone.append(item)
        if not batches:
            return
        pool.forget(alone)
        waiter.leave(batches, self._clock.monotonic())
        for batch in batches:
            if batch is not None:
                batch.cancel_if_unwanted()
        self._dispatch(pool)
        self._done_with(pool)

    def _done_with(self, pool: Pool) -> None:
        if not pool.items and self._pools.get(pool.key) is pool:
            del self._pools[pool.key]


def _refuse_too_long(
    resolved: Resolved,
    waiter: Waiter,
    wanted: dict[Input, list[int]],
    loads: dict[Input, Load],
    sizing: Sizing,
) -> None:
    """Refuse the inputs that no call could hold within a minute's tokens."""
    for content in list(wanted):
        if error := too_long(resolved, sizing.tokens(loads[content])):
            del loads[content]
            waiter.refuse(wanted.pop(content), error, alone=True)


def _key(resolved: Resolved, request: InferenceRequest) -> Hashable:
    """The part of a request that inputs must have in common to share a call."""
    return (
        resolved.endpoint.version,
        repr(resolved.endpoint.options) if request.options else "",
        request.input_type,
        repr(request.params) if request.params else "",
        type(request.input),
        request.packed,
        request.caller.name,
    )
