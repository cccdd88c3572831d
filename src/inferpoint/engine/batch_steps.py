"""The steps of a batch, each one call: made within its time, and once only where a second time would be paid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from inferpoint.calls.calls import Calls
from inferpoint.calls.deadlines import InTime
from inferpoint.calls.steps import StepJob
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.batches import FateUnknownError
from inferpoint.model.deadline import Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import INTERNAL, InferenceRequest
from inferpoint.outbound.transport import LARGEST_REPLY, UnreachableError
from inferpoint.protocols.batches import Batches

A = TypeVar("A")

STEP_SECONDS, FILE_SECONDS = 60.0, 1800.0
_PERHAPS_MADE = frozenset({Kind.CUT_OFF, Kind.TIMED_OUT, Kind.OVERLOADED, Kind.UNREADABLE, Kind.INTERNAL})


class BatchSteps:
    """Makes the steps of the batches of *resolved* by *calls*."""

    def __init__(self, resolved: Resolved, calls: Calls, clock: Clock) -> None:
        self._resolved = resolved
        self._calls = calls
        self._clock = clock

    async def made(self, create: Call, batches: Batches[Any]) -> str:
        """The id of the batch that *create* makes, which is called once only where a second call makes another."""
        try:
            return await self.answered(create, batches.created, FILE_SECONDS, once=not batches.repeatable)
        except UnreachableError:
            raise
        except InferenceError as error:
            if error.kind in _PERHAPS_MADE:
                raise FateUnknownError(error.kind, *error.problems, upstream=error.upstream) from error
            raise

    async def tried(self, calls: Iterable[Call], needless: Sequence[Kind]) -> None:
        """Make *calls*; a refusal of one of the kinds *needless* says that there was no need of it."""
        for call in calls:
            try:
                await self.answered(call, lambda _: None)
            except InferenceError as error:
                if error.kind not in needless:
                    raise

    async def answered(
        self,
        call: Call,
        read: Callable[[Reply], A],
        seconds: float = STEP_SECONDS,
        *,
        once: bool = False,
    ) -> A:
        """What *read* makes of the reply to *call*, which has so many *seconds*."""
        job = self._job(call, seconds, once=once)
        with InTime(self._resolved, job.request(), job.stats.begun, self._clock):
            return await self._calls.answered(job, read)

    async def fetched(self, call: Call, answer: Callable[[bytes], tuple[str, Reply]], lines: dict[str, Reply]) -> None:
        """Put the answers of a file into *lines*; none where there is no such file, as nothing was come to."""
        rest = bytearray()

        def take(piece: bytes) -> None:
            *whole, last = piece.split(b"\n")
            for line in whole:
                rest.extend(line)
                if rest.strip():
                    lines.setdefault(*answer(bytes(rest)))
                rest.clear()
            rest.extend(last)
            if len(rest) > LARGEST_REPLY:
                raise InferenceError(Kind.UNREADABLE, f"A line of a batch is longer than [{LARGEST_REPLY}] bytes")

        job = self._job(call, FILE_SECONDS)
        try:
            with InTime(self._resolved, job.request(), job.stats.begun, self._clock):
                await self._calls.received(job, take)
        except InferenceError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
        take(b"\n")

    def deadline(self, seconds: float) -> Deadline:
        """The deadline in so many *seconds*."""
        return Deadline(self._clock.monotonic() + seconds, seconds)

    def _job(self, call: Call, seconds: float, *, once: bool = False) -> StepJob:
        request = InferenceRequest((), caller=INTERNAL, deadline=self.deadline(seconds))
        return StepJob(self._resolved, request, self._calls.sizing(self._resolved), call, once=once)
