"""The one way out: a turn in the group's queue, sign, send, and try again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import Journey
from inferpoint.model.quota import Allowance, GroupReport, Lane
from inferpoint.outbound.breaker import FAILURES, Breakers, Passage, State, address
from inferpoint.outbound.limiter import Leave, Place, Queues, too_late
from inferpoint.outbound.retries import ATTEMPTS, Budget, Throttles, asked_to_wait, pause
from inferpoint.outbound.transport import Arriving, Transport, Whole
from inferpoint.telemetry.telemetry import Called, Retry, Telemetry

THROTTLED = 429
# A provider that let a deadline pass has failed if it had so many seconds; callers may be in any hurry.
FAIR_SECONDS = 5.0
_EARLY_TIMER = 0.01
_NOTHING = Allowance()


def hopeful(_reply: Reply) -> bool:
    """For providers that never refuse for good."""
    return False


def silent(_headers: Mapping[str, str], _now: datetime) -> Allowance:
    """For providers that tell nothing of their limits."""
    return _NOTHING


@dataclass(frozen=True)
class Outgoing:
    """A call with all that its way out needs.

    `prepare` makes the call; it is asked once, right after the first turn came, and may raise an `InferenceError`.
    `sign` is asked for every attempt. `tokens` is what it will cost, asked when a slot is taken. `deadline` is by when
    an attempt must begin, and may move. `retried` are the statuses that are worth another try, beside 429.
    `final` knows a refusal that no retry will change. `quota` reads what a reply's headers tell of the provider's
    limits. In `journey` is counted what happened. A call that goes `first` goes ahead of its caller's others, as every
    call does once it had a turn.
    """

    service: str
    prepare: Callable[[], Call]
    sign: Callable[[Call, datetime], Call]
    place: Place
    tokens: Callable[[], int]
    deadline: Callable[[], float | None]
    retried: frozenset[int]
    journey: Journey
    first: bool = False
    final: Callable[[Reply], bool] = hopeful
    quota: Callable[[Mapping[str, str], datetime], Allowance] = silent


@dataclass
class _Way:
    """How far a call has come. `upstream` are its seconds at the provider, `first` that it had a turn already."""

    outgoing: Outgoing
    began: float
    call: Call | None = None
    passage: Passage | None = None
    first: bool = False
    attempts: int = 0
    failures: int = 0
    sent: float = 0.0
    upstream: float = 0.0


class Outbound:
    """Sends calls by the transport of their address's scheme."""

    def __init__(
        self,
        transports: Mapping[str, Transport],
        limiter: Queues,
        breakers: Breakers,
        budget: Budget,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._transports = transports
        self._limiter = limiter
        self._breakers = breakers
        self._budget = budget
        self._throttles = Throttles(clock)
        self._clock = clock
        self.telemetry = telemetry

    async def groups(self) -> Sequence[GroupReport]:
        """How every rate group stands."""
        return await self._limiter.groups()

    def breakers(self) -> Mapping[str, str]:
        """The state of each address that was called of late."""
        return self._breakers.states()

    async def refuse_if_hopeless(self, place: Place, calls: int) -> None:
        """Raise at once when the last of so many calls could not have its turn in time."""
        await self._limiter.refuse_if_hopeless(place, calls)

    async def send(self, outgoing: Outgoing) -> tuple[Reply, Leave]:
        """The whole reply, whatever its status, and the turn to settle; `CUT_OFF` when there is none."""
        reply, turn = await self._sent(outgoing, whole=True)
        assert isinstance(reply, Reply)
        return reply, turn

    async def open(self, outgoing: Outgoing) -> tuple[Arriving, Leave]:
        """A reply that has begun, and the turn to settle; from then on nothing is tried again.

        Whoever takes it must close it. A refusal is there whole.
        """
        reply, turn = await self._sent(outgoing, whole=False)
        return Whole(reply) if isinstance(reply, Reply) else reply, turn

    async def _sent(self, outgoing: Outgoing, *, whole: bool) -> tuple[Reply | Arriving, Leave]:
        way = _Way(outgoing, self._clock.monotonic(), first=outgoing.first)
        try:
            return await self._tried(way, whole=whole)
        finally:
            if way.passage is not None:
                way.passage.left()
            _note_times(way, self._clock.monotonic())

    async def _tried(self, way: _Way, *, whole: bool) -> tuple[Reply | Arriving, Leave]:
        """Attempts until there is something to hand on."""
        while True:
            turn, call = await self._turn(way)
            way.first = True
            try:
                reply = await self._attempt(way, call, whole=whole)
            except InferenceError as error:
                if error.kind is not Kind.CUT_OFF or not await self._after_failure(way, Retry.UNREACHABLE, None):
                    raise
                continue
            if isinstance(reply, Reply) and reply.status == THROTTLED:
                again = self._after_throttle(way, turn, reply)
            elif isinstance(reply, Reply) and reply.status in way.outgoing.retried:
                again = await self._after_failure(way, Retry.SERVER_ERROR, reply)
            else:
                self._throttles.over(way.outgoing.place.group, way.sent)
                again = False
            if not again:
                return reply, turn

    async def _turn(self, way: _Way) -> tuple[Leave, Call]:
        """A turn that comes while the address may be called.

        The address is asked before the limiter; but it is not known before the first turn, and may fail while the call
        waits for one. A slot that cannot be used then is given back.
        """
        place, deadline = way.outgoing.place, way.outgoing.deadline
        while True:
            if way.call is not None:
                way.passage = await self._breakers.of(address(way.call.url)).enter(deadline)
            turn = await self._limiter.turn(place, way.outgoing.tokens, first=way.first)
            try:
                self._refuse_if_late(way, turn)
                if way.call is None:
                    way.call = way.outgoing.prepare()
                    turn.settle(way.outgoing.tokens())  # others may have joined the call while its turn came
                    way.passage = self._breakers.of(address(way.call.url)).at_once()
            except BaseException:
                turn.give_back()
                raise
            if way.passage is not None and way.passage.good:
                return turn, way.call
            turn.give_back()
            way.first = True

    def _refuse_if_late(self, way: _Way, turn: Leave) -> None:
        """Others were more urgent, or a provider made all wait: the answer would be paid, and come too late."""
        deadline, place = way.outgoing.deadline(), way.outgoing.place
        if deadline is not None and turn.waited > 0 and self._clock.monotonic() > deadline:
            raise too_late(place, turn.waited, retry_after=turn.waited)

    async def _attempt(self, way: _Way, call: Call, *, whole: bool) -> Reply | Arriving:
        outgoing, passage = way.outgoing, way.passage
        assert passage is not None
        self._count(way)
        status, failed = 0, False
        try:
            transport = self._transports[call.url.partition(":")[0].lower()]
            arriving = await transport.send(outgoing.sign(call, self._clock.now()))
            status, failed = arriving.status, arriving.status in FAILURES
            reply = await _read(arriving, whole=whole)
            passage.ended(failed=failed)
        except InferenceError as error:
            if error.kind is Kind.CUT_OFF:
                passage.ended(failed=True)
            raise
        except asyncio.CancelledError:
            if failed or self._was_late(way, call):
                passage.ended(failed=True)
            raise
        finally:
            seconds = self._clock.monotonic() - way.sent
            way.upstream += seconds
            self.telemetry.called(Called(outgoing.service, status, seconds))
        allowance = outgoing.quota(arriving.headers, self._clock.now())
        if allowance != _NOTHING:
            self._limiter.learn(outgoing.place.group, allowance)
        return reply

    def _count(self, way: _Way) -> None:
        way.sent = self._clock.monotonic()
        if not way.attempts:
            self._budget.earn()
            way.outgoing.journey.calls += 1
        way.attempts += 1
        way.outgoing.journey.attempts += 1
        _note_times(way, way.sent)

    def _was_late(self, way: _Way, call: Call) -> bool:
        """Whether who waits was let down by the provider, and has not just left.

        A model in our own process is as late as we are: it is not helped by leaving it alone.
        """
        now, deadline = self._clock.monotonic(), way.outgoing.deadline()
        passed = deadline is not None and now >= deadline - _EARLY_TIMER
        return passed and now - way.sent >= FAIR_SECONDS and "://" in call.url

    def _after_throttle(self, way: _Way, turn: Leave, reply: Reply) -> bool:
        """Whether to go back to the queue. The pause is for the whole group, so that nobody else finds out alone."""
        turn.settle(0)  # the provider does not count what it refuses
        if self._is_final(way, reply):
            return False
        group = way.outgoing.place.group
        seconds = asked_to_wait(reply.headers, self._clock.now())
        if not seconds:
            seconds = pause(self._throttles.again(group, way.sent), 0.0, random.uniform)
        self._limiter.pause(group, seconds)
        if not self._in_time(way, seconds):
            return False
        self._budget.spend()
        self.telemetry.retried(way.outgoing.service, Retry.THROTTLED)
        return True

    async def _after_failure(self, way: _Way, reason: Retry, reply: Reply | None) -> bool:
        """Whether to try again, after the pause; False at once when there is no other try, or none in time."""
        way.failures += 1
        patient = way.outgoing.place.lane is Lane.INGEST
        if (way.failures >= ATTEMPTS and not patient) or (reply is not None and self._is_final(way, reply)):
            return False
        asked = 0.0 if reply is None else asked_to_wait(reply.headers, self._clock.now())
        while self._in_time(way, seconds := pause(way.failures, asked, random.uniform)):
            if self._is_spared(way) or self._budget.spend():
                self.telemetry.retried(way.outgoing.service, reason)
                await self._clock.sleep(seconds)
                return True
            self.telemetry.retried(way.outgoing.service, Retry.BUDGET)
            if not patient:
                return False
            await self._clock.sleep(seconds)
        return False

    def _is_spared(self, way: _Way) -> bool:
        """Whether the address is called by one at a time: another try adds no load that a budget has to bound."""
        return way.call is not None and self._breakers.of(address(way.call.url)).state is not State.CLOSED

    def _is_final(self, way: _Way, reply: Reply) -> bool:
        return reply.headers.get("x-should-retry", "").lower() == "false" or way.outgoing.final(reply)

    def _in_time(self, way: _Way, seconds: float) -> bool:
        deadline = way.outgoing.deadline()
        return deadline is None or self._clock.monotonic() + seconds < deadline


def _note_times(way: _Way, now: float) -> None:
    """Note how long the call has waited, and been at the provider, until *now*."""
    journey = way.outgoing.journey
    journey.queued = max(journey.queued, now - way.began - way.upstream)
    journey.upstream = max(journey.upstream, way.upstream)


async def _read(arriving: Arriving, *, whole: bool) -> Reply | Arriving:
    """A good reply, read when it is to be *whole*; a refusal always, and without words when they cannot be read."""
    good = 200 <= arriving.status < 300
    if good and not whole:
        return arriving
    try:
        return await arriving.read()
    except InferenceError:
        if good:
            raise
        return Reply(arriving.status, headers=arriving.headers)
    finally:
        arriving.close()
