"""The walk of a batch: its requests as lines, handed in to their provider, asked for, and read as results.

What a batch consists of is decided and written down before it is handed in, so that whoever hands it in may be killed
at any point: a batch that was made is found again by its name, and read by the lines that were written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from inferpoint.calls.calls import Calls
from inferpoint.calls.job import encoded
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine import chunked
from inferpoint.engine.batch_lines import Answer, PlannedBatch, divided, joined, parts
from inferpoint.engine.batch_steps import FILE_SECONDS, STEP_SECONDS, BatchSteps
from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError, Kind, invalid, kind_of_status
from inferpoint.model.http import Reply
from inferpoint.model.requests import Chunking, InferenceRequest, Texts
from inferpoint.protocols.batches import At, Batches, BatchLimits, Ended, Line, Listed, Waiting, same_form

A = TypeVar("A")
Spans = Sequence[Sequence[chunked.Span]]
CutInto = Callable[[Resolved, InferenceRequest, Chunking], Awaitable[Spans]]

_SKEW = 120.0  # seconds by which a provider's clock may be another than ours
_LATE = FILE_SECONDS + STEP_SECONDS  # after it was planned a batch is handed in, or never
_ENDED = (Kind.INVALID, Kind.CONFLICT)


class Asked(msgspec.Struct, frozen=True):
    """A request as lines are made of it: its endpoint as it wants it, its inputs, and where they are in its texts."""

    resolved: Resolved
    request: InferenceRequest
    texts: Texts
    spans: Spans | None = None


class BatchWalk:
    """Batches of the endpoints of one engine, whose *calls* it makes; *spans* cuts texts as its other requests' are."""

    def __init__(self, calls: Calls, spans: CutInto, clock: Clock) -> None:
        self._calls = calls
        self._steps = BatchSteps(calls, clock)
        self._spans = spans
        self._clock = clock

    def limits(self, resolved: Resolved) -> BatchLimits:
        """How much a batch of an endpoint may hold; `UNSUPPORTED` where its provider has none for the task."""
        return self._batches(resolved)[0].limits

    def price(self, resolved: Resolved) -> float:
        """What a line of a batch costs, as a part of what its call would."""
        return self._batches(resolved)[0].price

    async def plan(self, resolved: Resolved, requests: Sequence[InferenceRequest], name: str) -> PlannedBatch:
        """The batch that *requests* make, to be written down before it is handed in; nothing is sent.

        `INVALID` for more lines or inputs than one batch takes.
        """
        limits = self.limits(resolved)
        asked = [await self._asked(resolved, request) for request in requests]
        lines = [divided(one.resolved, one.request) for one in asked]
        batch = PlannedBatch(name, lines, self._clock.now().timestamp())
        if batch.count > limits.lines or (limits.inputs is not None and batch.inputs > limits.inputs):
            problem = f"A batch of [{batch.count}] requests with [{batch.inputs}] inputs is more than a provider takes"
            raise invalid(problem)
        return batch

    async def submit(
        self, resolved: Resolved, batch: PlannedBatch, requests: Sequence[InferenceRequest]
    ) -> PlannedBatch:
        """Hand *batch* in, and tell its id; `RATE_LIMITED` where the provider takes no more batches now.

        `FateUnknownError` where it may have been made.
        """
        batches, at = self._batches(resolved)
        lines = await self._lines(resolved, batch, requests)
        first = same_form([line.call for line in lines])
        written = await asyncio.to_thread(lambda: [*map(batches.written, lines)])
        if (size := sum(map(len, written)) + len(written)) > batches.limits.bytes:
            problem = f"A batch of [{size}] bytes is larger than the [{batches.limits.bytes}] that its provider takes"
            raise InferenceError(Kind.TOO_LARGE, problem)
        upload, file = await asyncio.to_thread(batches.upload, batch.name, written, at), ""
        try:
            if upload is not None:
                file = await self._steps.answered(resolved, upload, batches.uploaded, FILE_SECONDS)
            create = await asyncio.to_thread(batches.create, batch.name, written, file, first, at)
            return replace(batch, id=await self._steps.made(resolved, create, batches))
        except InferenceError as error:
            upstream = error.upstream
            if upstream is None or resolved.task.failures.exhausted(upstream) or not batches.is_full(upstream):
                raise
            raise _full(error) from error.__cause__

    async def adopt(
        self, resolved: Resolved, batch: PlannedBatch, taken: frozenset[str] = frozenset()
    ) -> PlannedBatch | None:
        """*batch* with its id, where it was made though nobody heard of it; those with an id of *taken* are others'.

        Where its provider keeps no names it is the first of its size that was made since it was planned.
        """
        batches, at = self._batches(resolved)
        after, alike = None, ""
        while True:
            page = await self._steps.answered(resolved, batches.list(batch.name, after, at), batches.listed)
            for one in page.batches:
                if one.name == batch.name:
                    return replace(batch, id=one.id)
                if one.id not in taken and _is_alike(one, batch):
                    alike = one.id
            after = page.after
            if after is None or not page.batches or page.batches[-1].created < batch.planned - _SKEW:
                return replace(batch, id=alike) if alike else None

    async def look(self, resolved: Resolved, batch: PlannedBatch) -> Waiting | Ended:
        """How far *batch* has come."""
        batches, at = self._batches(resolved)
        return await self._steps.answered(resolved, batches.ask(batch.submitted, at), batches.state)

    async def collect(
        self, resolved: Resolved, batch: PlannedBatch, ended: Ended, requests: Sequence[InferenceRequest]
    ) -> list[Answer]:
        """The result of each of the *requests* that *batch* was planned for, or why there is none, in their order.

        Of embeddings each input has its vector or its error; an error that is about no input was met with several in a
        line, and any of them may be at fault. What the batch did not come to has an error like that of a call in vain.
        `UNREADABLE` where what was fetched is not all that the provider has, or is of another batch.
        """
        batches, at = self._batches(resolved)
        if ended.refusal is not None:
            error = _refused(resolved, ended, batches)
            return [error for _ in requests]
        lines = dict[str, Reply]()
        for place in ended.results:
            await self._steps.fetched(resolved, batches.fetch(place, batch.submitted, at), batches.answer, lines)
        _check(batch, ended, lines)
        asked = [await self._asked(resolved, request) for request in requests]
        return await asyncio.to_thread(lambda: [self._read(batch, n, one, lines) for n, one in enumerate(asked)])

    async def cancel(self, resolved: Resolved, batch: PlannedBatch) -> None:
        """End *batch*, unless it has ended; what is done by then is paid, and can be collected once it has ended."""
        batches, at = self._batches(resolved)
        await self._steps.tried(resolved, [batches.cancel(batch.submitted, at)], _ENDED)

    async def discard(self, resolved: Resolved, batch: PlannedBatch, ended: Ended) -> None:
        """Delete what is left of *batch*, whose results are kept elsewhere; what is gone already is no error."""
        batches, at = self._batches(resolved)
        await self._steps.tried(resolved, batches.discard(batch.submitted, ended, at), (Kind.NOT_FOUND,))

    def _batches(self, resolved: Resolved) -> tuple[Batches[Any], At[Any]]:
        """How the provider of an endpoint takes batches, and where."""
        batches = resolved.task.batches
        if batches is None:
            problem = f"The service [{resolved.service.name}] has no batches for task [{resolved.endpoint.task_type}]"
            raise InferenceError(Kind.UNSUPPORTED, problem)
        at = self._calls.at(resolved, batches)
        batches.check(at)
        return batches, at

    async def _asked(self, resolved: Resolved, request: InferenceRequest) -> Asked:
        """*request* as lines are made of it, its texts cut into chunks where it wants that."""
        resolved = prepared(resolved, request, None)
        if not isinstance(request.input, tuple):
            raise invalid("A batch takes texts")
        left_out = self._calls.left_out(resolved)
        request = replace(request, deadline=self._steps.deadline(FILE_SECONDS), left_out=left_out)
        if request.chunking is None:
            return Asked(resolved, request, request.texts)
        spans = chunked.worded(request.texts, await self._spans(resolved, request, request.chunking))
        return Asked(resolved, replace(request, input=chunked.pieces(request.texts, spans)), request.texts, spans)

    async def _lines(
        self, resolved: Resolved, batch: PlannedBatch, requests: Sequence[InferenceRequest]
    ) -> Sequence[Line]:
        asked = [await self._asked(resolved, request) for request in requests]
        origin = self._calls.origin(resolved)

        def lines() -> list[Line]:
            return [
                Line(line, encoded(one.resolved, part, origin))
                for place, one in enumerate(asked)
                for line, part in zip(batch.ids(place), parts(one.request, batch.lines[place]), strict=True)
            ]

        return await asyncio.to_thread(lines)

    def _read(self, batch: PlannedBatch, place: int, asked: Asked, lines: dict[str, Reply]) -> Answer:
        """The result of the request at *place* of the answers to its lines."""
        sizes, resolved, request = batch.lines[place], asked.resolved, asked.request
        answers = [
            self._answer(batch, asked, part, lines.get(line))
            for line, part in zip(batch.ids(place), parts(request, sizes), strict=True)
        ]
        if resolved.endpoint.task_type.generates:
            return answers[0]
        result = joined(answers, sizes, resolved.numbers)
        if result.errors and not request.partial:
            return result.errors[min(result.errors)]
        if asked.spans is None or request.chunking is None:
            return result
        return chunked.regrouped(result, asked.texts, asked.spans, request.chunking)

    def _answer(self, batch: PlannedBatch, asked: Asked, part: InferenceRequest, reply: Reply | None) -> Answer:
        if reply is None:
            return InferenceError(Kind.CUT_OFF, f"The batch [{batch.id}] ended without an answer to the request")
        try:
            return self._calls.read(asked.resolved, part, reply)
        except InferenceError as error:
            return error


