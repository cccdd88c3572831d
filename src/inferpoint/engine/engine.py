"""The walk every request takes, from its endpoint to its result. Faces, command line and library start here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from inferpoint.engine import chunked
from inferpoint.engine.access import MONITOR, allow
from inferpoint.engine.batching import joined, split
from inferpoint.engine.endpoints import Endpoints, Resolved
from inferpoint.engine.fitting import cannot_stream, fitted
from inferpoint.engine.grants import Grants
from inferpoint.engine.lifecycle import Lifecycle
from inferpoint.engine.reading import Reading
from inferpoint.engine.refusals import failure, refusal
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.inference import (
    Caller,
    Cutting,
    Delta,
    Embeddings,
    InferenceRequest,
    InferenceResult,
    InputType,
    Previewed,
    SparseEmbeddings,
    Texts,
    Tokens,
)
from inferpoint.model.quota import Lane
from inferpoint.model.times import human
from inferpoint.protocols.service import Moment
from inferpoint.runtime import tokens
from inferpoint.runtime.clock import Clock
from inferpoint.runtime.limiter import Place
from inferpoint.runtime.outbound import Outbound, Outgoing

GENERATING_SECONDS = 120.0
OTHER_SECONDS = 30.0
CALLS_AT_ONCE = 8
_LANES = {InputType.SEARCH: Lane.SEARCH, InputType.INGEST: Lane.INGEST}


@dataclass(frozen=True)
class Policy:
    """What the server's owner decided: where services are, whether endpoints are tried, how large chunks may be."""

    origins: Mapping[str, str]
    validate: bool = True
    largest_chunk: int = 300


