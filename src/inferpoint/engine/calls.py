"""One call to a provider: its token, its encoding, its way out, and what came back as a result or an error."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from inferpoint.engine.deadlines import until
from inferpoint.engine.endpoints import Resolved
from inferpoint.engine.grants import Grants
from inferpoint.engine.reading import Reading
from inferpoint.engine.refusals import complaint, failure, refusal
from inferpoint.engine.sizing import Load, Sizing, load_of
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import (
    Caller,
    Delta,
    InferenceRequest,
    InferenceResult,
    InputType,
    Journey,
    Usage,
    Used,
)
from inferpoint.model.quota import Lane
from inferpoint.protocols.service import Moment
from inferpoint.runtime.breaker import address
from inferpoint.runtime.clock import Clock
from inferpoint.runtime.limiter import Leave, Place, too_late
from inferpoint.runtime.outbound import Outbound, Outgoing
from inferpoint.runtime.transport import Arriving

T = TypeVar("T", Reply, Arriving)
R = TypeVar("R")

_LANES = {InputType.SEARCH: Lane.SEARCH, InputType.INGEST: Lane.INGEST}
_INSTANT = 0.1  # seconds; what is over sooner was not begun for want of time, not because of a queue
_REMEMBERED = 1000  # endpoints whose sizing is kept


@dataclass(frozen=True)
class Wish:
    """What is wanted of one call. All but `caller`, `lane` and `journey` may change until its turn has come.

    `request` is what to ask, and settled once it was asked for; `tokens` an estimate of what it costs; `deadline` is by
    when it must begin, so that the answer still comes in time. In `journey` is counted what happens. A call that goes
    `first` goes ahead of its caller's others.
    """

    caller: Caller
    lane: Lane
    request: Callable[[], InferenceRequest]
    tokens: Callable[[], int]
    deadline: Callable[[], float | None]
    journey: Journey
    first: bool = False


class Calls:
    """Every call that endpoints make; and what was learnt about how much such calls may hold."""

    def __init__(self, outbound: Outbound, clock: Clock, environ: Mapping[str, str]) -> None:
        self._outbound = outbound
        self.telemetry = outbound.telemetry
        self._grants = Grants(outbound, clock)
        self._clock = clock
        self._environ = environ
        self._sizings: dict[str, Sizing] = {}

    def sizing(self, resolved: Resolved) -> Sizing:
        """What is known of calls of this version of an endpoint."""
        version = resolved.endpoint.version
        found = self._sizings.get(version)
        if found is None:
            while len(self._sizings) >= _REMEMBERED:
                del self._sizings[next(iter(self._sizings))]
            limits = resolved.task.rates.limits(resolved.endpoint.settings)
            found = self._sizings[version] = Sizing(limits, resolved.rate)
        return found

    def alone(self, resolved: Resolved, request: InferenceRequest) -> Wish:
        """The wish for a call of *request* alone; `INVALID` when its tokens are more than those of a minute."""
        sizing = self.sizing(resolved)
        load = _load(request)
        if error := too_long(resolved, sizing.tokens(load)):
            raise error
        written = int(sizing.output) if resolved.endpoint.task_type.generates else 0
        return Wish(
            caller=request.caller,
            lane=lane(request),
            request=lambda: request,
            tokens=lambda: sizing.tokens(load) + written,
            deadline=lambda: self.begin_by(resolved, request),
            journey=request.journey,
        )

    def begin_by(self, resolved: Resolved, request: InferenceRequest) -> float | None:
        """By when a call for *request* must begin: one that is begun later is paid, and answered too late."""
        if request.deadline is None or request.timeout is None:
            return request.deadline
        return request.deadline - self.sizing(resolved).reserve(request.timeout)

    async def by_deadline(
        self,
        resolved: Resolved,
        request: InferenceRequest,
        work: Callable[[], Awaitable[R]],
        begun: Callable[[], bool],
    ) -> R:
        """What *work* gives; `TIMED_OUT` when that takes too long, or what is told of a queue if it has not *begun*."""
        try:
            return await until(resolved, request, self._clock, work)
        except InferenceError as error:
            if error.kind is not Kind.TIMED_OUT or begun() or (request.timeout or 0.0) < _INSTANT:
                raise
            raise self.too_late(resolved, request, request.timeout or 0.0) from None

    async def whole(self, resolved: Resolved, wish: Wish) -> InferenceResult:
        """The result of one call."""
        try:
            resolved, reply, turn = await self._sent(resolved, wish, self._outbound.send)
            endpoint = resolved.endpoint
            result = resolved.task.decode(reply, wish.request(), endpoint.settings, endpoint.options)
        except InferenceError as error:
            raise failure(resolved, error) from error.__cause__
        _settle(turn, result.usage)
        self.sizing(resolved).took(wish.journey.upstream)
        self._count(resolved, wish, result.usage)
        return result

    async def pieces(self, resolved: Resolved, wish: Wish) -> AsyncGenerator[Sequence[Delta], None]:
        """The result of one call, read as it comes; nothing is tried again once it has begun."""
        try:
            resolved, arriving, turn = await self._sent(resolved, wish, self._outbound.open)
            try:
                reading, usage = Reading(resolved), None
                async for piece in arriving.pieces():
                    if deltas := reading.feed(piece):
                        usage = _used(deltas) or usage
                        _settle(turn, _used(deltas))
                        yield deltas
                    reading.check()
                last = reading.end()
                _settle(turn, _used(last))
                self._count(resolved, wish, _used(last) or usage)
                yield last
            finally:
                arriving.close()
        except InferenceError as error:
            raise failure(resolved, error) from error.__cause__

    async def _sent(
        self, resolved: Resolved, wish: Wish, send: Callable[[Outgoing], Awaitable[tuple[T, Leave]]]
    ) -> tuple[Resolved, T, Leave]:
        """A reply that is no refusal; a token that the provider does not take any more is fetched anew, once."""
        resolved = await self._grants.granted(resolved, wish.caller)
        outgoing = self._outgoing(resolved, wish)
        reply, turn = await send(outgoing)
        if resolved.token and reply.status == 401:
            if not isinstance(reply, Reply):
                reply.close()
            self._grants.forget(resolved)
            resolved = await self._grants.granted(resolved, wish.caller)
            outgoing = self._outgoing(resolved, wish)
            reply, turn = await send(outgoing)
        if not 200 <= reply.status < 300:
            turn.settle(0)  # what is refused is not counted
            whole = reply if isinstance(reply, Reply) else await reply.read()
            raise refusal(resolved, outgoing.prepare(), whole, self._clock.now())
        return resolved, reply, turn

    def _count(self, resolved: Resolved, wish: Wish, usage: Usage | None) -> None:
        """Count what a call cost in the end beside what it was taken to cost, and learn from it."""
        if usage is None:
            return
        self.telemetry.cost(resolved.service.name, wish.tokens(), usage.input + usage.output)
        if resolved.endpoint.task_type.generates:
            self.sizing(resolved).wrote(usage.output)

    async def in_time(
        self, resolved: Resolved, request: InferenceRequest, calls: int
    ) -> tuple[int, InferenceError | None]:
        """How many of so many calls could be made before the deadline of *request*, and why the others could not.

        Fewer than all are looked for where the request is `partial`; -1 is not even to join one that waits.
        """
        place = _place(resolved, request.caller, lane(request), self.begin_by(resolved, request))
        possible, most, tried, refusal = -1, calls, calls, None
        while True:
            try:
                await self._outbound.refuse_if_hopeless(place, tried)
                possible = tried
            except InferenceError as error:
                most, refusal = tried - 1, error
            if possible >= most or not request.partial:
                return possible, refusal
            tried = (possible + most + 1) // 2

    def too_late(self, resolved: Resolved, request: InferenceRequest, waited: float) -> InferenceError:
        """What is told to whoever has waited too long for the answer to come in time."""
        return too_late(_place(resolved, request.caller, lane(request), None), waited, retry_after=waited)

    def _outgoing(self, resolved: Resolved, wish: Wish) -> Outgoing:
        service, task, endpoint = resolved.service, resolved.task, resolved.endpoint
        origin = self._origin(resolved)

        def prepare() -> Call:
            return task.encode(wish.request(), endpoint.settings, endpoint.options, origin)

        def sign(call: Call, now: datetime) -> Call:
            return service.sign(call, endpoint.settings, Moment(now, resolved.token))

        return Outgoing(
            service=service.name,
            prepare=prepare,
            sign=sign,
            place=_place(resolved, wish.caller, wish.lane, wish.deadline()),
            tokens=wish.tokens,
            deadline=wish.deadline,
            retried=task.failures.retried,
            journey=wish.journey,
            first=wish.first,
            final=lambda reply: task.failures.exhausted(complaint(resolved, reply)),
            quota=service.quota,
        )

    def address(self, resolved: Resolved, request: InferenceRequest) -> str:
        """Where the call for *request* would go, in a breaker's words; nothing is sent."""
        endpoint = resolved.endpoint
        return address(resolved.task.encode(request, endpoint.settings, endpoint.options, self._origin(resolved)).url)

    def _origin(self, resolved: Resolved) -> str:
        origin = resolved.service.origin
        if origin is None:
            return ""
        return origin.of(resolved.endpoint.settings, self._environ)