def _is_alike(listed: Listed, batch: PlannedBatch) -> bool:
    """Whether a batch without a name may be *batch*: of its size, and made when that was handed in."""
    in_time = -_SKEW <= listed.created - batch.planned <= _LATE + _SKEW
    return listed.name is None and listed.lines == batch.count and in_time


def _check(batch: PlannedBatch, ended: Ended, lines: Mapping[str, Reply]) -> None:
    """`UNREADABLE` unless *lines* are answers to *batch*, and as many as its provider tells of."""
    expected = {line for request in range(len(batch.lines)) for line in batch.ids(request)}
    if strangers := lines.keys() - expected:
        problem = f"The batch [{batch.id}] holds an answer to [{min(strangers)}], which was not asked in it"
        raise InferenceError(Kind.UNREADABLE, problem)
    if len(lines) < ended.answers:
        problem = f"The batch [{batch.id}] has [{ended.answers}] answers, of which [{len(lines)}] could be fetched"
        raise InferenceError(Kind.UNREADABLE, problem)


def _full(error: InferenceError) -> InferenceError:
    return InferenceError(Kind.RATE_LIMITED, *error.problems, upstream=error.upstream, whose_limit="provider")


def _refused(resolved: Resolved, ended: Ended, batches: Batches[Any]) -> InferenceError:
    """Why no line of a batch was looked at; `RATE_LIMITED` where the provider had too many."""
    upstream = ended.refusal
    assert upstream is not None
    problem = f"The provider of [{resolved.endpoint.inference_id}] refused the batch: {upstream.message}"
    error = InferenceError(kind_of_status(upstream.status), resolved.secrets.hide(problem), upstream=upstream)
    return _full(error) if batches.is_full(upstream) else error
