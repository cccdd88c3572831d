"""The walk of a batch: its requests as lines, handed in to their provider, asked for, and read as results.

What a batch consists of is decided and written down before it is handed in, so that whoever hands it in may be killed
at any point: a batch that was made is found again by its name, and read by the lines that were written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from inferpoint.calls.batches import Answer, EndpointBatches, Requests
from inferpoint.calls.calls import Calls
from inferpoint.calls.job import encoded
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine import chunked
from inferpoint.engine.batch_lines import divided, joined, parts
from inferpoint.engine.batch_steps import FILE_SECONDS, STEP_SECONDS, BatchSteps
from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError, Kind, invalid, kind_of_status
from inferpoint.model.batches import Ended, PlannedBatch, Waiting
from inferpoint.model.http import Reply
from inferpoint.model.requests import Chunking, InferenceRequest, Texts
from inferpoint.protocols.batches import Line, Listed, same_form

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


class BatchWalk(EndpointBatches):
    """Batches of the endpoint *resolved* by its engine's *calls*; *spans* cuts texts as its other requests' are.

    `UNSUPPORTED` where its provider has none for the task, `INVALID` where settings are missing that batches need.
    """

    def __init__(self, resolved: Resolved, calls: Calls, spans: CutInto, clock: Clock) -> None:
        batches = resolved.task.batches
        if batches is None:
            problem = f"The service [{resolved.service.name}] has no batches for task [{resolved.endpoint.task_type}]"
            raise InferenceError(Kind.UNSUPPORTED, problem)
        self._at = calls.at(resolved, batches)
        batches.check(self._at)
        self.limits, self.price = batches.limits, batches.price
        self._batches = batches
        self._resolved = resolved
        self._calls = calls
        self._steps = BatchSteps(resolved, calls, clock)
        self._spans = spans
        self._clock = clock

    @override
    async def plan(self, requests: Requests, name: str) -> PlannedBatch:
        asked = {number: await self._asked(request) for number, request in requests.items()}
        lines = {number: divided(one.resolved, one.request) for number, one in asked.items()}
        count, inputs = sum(map(len, lines.values())), sum(map(sum, lines.values()))
        if count > self.limits.lines or (self.limits.inputs is not None and inputs > self.limits.inputs):
            raise invalid(f"A batch of [{count}] requests with [{inputs}] inputs is more than a provider takes")
        return PlannedBatch(name, lines, count, self._clock.now().timestamp())

    @override
    async def submit(self, batch: PlannedBatch, requests: Requests) -> PlannedBatch:
        batches, at = self._batches, self._at
        lines = await self._lines(batch, requests)
        first = same_form([line.call for line in lines])
        written = await asyncio.to_thread(lambda: [*map(batches.written, lines)])
        if (size := sum(map(len, written)) + len(written)) > self.limits.bytes:
            problem = f"A batch of [{size}] bytes is larger than the [{self.limits.bytes}] that its provider takes"
            raise InferenceError(Kind.TOO_LARGE, problem)
        upload, file = await asyncio.to_thread(batches.upload, batch.name, written, at), ""
        try:
            if upload is not None:
                file = await self._steps.answered(upload, batches.uploaded, FILE_SECONDS)
            create = await asyncio.to_thread(batches.create, batch.name, written, file, first, at)
            return replace(batch, id=await self._steps.made(create, batches))
        except InferenceError as error:
            upstream = error.upstream
            if upstream is None or self._resolved.task.failures.exhausted(upstream) or not batches.is_full(upstream):
                raise
            raise _full(error) from error.__cause__

    @override
    async def adopt(self, batch: PlannedBatch, taken: frozenset[str] = frozenset()) -> PlannedBatch | None:
        after, alike = None, ""
        while True:
            page = await self._steps.answered(self._batches.list(batch.name, after, self._at), self._batches.listed)
            for one in page.batches:
                if one.name == batch.name:
                    return replace(batch, id=one.id)
                if one.id not in taken and _is_alike(one, batch):
                    alike = one.id
            after = page.after
            if after is None or not page.batches or page.batches[-1].created < batch.planned - _SKEW:
                return replace(batch, id=alike) if alike else None

    @override
    async def look(self, batch: PlannedBatch) -> Waiting | Ended:
        return await self._steps.answered(self._batches.ask(batch.submitted, self._at), self._batches.state)

    @override
    async def collect(self, batch: PlannedBatch, ended: Ended, requests: Requests) -> dict[int, Answer]:
        if ended.refusal is not None:
            raise self._refused(ended)
        lines = dict[str, Reply]()
        for place in ended.results:
            call = self._batches.fetch(place, batch.submitted, self._at)
            await self._steps.fetched(call, self._batches.answer, lines)
        _check(batch, ended, lines)
        asked = {number: await self._asked(request) for number, request in requests.items()}
        return await asyncio.to_thread(
            lambda: {number: self._read(batch, number, asked[number], lines) for number in asked}
        )

    @override
    async def cancel(self, batch: PlannedBatch) -> None:
        await self._steps.tried([self._batches.cancel(batch.submitted, self._at)], _ENDED)

    @override
    async def discard(self, batch: PlannedBatch, ended: Ended) -> None:
        await self._steps.tried(self._batches.discard(batch.submitted, ended, self._at), (Kind.NOT_FOUND,))

    async def _asked(self, request: InferenceRequest) -> Asked:
        """*request* as lines are made of it, its texts cut into chunks where it wants that."""
        resolved = prepared(self._resolved, request, None)
        if not isinstance(request.input, tuple):
            raise invalid("A batch takes texts")
        left_out = self._calls.left_out(resolved)
        request = replace(request, deadline=self._steps.deadline(FILE_SECONDS), left_out=left_out)
        if request.chunking is None:
            return Asked(resolved, request, request.texts)
        spans = chunked.worded(request.texts, await self._spans(resolved, request, request.chunking))
        return Asked(resolved, replace(request, input=chunked.pieces(request.texts, spans)), request.texts, spans)

    async def _lines(self, batch: PlannedBatch, requests: Requests) -> Sequence[Line]:
        asked = {number: await self._asked(request) for number, request in requests.items()}
        origin = self._calls.origin(self._resolved)

        def lines() -> list[Line]:
            return [
                Line(line, encoded(one.resolved, part, origin))
                for number, one in asked.items()
                for line, part in zip(batch.ids(number), parts(one.request, batch.lines[number]), strict=True)
            ]

        return await asyncio.to_thread(lines)

    def _read(self, batch: PlannedBatch, number: int, asked: Asked, lines: Mapping[str, Reply]) -> Answer:
        """The result of the request of that *number*, of the answers to its lines."""
        sizes, resolved, request = batch.lines[number], asked.resolved, asked.request
        answers = [
            self._answer(batch, asked, part, lines.get(line))
            for line, part in zip(batch.ids(number), parts(request, sizes), strict=True)
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

    def _refused(self, ended: Ended) -> InferenceError:
        """Why no line of a batch was looked at."""
        upstream, endpoint = ended.refusal, self._resolved.endpoint
        assert upstream is not None
        problem = f"The provider of [{endpoint.inference_id}] refused the batch: {upstream.message}"
        problem = self._resolved.secrets.hide(problem)
        error = InferenceError(kind_of_status(upstream.status), problem, upstream=upstream)
        return _full(error) if self._batches.is_full(upstream) else error


def _is_alike(listed: Listed, batch: PlannedBatch) -> bool:
    """Whether a batch without a name may be *batch*: of its size, and made when that was handed in."""
    in_time = -_SKEW <= listed.created - batch.planned <= _LATE + _SKEW
    return listed.name is None and listed.lines == batch.count and in_time


def _check(batch: PlannedBatch, ended: Ended, lines: Mapping[str, Reply]) -> None:
    """`CONFLICT` unless *lines* are answers to *batch*, `UNREADABLE` unless as many as its provider tells of."""
    if stranger := next((line for line in lines if not batch.is_of(line)), None):
        problem = f"The batch [{batch.id}] holds an answer to [{stranger}], which was not asked in it"
        raise InferenceError(Kind.CONFLICT, problem)
    if len(lines) < ended.answers:
        problem = f"The batch [{batch.id}] has [{ended.answers}] answers, of which [{len(lines)}] could be fetched"
        raise InferenceError(Kind.UNREADABLE, problem)


def _full(error: InferenceError) -> InferenceError:
    return InferenceError(Kind.RATE_LIMITED, *error.problems, upstream=error.upstream, whose_limit="provider")