class Engine:
    """Infers, whole and in pieces. `lifecycle` is where endpoints come from."""

    def __init__(self, endpoints: Endpoints, outbound: Outbound, clock: Clock, policy: Policy) -> None:
        self._endpoints = endpoints
        self._outbound = outbound
        self._grants = Grants(outbound, clock)
        self._clock = clock
        self._origins = policy.origins
        self._largest_chunk = policy.largest_chunk
        self.lifecycle = Lifecycle(endpoints, self._whole, validate=policy.validate, largest_chunk=policy.largest_chunk)

    async def infer(
        self, inference_id: str, request: InferenceRequest, kind: TaskType | None = None
    ) -> InferenceResult:
        """The whole result. *kind* is the task type that the caller takes the endpoint to have, if it says so."""
        return await self._whole(self._begin(inference_id, request, kind), request)

    async def stream(
        self, inference_id: str, request: InferenceRequest, kind: TaskType | None = None
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """The result in pieces, those together that came together; the timeout is for the first of them."""
        resolved = self._begin(inference_id, request, kind)
        if resolved.task.reader is None:
            raise cannot_stream(resolved)
        request = self._timed(resolved, replace(request, stream=True))
        async with contextlib.aclosing(self._pieces(resolved, request)) as pieces:
            async with _until(resolved, request):
                first = await anext(pieces)
            yield first
            async for deltas in pieces:
                yield deltas

    async def preview(self, texts: Texts, cutting: Cutting) -> Sequence[Sequence[Previewed]]:
        """The chunks of every text, without calling anybody."""
        return await chunked.previewed(texts, chunked.wanted(cutting, None, largest=self._largest_chunk))

    async def preview_on(
        self, inference_id: str, request: InferenceRequest, cutting: Cutting, kind: TaskType | None = None
    ) -> Sequence[Sequence[Previewed]]:
        """The chunks that an endpoint would make of every text, without calling its provider."""
        resolved = self._begin(inference_id, replace(request, cutting=cutting), kind)
        settings = chunked.wanted(cutting, resolved.endpoint.chunking, largest=self._largest_chunk)
        return await chunked.previewed(request.texts, settings)

    def find(self, caller: Caller, inference_id: str) -> Resolved:
        """The endpoint that a request names, for faces whose bodies depend on what it is."""
        allow(caller, MONITOR, "cluster:monitor/xpack/inference")
        return self._endpoints.find(inference_id)

    def _begin(self, inference_id: str, request: InferenceRequest, kind: TaskType | None) -> Resolved:
        """The endpoint as this request wants it, or why it cannot do what is asked."""
        return fitted(self.find(request.caller, inference_id), request, kind)

    def _timed(self, resolved: Resolved, request: InferenceRequest) -> InferenceRequest:
        """*request* with the moment by which to answer it: Elasticsearch's for the task where it says none."""
        usual = GENERATING_SECONDS if resolved.endpoint.task_type.generates else OTHER_SECONDS
        timeout = usual if request.timeout is None else request.timeout
        return replace(request, timeout=timeout, deadline=self._clock.monotonic() + timeout)

    async def _whole(self, resolved: Resolved, request: InferenceRequest) -> InferenceResult:
        request = self._timed(resolved, request)
        async with _until(resolved, request):
            if request.cutting is None:
                return await self._batched(resolved, await _readable(resolved, request))
            return await self._chunked(resolved, request, request.cutting)

    async def _chunked(self, resolved: Resolved, request: InferenceRequest, cutting: Cutting) -> InferenceResult:
        """The chunks of all inputs share the provider's calls."""
        settings = chunked.wanted(cutting, resolved.endpoint.chunking, largest=self._largest_chunk)
        spans = await chunked.cut(request.texts, settings)
        result = await self._batched(resolved, replace(request, input=chunked.pieces(request.texts, spans)))
        assert isinstance(result, Embeddings | SparseEmbeddings)
        return await chunked.off_the_loop(
            request.texts, partial(chunked.regrouped, result, request.texts, spans, cutting)
        )

    async def _batched(self, resolved: Resolved, request: InferenceRequest) -> InferenceResult:
        batches = split(request, resolved.task.limits(resolved.endpoint.settings))
        if len(batches) == 1:
            results: Sequence[InferenceResult] = [await self._one(resolved, request)]
        else:
            results = await _together([partial(self._one, resolved, batch) for batch in batches])
        return joined(results, request.count)

    async def _one(self, resolved: Resolved, request: InferenceRequest) -> InferenceResult:
        """One call to the provider."""
        endpoint, task = resolved.endpoint, resolved.task
        resolved = await self._grants.granted(resolved, request)
        try:
            outgoing = self._outgoing(resolved, request)
            reply, _ = await self._outbound.send(outgoing)
            if _token_refused(resolved, reply.status):
                resolved, outgoing = await self._again(resolved, request)
                reply, _ = await self._outbound.send(outgoing)
            if not 200 <= reply.status < 300:
                raise refusal(resolved, outgoing.prepare(), reply, self._clock.now())
            return task.decode(reply, request, endpoint.settings, endpoint.options)
        except InferenceError as error:
            raise failure(resolved, error) from error.__cause__

    async def _pieces(self, resolved: Resolved, request: InferenceRequest) -> AsyncGenerator[Sequence[Delta], None]:
        """One call to the provider, its reply read as it comes."""
        resolved = await self._grants.granted(resolved, request)
        try:
            outgoing = self._outgoing(resolved, request)
            arriving, _ = await self._outbound.open(outgoing)
            if _token_refused(resolved, arriving.status):
                arriving.close()
                resolved, outgoing = await self._again(resolved, request)
                arriving, _ = await self._outbound.open(outgoing)
            try:
                if not 200 <= arriving.status < 300:
                    raise refusal(resolved, outgoing.prepare(), await arriving.read(), self._clock.now())
                reading = Reading(resolved)
                async for piece in arriving.pieces():
                    if deltas := reading.feed(piece):
                        yield deltas
                    reading.check()
                yield reading.end()
            finally:
                arriving.close()
        except InferenceError as error:
            raise failure(resolved, error) from error.__cause__

    async def _again(self, resolved: Resolved, request: InferenceRequest) -> tuple[Resolved, Outgoing]:
        """The same call with another token: a provider may end one before its time."""
        self._grants.forget(resolved)
        resolved = await self._grants.granted(resolved, request)
        return resolved, self._outgoing(resolved, request)

    def _outgoing(self, resolved: Resolved, request: InferenceRequest) -> Outgoing:
        endpoint, service, task = resolved.endpoint, resolved.service, resolved.task
        origin = ""
        if service.origin is not None:
            origin = self._origins.get(service.origin.variable) or service.origin.address(endpoint.settings)

        def sign(call: Call, now: datetime) -> Call:
            return service.sign(call, endpoint.settings, Moment(now, resolved.token))

        encode = task.encode
        if task.encode_tokens is not None and isinstance(request.input, Tokens):
            encode = task.encode_tokens
        call = encode(request, endpoint.settings, endpoint.options, origin)
        return Outgoing(
            service=service.name,
            prepare=lambda: call,
            sign=sign,
            place=Place(
                group=resolved.group,
                rate=resolved.rate,
                caller=request.caller,
                inference_id=endpoint.inference_id,
                lane=_LANES.get(request.input_type, Lane.OTHER) if request.input_type else Lane.OTHER,
                service=service.name,
                deadline=request.deadline,
            ),
            tokens=lambda: 0,
            deadline=lambda: request.deadline,
            retried=task.retried,
            journey=request.journey,
        )


@contextlib.asynccontextmanager
async def _until(resolved: Resolved, request: InferenceRequest) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(request.timeout):
            yield
    except TimeoutError:
        given, inference_id = human(request.timeout or 0.0), resolved.endpoint.inference_id
        problem = f"Request timed out after [{given}] for inference id [{inference_id}]"
        raise InferenceError(Kind.TIMED_OUT, problem) from None


async def _together(calls: Sequence[Callable[[], Awaitable[InferenceResult]]]) -> Sequence[InferenceResult]:
    """The results of several calls, a few at a time, in order; the first error ends them all, begun or not."""
    room = asyncio.Semaphore(CALLS_AT_ONCE)

    async def one(call: Callable[[], Awaitable[InferenceResult]]) -> InferenceResult:
        async with room:
            return await call()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(call)) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _token_refused(resolved: Resolved, status: int) -> bool:
    return bool(resolved.token) and status == 401


async def _readable(resolved: Resolved, request: InferenceRequest) -> InferenceRequest:
    """*request* with texts in place of tokens, where the service takes no tokens."""
    if not isinstance(request.input, Tokens) or resolved.task.encode_tokens is not None:
        return request
    return replace(request, input=await asyncio.to_thread(tokens.texts, request.input))
