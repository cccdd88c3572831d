"""One call to a provider: its token, its encoding, its way out, and what came back as a result or an error."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from inferpoint.engine.endpoints import Resolved
from inferpoint.engine.grants import Grants
from inferpoint.engine.reading import Reading
from inferpoint.engine.refusals import complaint, failure, refusal
from inferpoint.engine.sizing import Load, Sizing
from inferpoint.errors import InferenceError
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import (
    Delta,
    InferenceRequest,
    InferenceResult,
    InputType,
    Journey,
    Tokens,
    Usage,
    Used,
)
from inferpoint.model.quota import Lane
from inferpoint.protocols.service import Moment
from inferpoint.runtime.clock import Clock
from inferpoint.runtime.limiter import Place, Turn
from inferpoint.runtime.outbound import Outbound, Outgoing
from inferpoint.runtime.transport import Arriving

T = TypeVar("T", Reply, Arriving)

_LANES = {InputType.SEARCH: Lane.SEARCH, InputType.INGEST: Lane.INGEST}
_REMEMBERED = 1000  # endpoints whose sizing is kept


@dataclass(frozen=True)
class Wish:
    """What is wanted of one call. All but `caller`, `lane` and `journey` may change until its turn has come.

    `request` is what to ask, and settled once it was asked for; `tokens` an estimate of what it costs, `deadline` by
    when whoever waits wants the answer. In `journey` is counted what happens.
    """

    caller: Caller
    lane: Lane
    request: Callable[[], InferenceRequest]
    tokens: Callable[[], int]
    deadline: Callable[[], float | None]
    journey: Journey


class Calls:
    """Every call that endpoints make; and what was learnt about how much such calls may hold."""

    def __init__(self, outbound: Outbound, clock: Clock, origins: Mapping[str, str]) -> None:
        self._outbound = outbound
        self._grants = Grants(outbound, clock)
        self._clock = clock
        self._origins = origins
        self._sizings: dict[str, Sizing] = {}

    def sizing(self, resolved: Resolved) -> Sizing:
        """What is known of calls of this version of an endpoint."""
        version = resolved.endpoint.version
        found = self._sizings.get(version)
        if found is None:
            while len(self._sizings) >= _REMEMBERED:
                del self._sizings[next(iter(self._sizings))]
            limits = resolved.task.limits(resolved.endpoint.settings)
            found = self._sizings[version] = Sizing(limits, resolved.rate)
        return found

    def alone(self, resolved: Resolved, request: InferenceRequest) -> Wish:
        """The wish for a call of *request* alone; `INVALID` when its tokens are more than those of a minute."""
        sizing = self.sizing(resolved)
        load = Load(1, len(msgspec.json.encode(request.input)))
        refuse_too_long(resolved, sizing.tokens(load))
        written = int(sizing.output) if resolved.endpoint.task_type.generates else 0
        return Wish(
            caller=request.caller,
            lane=lane(request),
            request=lambda: request,
            tokens=lambda: sizing.tokens(load) + written,
            deadline=lambda: request.deadline,
            journey=request.journey,
        )

    async def whole(self, resolved: Resolved, wish: Wish) -> InferenceResult:
        """The result of one call."""
        try:
            resolved, reply, turn = await self._sent(resolved, wish, self._outbound.send)
            endpoint = resolved.endpoint
            result = resolved.task.decode(reply, wish.request(), endpoint.settings, endpoint.options)
        except InferenceError as error:
            raise failure(resolved, error) from error.__cause__
        self._settle(resolved, turn, result.usage)
        return result

    async def pieces(self, resolved: Resolved, wish: Wish) -> AsyncGenerator[Sequence[Delta], None]:
        """The result of one call, read as it comes; nothing is tried again once it has begun."""
        try:
            resolved, arriving, turn = await self._sent(resolved, wish, self._outbound.open)
            try:
                reading = Reading(resolved)
                async for piece in arriving.pieces():
                    if deltas := reading.feed(piece):
                        self._settle(resolved, turn, _used(deltas))
                        yield deltas
                    reading.check()
                last = reading.end()
                self._settle(resolved, turn, _used(last))
                yield last
            finally:
                arriving.close()
        except InferenceError as error:
            raise failure(resolved, error) from error.__cause__

    async def _sent(
        self, resolved: Resolved, wish: Wish, send: Callable[[Outgoing], Awaitable[tuple[T, Turn]]]
    ) -> tuple[Resolved, T, Turn]:
        """A reply that is no refusal; a token that the provider does not take any more is fetched anew, once."""
        resolved = await self._grants.granted(resolved, wish.caller)
        outgoing = self._outgoing(resolved, wish)
        reply, turn = await send(outgoing)
        if resolved.token and reply.status == 401:  # noqa: PLR2004 - unauthenticated
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

    def _settle(self, resolved: Resolved, turn: Turn, usage: Usage | None) -> None:
        if usage is None:
            return
        turn.settle(usage.input + usage.output)
        if resolved.endpoint.task_type.generates:
            self.sizing(resolved).wrote(usage.output)
