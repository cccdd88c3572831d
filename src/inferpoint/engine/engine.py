"""The walk every request takes, from its endpoint to its result. Faces, command line and library start here."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from inferpoint.access import actions
from inferpoint.access.decision import allow, may
from inferpoint.batching.batcher import Batcher
from inferpoint.batching.ranking import ranking
from inferpoint.calls.batches import EndpointBatches
from inferpoint.calls.calls import Calls
from inferpoint.calls.deadlines import OTHER_SECONDS, InTime, timed
from inferpoint.chunking.settings import LARGEST, Whole
from inferpoint.clock import Clock
from inferpoint.endpoints.caches import Caches
from inferpoint.endpoints.credentials import Credentials
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.endpoints.resolved import Resolved
from inferpoint.endpoints.seen import seen
from inferpoint.engine import chunked
from inferpoint.engine.batches import BatchWalk
from inferpoint.engine.bounded import bounded
from inferpoint.engine.preflight import cannot_stream, prepared, refuse_many
from inferpoint.engine.report import Quota, quotas
from inferpoint.errors import InferenceError, invalid
from inferpoint.local import tokens
from inferpoint.model import hints
from inferpoint.model.budgets import CallerReport
from inferpoint.model.chat import Conversation
from inferpoint.model.deadline import Deadline
from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.http import Call
from inferpoint.model.limits import DEFAULTS, Limits
from inferpoint.model.requests import Caller, Chunking, InferenceRequest, RequestStats, Texts, Tokens
from inferpoint.model.results import Delta, InferenceResult, Previewed
from inferpoint.outbound.limiter import LONGEST_PAUSE
from inferpoint.outbound.outbound import Outbound
from inferpoint.storage.audit import Audit
from inferpoint.telemetry.telemetry import Telemetry


@dataclass(frozen=True)
class Policy:
    """The decisions of the server's owner.

    `environ` holds the variables that move services, `validate` is whether new endpoints are tried, `largest_chunk` in
    words, `refuse_hints` whether a request with a hint that its provider cannot take is refused, `longest_pause` for
    how many seconds one answer of a provider may keep calls back, `limits` what requests may take,
    `longest_timeout` for how many seconds anybody may wait for an answer, but for that of what is ingested,
    `audit_file` where changes are written down beside the store.
    """

    environ: Mapping[str, str] = field(repr=False)  # it may hold keys
    validate: bool = True
    largest_chunk: int = LARGEST
    refuse_hints: bool = False
    longest_pause: float = LONGEST_PAUSE
    limits: Limits = DEFAULTS
    longest_timeout: float = math.inf
    audit_file: Path | None = None


class Engine:
    """Inference on endpoints, whole and in pieces. `lifecycle` is where endpoints come from, `clock` the time."""

    def __init__(
        self,
        endpoints: Endpoints,
        caches: Caches,
        outbound: Outbound,
        telemetry: Telemetry,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._endpoints = endpoints
        self._calls = Calls(outbound, telemetry.calls, clock, policy.environ)
        self._outbound = outbound
        self._caches = caches
        self._batcher = Batcher(self._calls, caches, telemetry.batches, clock)
        self.clock = clock
        self._chunking_threads = chunked.ChunkingThreads(clock, policy.limits)
        self._most_inputs = policy.limits.inputs
        self._largest_chunk = policy.largest_chunk
        self._refuse_hints = policy.refuse_hints
        self._longest = policy.longest_timeout
        self.audit = Audit(endpoints.store, clock.now, policy.audit_file)
        self.lifecycle = Lifecycle(
            endpoints,
            caches,
            self._whole if policy.validate else None,
            outbound.limiter.release,
            self.audit,
            largest_chunk=policy.largest_chunk,
        )
        self.credentials = Credentials(endpoints, self.lifecycle, self.audit)

    async def close(self) -> None:
        """Finish what is being written, and end what is still on its way."""
        await self.lifecycle.close()
        await self._batcher.close()
        await self._calls.close()
        self._chunking_threads.close()

    def dry_run(
        self, caller: Caller, inference_id: str, config: Mapping[str, Any], kind: TaskType | None
    ) -> tuple[Resolved, Call]:
        """The endpoint that *config* describes and the call that would try it, without secrets; nothing is sent."""
        draft = self.lifecycle.draft(caller, inference_id, config, kind)
        return draft, self._calls.draft(draft, draft.probe)

    def find(self, caller: Caller, inference_id: str) -> Resolved:
        """The endpoint that *caller* asks for by its id or an alias, to infer on; `FORBIDDEN` to who may not ask."""
        allow(caller, actions.INFER)
        return seen(self._endpoints, caller).find(inference_id)

    def infer(
        self, resolved: Resolved, request: InferenceRequest, kind: TaskType | None = None
    ) -> Coroutine[Any, Any, InferenceResult]:
        """The whole result. *kind* is the task type that the caller takes the endpoint to have, if it says so."""
        resolved = prepared(resolved, request, kind)
        return self._whole(resolved, self._heeded(resolved, request))

    def stream(
        self, resolved: Resolved, request: InferenceRequest, kind: TaskType | None = None
    ) -> AsyncGenerator[Sequence[Delta], None]:
        """The result in pieces, those together that came together; the timeout is for the first of them."""
        resolved = prepared(resolved, request, kind)
        request = self._heeded(resolved, request)
        if resolved.task.reader is None:
            raise cannot_stream(resolved)
        request = timed(resolved, replace(request, stream=True), self.clock, self._longest)
        in_time = InTime(resolved, request, request.stats.begun, self.clock)
        return self._calls.pieces(self._calls.single(resolved, request), in_time)

    def batches(self, resolved: Resolved) -> EndpointBatches:
        """The batches of an endpoint, which its provider answers later and for less money."""
        return BatchWalk(resolved, self._calls, self._spans, self.clock)

    async def count(self, resolved: Resolved, request: InferenceRequest) -> int:
        """How many tokens a chat's prompt has: as its provider counts them, or an estimate where none does."""
        resolved = prepared(resolved, request, TaskType.CHAT_COMPLETION)
        request = self._heeded(resolved, request)
        if resolved.task.count is None:
            return self._calls.estimate(resolved, request)
        request = timed(resolved, request, self.clock, self._longest)
        if request.caller.limits is not None:
            await self._calls.admit(resolved, request)
        with InTime(resolved, request, request.stats.begun, self.clock):
            return await self._calls.ask(resolved, request, resolved.task.count)

    def hints(self, resolved: Resolved) -> frozenset[str]:
        """The names of the hints that an endpoint's provider takes, where it is."""
        return resolved.task.hints(resolved.endpoint.settings, self._calls.origin(resolved))

    async def preview(self, texts: Texts, chunking: Chunking) -> Sequence[Sequence[Previewed]]:
        """The chunks of every text, without calling anybody."""
        settings = chunked.wanted(chunking, None, largest=self._largest_chunk)
        spans = await self._chunking_threads.cut(texts, settings, self._usual_deadline())
        return await self._chunking_threads.preview(texts, spans)

    async def preview_on(
        self, resolved: Resolved, request: InferenceRequest, chunking: Chunking, kind: TaskType | None = None
    ) -> Sequence[Sequence[Previewed]]:
        """The chunks that an endpoint would make of every text, without calling its provider."""
        resolved = prepared(resolved, replace(request, chunking=chunking), kind)
        request = timed(resolved, replace(request, chunking=chunking), self.clock, self._longest)
        return await self._chunking_threads.preview(request.texts, await self._spans(resolved, request, chunking))

    async def quotas(self, caller: Caller) -> Sequence[Quota]:
        """Every rate group, with its limits and the calls that wait."""
        return await quotas(self.lifecycle.all(caller), self._calls, self._outbound)

    async def callers(self, caller: Caller) -> Sequence[CallerReport]:
        """How much *caller* has used of its own limits; whoever may see all keys is told of all that have some."""
        allow(caller, actions.QUOTAS)
        reports = await self._outbound.limiter.callers(caller)
        every = may(caller, actions.QUERY_KEYS.privilege)
        return [one for one in reports if every or one.caller == caller.name]

    async def release(self, caller: Caller, inference_id: str) -> Quota:
        """End the pause of the rate group of an endpoint, found by its id or an alias; told is how the group stands."""
        endpoints = seen(self._endpoints, caller)
        async with self.audit.failures(caller, actions.RELEASE.change, inference_id):
            allow(caller, actions.RELEASE)
            resolved = endpoints.find(inference_id)
        self._outbound.limiter.release(resolved.group)
        await self.audit.record(caller, actions.RELEASE.change, resolved.endpoint.inference_id)
        every = await quotas(endpoints.all(), self._calls, self._outbound)
        return next(quota for quota in every if quota.standing.group == resolved.group)

    async def refresh(self) -> None:
        """See the endpoints as other processes wrote them; for faces, once they have read a request."""
        if await self._endpoints.refresh():
            await self._caches.sweep()

    def _usual_deadline(self) -> Deadline:
        return Deadline(self.clock.monotonic() + OTHER_SECONDS, OTHER_SECONDS)

    def _heeded(self, resolved: Resolved, request: InferenceRequest) -> InferenceRequest:
        """*request* with the hints that its endpoint's provider takes; the others are told, or refused by name."""
        request.stats.endpoint = resolved.endpoint.inference_id
        if not request.hints and type(request.input) is not Conversation:
            return request
        own = hints.own_thoughts(request, resolved.service.name)
        carried = hints.carried(own)
        unknown = carried - self.hints(resolved) if carried else carried
        dropped = unknown if own is request else unknown | {Hint.THOUGHTS}
        if not dropped:
            return request
        if self._refuse_hints:
            raise invalid(*(f"Field [{name}] is not supported by [{resolved.task.label}]" for name in sorted(dropped)))
        request.stats.dropped |= dropped
        return hints.without(own, unknown)

    async def _whole(self, resolved: Resolved, request: InferenceRequest) -> InferenceResult:
        request = timed(resolved, request, self.clock, self._longest)
        if request.caller.limits is not None:
            await self._calls.admit(resolved, request)
        if not resolved.endpoint.task_type.embeds:
            with InTime(resolved, request, request.stats.begun, self.clock):
                if resolved.task.independent:
                    return await ranking(self._calls, resolved, request)
                return await self._calls.whole(self._calls.single(resolved, request))
        refuse_many(request.count, self._most_inputs, "inputs")
        try:
            if request.chunking is None:
                return await self._batcher.embedded(resolved, await _readable(resolved, request))
            return await self._chunked(resolved, request, request.chunking)
        except InferenceError as error:
            raise _naming_input(error, request) from error.__cause__

    async def _chunked(self, resolved: Resolved, request: InferenceRequest, chunking: Chunking) -> InferenceResult:
        """The chunks of all inputs share the provider's calls."""
        spans = await self._spans(resolved, request, chunking)
        spans = await self._chunking_threads.run(request.texts, partial(chunked.worded, request.texts, spans))
        refuse_many(sum(map(len, spans)), self._most_inputs, "chunks")
        try:
            result = await self._batcher.embedded(
                resolved, replace(request, input=chunked.pieces(request.texts, spans))
            )
        except InferenceError as error:
            owner = None if error.index is None else chunked.owners(spans)[error.index]
            raise error.of_input(owner) from error.__cause__
        return await self._chunking_threads.run(
            request.texts, partial(chunked.regrouped, result, request.texts, spans, chunking)
        )

    async def _spans(
        self, resolved: Resolved, request: InferenceRequest, chunking: Chunking
    ) -> Sequence[Sequence[chunked.Span]]:
        """Where the chunks of every text are, none longer than the endpoint's model takes, where it tells."""
        settings = chunked.wanted(chunking, resolved.endpoint.chunking, largest=self._largest_chunk)
        spans = await self._chunking_threads.cut(request.texts, settings, request.deadline)
        question = resolved.task.lengths
        if question is None or isinstance(settings, Whole):
            return spans

        async def lengths(texts: Texts) -> Sequence[float]:
            asked = replace(request, input=texts, stats=RequestStats())
            with InTime(resolved, asked, asked.stats.begun, self.clock):
                return await self._calls.ask(resolved, asked, question)

        return await bounded(request.texts, spans, settings, lengths, self._chunking_threads)


def _naming_input(error: InferenceError, request: InferenceRequest) -> InferenceError:
    """*error*, saying which input it is about, where it is about one of several."""
    if error.index is None:
        return error
    if request.count < 2:  # of several chunks of one input
        return error.of_input(None)
    return error.of_input(error.index, f"Input [{error.index}]: {error.problems[0]}", *error.problems[1:])


async def _readable(resolved: Resolved, request: InferenceRequest) -> InferenceRequest:
    """*request* with texts in place of tokens, where the service takes no tokens."""
    if not isinstance(request.input, Tokens) or resolved.task.takes_tokens:
        return request
    return replace(request, input=await asyncio.to_thread(tokens.texts, request.input))
