"""One call to a provider: its token, its way out, and what came back as a result or an error."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from msgspec.structs import replace

from inferpoint.calls import provider_errors, unasked
from inferpoint.calls.deadlines import InTime
from inferpoint.calls.grants import Grants
from inferpoint.calls.job import EndpointJob, QuestionJob, SingleJob, cost_of, encoded, lane, ticket
from inferpoint.calls.plan import Plans
from inferpoint.calls.refusals import refused
from inferpoint.calls.sizing import Sizing
from inferpoint.calls.stream import reader_of
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, invalid
from inferpoint.model.http import Call, Reply, address
from inferpoint.model.quota import Cost
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion, Delta, Embeddings, InferenceResult, SparseEmbeddings, Usage
from inferpoint.model.wording import HIDDEN
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.ticket import Job, Permit, Refusal, Ticket
from inferpoint.outbound.transport import Arriving
from inferpoint.protocols.batches import At, Batches
from inferpoint.protocols.service import Moment, Question
from inferpoint.telemetry.counters import CallCounters
from inferpoint.telemetry.log import warn

A = TypeVar("A")
T = TypeVar("T", Reply, Arriving)
Send = Callable[[Job], Awaitable[tuple[T, Permit] | Refusal]]

_KEY_REFUSED = (401, 403)


class Calls:
    """Every call that endpoints make; and what was learnt about how much such calls may hold."""

    def __init__(self, outbound: Outbound, counters: CallCounters, clock: Clock, environ: Mapping[str, str]) -> None:
        self._outbound = outbound
        self._counters = counters
        self._grants = Grants(outbound, clock)
        self._plans = Plans(environ)
        self._clock = clock

    async def close(self) -> None:
        """End what is still fetched for nobody."""
        await self._grants.close()

    def sizing(self, resolved: Resolved) -> Sizing:
        """The sizing of the calls of this version of an endpoint."""
        return self._plans.of(resolved).sizing

    def origin(self, resolved: Resolved) -> str:
        """The address of the endpoint's provider."""
        return self._plans.of(resolved).origin

    def at(self, resolved: Resolved, batches: Batches[Any]) -> At[Any]:
        """Where the *batches* of the endpoint's provider are."""
        return self._plans.at(resolved, batches)

    def left_out(self, resolved: Resolved) -> frozenset[str]:
        """The members of our own that the endpoint's server refuses, as far as is known."""
        return self._plans.of(resolved).left_out

    def single(self, resolved: Resolved, request: InferenceRequest) -> SingleJob:
        """The job of *request* alone; `INVALID` when its tokens are more than those of a minute."""
        plan = self._plans.of(resolved)
        job = SingleJob(resolved, plan.origin, request, plan.sizing)
        if resolved.rate.tokens is not None and (error := too_long(resolved, job.input_tokens)):
            raise error
        return job

    async def whole(self, job: EndpointJob) -> InferenceResult:
        """The result of one call."""
        try:
            reply, permit = await self._sent(job, self._outbound.send)
            try:
                result = job.decode(reply)
                cost = None if result.usage is None else cost_of(result.usage)
                if cost is not None:
                    permit.settle(cost)
            finally:
                permit.release()
        except InferenceError as error:
            raise provider_errors.public(job.resolved, error, job.secrets) from error.__cause__
        job.sizing.took(job.stats.upstream)
        if cost is not None and result.usage is not None:
            self._count(job, result.usage, cost)
        return result if type(result) is Completion else _public(job, result)

    def estimate(self, resolved: Resolved, request: InferenceRequest) -> int:
        """The tokens that the prompt of *request* is taken to have; nobody is asked."""
        return SingleJob(resolved, self.origin(resolved), request, self.sizing(resolved)).input_tokens

    async def ask(self, resolved: Resolved, request: InferenceRequest, question: Question[Any, Any, A]) -> A:
        """What the provider replies to *question* about *request*."""
        job = QuestionJob(resolved, self.origin(resolved), request, self.sizing(resolved), question)
        return await self.answered(job, question.decode)

    async def answered(self, job: EndpointJob, read: Callable[[Reply], A]) -> A:
        """What *read* makes of the reply to a *job* that costs no tokens."""
        try:
            reply, permit = await self._sent(job, self._outbound.send)
            with permit:
                permit.settle(Cost())
                return read(reply)
        except InferenceError as error:
            raise provider_errors.public(job.resolved, error, job.secrets) from error.__cause__

    async def received(self, job: EndpointJob, take: Callable[[bytes], None]) -> None:
        """Have *take* the reply to a *job* that costs no tokens, piece by piece, however long it is."""
        try:
            arriving, permit = await self._sent(job, self._outbound.open)
            with permit:
                permit.settle(Cost())
                try:
                    async with aclosing(arriving.pieces()) as body:
                        async for piece in body:
                            take(piece)
                finally:
                    arriving.close()
        except InferenceError as error:
            raise provider_errors.public(job.resolved, error, job.secrets) from error.__cause__

    def read(self, resolved: Resolved, request: InferenceRequest, reply: Reply) -> InferenceResult:
        """The result that a *reply* to *request* holds, which came in another way than by its own call."""
        job = SingleJob(resolved, self.origin(resolved), request, self.sizing(resolved))
        try:
            if not 200 <= job.status(reply) < 300:
                raise provider_errors.from_reply(resolved, job.secrets, None, reply, self._clock.now())
            return _public(job, job.decode(reply))
        except InferenceError as error:
            raise provider_errors.public(resolved, error, job.secrets) from error.__cause__

    async def pieces(self, job: EndpointJob, in_time: InTime) -> AsyncGenerator[Sequence[Delta], None]:
        """The result of one call, read as it comes, the first of it *in time*; after that nothing is tried again."""
        try:
            if job.caller.limits is not None:
                await self._admit(job.ticket(ahead=False))
            with in_time:
                arriving, permit = await self._sent(job, self._outbound.open)
            with permit:
                reader = reader_of(job, arriving)
                try:
                    async with aclosing(arriving.pieces()) as body:
                        with in_time:
                            first = await reader.first(body)
                        if first:
                            yield first
                            reader.check()
                        async for piece in body:
                            if deltas := reader.feed(piece):
                                yield deltas
                            reader.check()
                    last = reader.end()
                    if reader.usage is not None:
                        self._count(job, reader.usage, cost_of(reader.usage))
                    yield last
                finally:
                    if reader.usage is not None:
                        permit.settle(cost_of(reader.usage))
                    arriving.close()
        except InferenceError as error:
            raise provider_errors.public(job.resolved, error, job.secrets) from error.__cause__

    async def admit(self, resolved: Resolved, request: InferenceRequest) -> None:
        """Wait until the caller of *request*, which has limits of its own, may ask once more; `RATE_LIMITED` else."""
        begin_by = self.sizing(resolved).begin_by(request.deadline)
        await self._admit(ticket(resolved, request.caller, lane(request), begin_by))

    async def check_affordable(self, resolved: Resolved, request: InferenceRequest, cost: Cost) -> None:
        """`RATE_LIMITED` unless the caller of *request*, which has limits, may make calls of such *cost* in time."""
        begin_by = self.sizing(resolved).begin_by(request.deadline)
        place = ticket(resolved, request.caller, lane(request), begin_by)
        if refusal := await self._outbound.limiter.check_affordable(place, cost):
            raise refused(refusal, place, resolved.endpoint.inference_id)

    async def check_deadline(
        self, resolved: Resolved, request: InferenceRequest, calls: int
    ) -> tuple[int, InferenceError | None]:
        """How many of so many calls could be made before the deadline of *request*, and why the others could not.

        Fewer than all are looked for where the request is `partial`; -1 is not even to join one that waits.
        """
        begin_by = self.sizing(resolved).begin_by(request.deadline)
        place = ticket(resolved, request.caller, lane(request), begin_by)
        possible, most, tried, error = -1, calls, calls, None
        while True:
            refusal = await self._outbound.limiter.check_deadline(place, tried)
            if refusal is None:
                possible = tried
            else:
                most, error = tried - 1, refused(refusal, place, resolved.endpoint.inference_id)
            if possible >= most or not request.partial:
                return possible, error
            tried = (possible + most + 1) // 2

    def address(self, resolved: Resolved, request: InferenceRequest) -> str:
        """Where the call for *request* would go, in a breaker's words; nothing is sent."""
        return address(encoded(resolved, request, self.origin(resolved)).url)

    def draft(self, resolved: Resolved, request: InferenceRequest) -> Call:
        """The call for *request* with `***` in place of every secret and token; nothing is sent."""
        token = HIDDEN if resolved.service.grant else ""
        moment = Moment(self._clock.now(), token)
        call = encoded(resolved, request, self.origin(resolved))
        call = resolved.service.sign(call, resolved.endpoint.settings, moment)
        hide = resolved.secrets.hide
        headers = {name: hide(text) for name, text in call.headers.items()}
        return Call(hide(call.url), hide(call.body.decode("utf-8", "replace")).encode(), headers, call.method)

    async def _admit(self, place: Ticket) -> None:
        if refusal := await self._outbound.limiter.admit(place):
            raise refused(refusal, place, place.endpoint)

    async def _sent(self, job: EndpointJob, send: Send[T]) -> tuple[T, Permit]:
        """A reply that is no refusal.

        A token that the provider does not take any more is fetched anew, once; a member that nobody asked for and that
        the provider refuses is left out.
        """
        plan, refused_token = self._plans.of(job.resolved), ""
        while True:
            if plan.needs_token:
                job.token = await self._grants.token(job.resolved, job.caller, plan.token_origin)
            job.left_out = plan.left_out
            answer = await send(job)
            if type(answer) is Refusal:
                raise refused(answer, job.ticket(ahead=True), job.resolved.endpoint.inference_id)
            reply, permit = answer
            if 200 <= reply.status < 300:
                if job.resolved.service.told is not None:
                    told = job.resolved.service.told(reply.headers)
                    job.stats.told = {**job.stats.told, **{name: job.secrets.hide(told[name]) for name in told}}
                return reply, permit
            with permit:
                permit.settle(Cost())  # what is refused is not counted
                whole = reply if isinstance(reply, Reply) else await reply.read()
            if whole.status == 401 and job.token and not refused_token:
                refused_token = job.token
                self._grants.forget(job.resolved, job.token)
                continue
            if whole.status in _KEY_REFUSED and not plan.key_refused:
                plan.key_refused = True  # with another key it is another version
                _tell_refused_key(job.resolved, whole.status)
            refusal = provider_errors.parsed(job.resolved, whole, job.secrets)
            left_out = unasked.refused(job.resolved, job.left_out, refusal)
            plan.left_out |= left_out
            if not left_out:
                raise provider_errors.from_reply(job.resolved, job.secrets, job.call(), whole, self._clock.now())

    def _count(self, job: EndpointJob, usage: Usage, cost: Cost) -> None:
        """Count what a call cost in the end beside what it was taken to cost, and learn from it."""
        self._counters.cost(job.service, job.tokens(), cost.tokens)
        if job.resolved.endpoint.task_type.generates:
            job.sizing.wrote(usage.output)


def too_long(resolved: Resolved, tokens: int) -> InferenceError | None:
    """The error of one input that has more tokens than a minute allows: its turn would never come."""
    most = resolved.rate.tokens
    if most is None or tokens <= most:
        return None
    return invalid(
        f"An input of about [{tokens}] tokens is longer than the [{most}] tokens_per_minute of its rate limit"
    )


def _tell_refused_key(resolved: Resolved, status: int) -> None:
    service, inference_id = resolved.service.name, resolved.endpoint.inference_id
    words = f"The service [{service}] refuses the key of the endpoint [{inference_id}] with status [{status}]"
    warn(words, service=service, endpoint=inference_id)


def _public(job: EndpointJob, result: InferenceResult) -> InferenceResult:
    """*result* with the errors of its inputs as callers may read them."""
    if not isinstance(result, Embeddings | SparseEmbeddings) or not result.errors:
        return result
    errors = {place: provider_errors.public(job.resolved, error, job.secrets) for place, error in result.errors.items()}
    return replace(result, errors=errors)
