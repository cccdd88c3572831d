"""The walk every request takes, from its endpoint to its result. Faces, command line and library start here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from inferpoint.engine import chunked
from inferpoint.engine.access import MONITOR, allow
from inferpoint.engine.batching import Batching
from inferpoint.engine.caches import Caches
from inferpoint.engine.calls import Calls
from inferpoint.engine.deadlines import timed
from inferpoint.engine.endpoints import Endpoints, Resolved
from inferpoint.engine.fitting import cannot_stream, fitted
from inferpoint.engine.lifecycle import Lifecycle
from inferpoint.engine.quotas import Quota, quotas
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import (
    Caller,
    Cutting,
    Delta,
    InferenceRequest,
    InferenceResult,
    Previewed,
    Texts,
    Tokens,
)
from inferpoint.runtime import tokens
from inferpoint.runtime.clock import Clock
from inferpoint.runtime.outbound import Outbound


@dataclass(frozen=True)
class Policy:
    """The decisions of the server's owner: where services are, whether endpoints are tried, how large chunks may be."""

    origins: Mapping[str, str]
    validate: bool = True
    largest_chunk: int = 300


class Engine:
    """Infers, whole and in pieces. `lifecycle` is where endpoints come from."""

    def __init__(self, endpoints: Endpoints, caches: Caches, outbound: Outbound, clock: Clock, policy: Policy) -> None:
        self._endpoints = endpoints
        self._calls = Calls(outbound, clock, policy.origins)
        self._outbound = outbound
        self._caches = caches
        self._batching = Batching(self._calls, caches, clock)
        self._clock = clock
        self._largest_chunk = policy.largest_chunk
        self.lifecycle = Lifecycle(
            endpoints, caches, self._whole, validate=policy.validate, largest_chunk=policy.largest_chunk
        )

    def find(self, caller: Caller, inference_id: str) -> Resolved:
        """The endpoint that *caller* asks for by its id or an alias, to infer on; `FORBIDDEN` to who may not ask."""
        allow(caller, MONITOR, "cluster:monitor/xpack/inference")
        return self._endpoints.find(inference_id)

    async def infer(
        self, resolved: Resolved, request: InferenceRequest, kind: TaskType | None = None
    ) -> InferenceResult:
        """The whole result. *kind* is the task type that the caller takes the endpoint to have, if it says so."""
        return await self._whole(fitted(resolved, request, kind), request)

    async def stream(
        self, resolved: Resolved, request: InferenceRequest, kind: TaskType | None = None
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """The result in pieces, those together that came together; the timeout is for the first of them."""
        resolved = fitted(resolved, request, kind)
        if resolved.task.reader is None:
            raise cannot_stream(resolved)
        request = timed(resolved, replace(request, stream=True), self._clock)
        wish = self._calls.alone(resolved, request)
        async with contextlib.aclosing(self._calls.pieces(resolved, wish)) as pieces:
            first = await self._calls.by_deadline(resolved, request, lambda: anext(pieces), request.journey.begun)
            yield first
            async for deltas in pieces:
                yield deltas

    async def preview(self, texts: Texts, cutting: Cutting) -> Sequence[Sequence[Previewed]]:
        """The chunks of every text, without calling anybody."""
        return await chunked.previewed(texts, chunked.wanted(cutting, None, largest=self._largest_chunk))

    async def preview_on(
        self, resolved: Resolved, request: InferenceRequest, cutting: Cutting, kind: TaskType | None = None
    ) -> Sequence[Sequence[Previewed]]:
        """The chunks that an endpoint would make of every text, without calling its provider."""
        resolved = fitted(resolved, replace(request, cutting=cutting), kind)
        settings = chunked.wanted(cutting, resolved.endpoint.chunking, largest=self._largest_chunk)
        return await chunked.previewed(request.texts, settings)

    async def quotas(self, caller: Caller) -> Sequence[Quota]:
        """How every rate group stands."""
        return await quotas(self.lifecycle.all(caller), self._calls, self._outbound)

    async def refresh(self) -> None:
        """See the endpoints as other processes wrote them; for faces, once they have read a request."""
        if await self._endpoints.refresh():
            await self._caches.sweep()

    async def _whole(self, resolved: Resolved, request: InferenceRequest) -> InferenceResult:
        request = timed(resolved, request, self._clock)
        if not resolved.endpoint.task_type.embeds:
            work = partial(self._calls.whole, resolved, self._calls.alone(resolved, request))
            return await self._calls.by_deadline(resolved, request, work, request.journey.begun)
        try:
            if request.cutting is None:
                return await self._batching.embedded(resolved, await _readable(resolved, request))
            return await self._chunked(resolved, request, request.cutting)
        except InferenceError as error:
            raise _naming_input(error, request) from error.__cause__

    async def _chunked(self, resolved: Resolved, request: InferenceRequest, cutting: Cutting) -> InferenceResult:
        """The chunks of all inputs share the provider's calls."""
        settings = chunked.wanted(cutting, resolved.endpoint.chunking, largest=self._largest_chunk)
        spans = await chunked.cut(request.texts, settings)
        try:
            result = await self._batching.embedded(
                resolved, replace(request, input=chunked.pieces(request.texts, spans))
            )
        except InferenceError as error:
            owner = None if error.index is None else chunked.owners(spans)[error.index]
            raise error.of_input(owner) from error.__cause__
        return await chunked.off_the_loop(
            request.texts, partial(chunked.regrouped, result, request.texts, spans, cutting)
        )


def _naming_input(error: InferenceError, request: InferenceRequest) -> InferenceError:
    """*error*, saying which input it is about, where it is about one of several."""
    if error.index is None:
        return error
    if request.count < 2:  # of several chunks of one input
        return error.of_input(None)
    return error.said(f"Input [{error.index}]: {error.problems[0]}", *error.problems[1:])


async def _readable(resolved: Resolved, request: InferenceRequest) -> InferenceRequest:
    """*request* with texts in place of tokens, where the service takes no tokens."""
    if not isinstance(request.input, Tokens) or resolved.task.encode_tokens is not None:
        return request
    return replace(request, input=await asyncio.to_thread(tokens.texts, request.input))
