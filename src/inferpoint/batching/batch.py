"""The calls of a pool, each with what it takes along when its turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from typing_extensions import override

from inferpoint.batching import faults
from inferpoint.batching.items import Carrier, Item
from inferpoint.batching.pool import Pool, loaded
from inferpoint.calls.job import EndpointJob
from inferpoint.calls.sizing import Load
from inferpoint.model.deadline import Deadline
from inferpoint.model.http import Reply
from inferpoint.model.requests import InferenceRequest, RequestStats
from inferpoint.outbound.breaker import FAILURES
from inferpoint.outbound.retries import ATTEMPTS
from inferpoint.outbound.ticket import Ticket


class Batch(EndpointJob, Carrier):
    """One call for inputs of a pool, which *fill* tells when its turn comes, unless it was made for some *items*.

    A batch that was made for some is a part of another that had its turn, and goes ahead of what waits.
    """

    def __init__(
        self,
        pool: Pool,
        origin: str,
        fill: Callable[[Batch], tuple[Sequence[Item], Load]],
        since: float,
        items: Sequence[Item] | None = None,
    ) -> None:
        super().__init__(pool.resolved, origin, pool.like, pool.sizing, RequestStats())
        self.pool = pool
        self.items = items
        self.load = loaded(items) if items else Load()
        self.since = since
        self.task: asyncio.Task[None] | None = None
        self._fill = fill
        self._request: InferenceRequest | None = None
        self._is_part = items is not None

    def part(self, items: Sequence[Item]) -> Batch:
        """A call for some of the items."""
        return Batch(self.pool, self.origin, self._fill, self.since, items)

    @override
    def request(self) -> InferenceRequest | None:
        if self.items is None:
            self.items, self.load = self._fill(self)
            for item in self.items:
                item.batch = self
        if self._request is None and self.items:
            self._request = self.pool.request(self.items)
        return self._request

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
    def is_final(self, reply: Reply | None) -> bool:
        """A part is sent once: it is of a call that failed often enough; and so is a call of many before its parts."""
        if self._is_part:
            return reply is None or reply.status in FAILURES or super().is_final(reply)
        often, status = self.stats.attempts >= ATTEMPTS, None if reply is None else reply.status
        return (often and faults.end_attempts(self.pool, self.items or (), status)) or super().is_final(reply)

    @override
    def cancel_if_unwanted(self) -> None:
        if not any(item.waiters for item in self.items or ()):
            self.cancel()

    @override
    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