def _load(request: InferenceRequest) -> Load:
    """What is asked by a request that has a call of its own: of a chat also its tools, and what an image is called."""
    match request.input:
        case (str(text),):
            return load_of(text)
        case given:
            return Load(1, len(msgspec.json.encode(given)))


def lane(request: InferenceRequest) -> Lane:
    """What a request is for, as its input type tells."""
    return Lane.OTHER if request.input_type is None else _LANES.get(request.input_type, Lane.OTHER)


def too_long(resolved: Resolved, tokens: int) -> InferenceError | None:
    """The error of one input that has more tokens than a minute allows: its turn would never come."""
    most = resolved.rate.tokens
    if most is None or tokens <= most:
        return None
    return invalid(
        f"An input of about [{tokens}] tokens is longer than the [{most}] tokens_per_minute of its rate limit"
    )


def _place(resolved: Resolved, caller: Caller, lane: Lane, deadline: float | None) -> Place:
    inference_id, service = resolved.endpoint.inference_id, resolved.service.name
    return Place(resolved.group, resolved.rate, caller, inference_id, lane, service, deadline)


def _settle(turn: Leave, usage: Usage | None) -> None:
    if usage is not None:
        turn.settle(usage.input + usage.output)


def _used(deltas: Sequence[Delta]) -> Usage | None:
    """The last count of what a stream cost, if there is one among *deltas*."""
    return next((delta.usage for delta in reversed(deltas) if isinstance(delta, Used)), None)
