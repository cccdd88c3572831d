"""The one way out: a permit of the group's queue and one of the breakers, sign, send, and try again."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply, address
from inferpoint.model.quota import Allowance, Cost
from inferpoint.outbound.attempts import Attempts
from inferpoint.outbound.breaker import FAILURES
from inferpoint.outbound.breakers import Breakers
from inferpoint.outbound.retries import Budgets, Throttles, Verdict, asked_to_wait, patience, pause, verdict
from inferpoint.outbound.ticket import Job, Permit, RateLimiter, Reason, Refusal, Ticket
from inferpoint.outbound.transport import Arriving, Transport, UnreachableError, Whole
from inferpoint.telemetry.counters import CallCounters
from inferpoint.telemetry.events import Called, Retry
from inferpoint.telemetry.log import warn

# The statuses that are worth another try, and why.
_REASONS = {429: Retry.THROTTLED, **dict.fromkeys(FAILURES, Retry.SERVER_ERROR)}
# A provider that let a deadline pass has failed if it had so many seconds; callers may be in any hurry.
FAIR_SECONDS = 5.0
_EARLY_TIMER = 0.01
_NOTHING = Allowance()


class Outbound:
    """Sends jobs by the transport of their address's scheme, once its `limiter` and `breakers` let them go."""

    def __init__(
        self,
        transports: Mapping[str, Transport],
        limiter: RateLimiter,
        breakers: Breakers,
        budgets: Budgets,
        clock: Clock,
        counters: CallCounters,
    ) -> None:
        self._transports = transports
        self.limiter = limiter
        self.breakers = breakers
        self._budgets = budgets
        self._throttles = Throttles(clock)
        self._clock = clock
        self._counters = counters

    async def send(self, job: Job) -> tuple[Reply, Permit] | Refusal:
        """The whole reply, whatever its status, with the permit to settle and release; `CUT_OFF` when there is none."""
        with Attempts(job, self._clock) as attempts:
            reply = await self._reply(attempts, whole=True)
            if isinstance(reply, Refusal):
                return reply
            assert isinstance(reply, Reply)
            return reply, attempts.hand_on()

    async def open(self, job: Job) -> tuple[Arriving, Permit] | Refusal:
        """A reply that has begun, to be closed, with the permit to settle and release; nothing is tried again after.

        A reply that is not good, or is no stream, is a `Whole` one.
        """
        with Attempts(job, self._clock) as attempts:
            reply = await self._reply(attempts, whole=False)
            if isinstance(reply, Refusal):
                return reply
            return Whole(reply) if isinstance(reply, Reply) else reply, attempts.hand_on()

    async def _reply(self, attempts: Attempts, *, whole: bool) -> Reply | Arriving | Refusal:
        """Attempts until there is something to hand on."""
        throttle: Reply | None = None
        while True:
            call = await self._permitted_in_time(attempts)
            if isinstance(call, Refusal):
                if call.reason is Reason.PAUSED and throttle is not None:
                    return _telling_when(throttle, call.wait)
                return call
            attempts.ahead = True
            try:
                reply = await self._attempt(attempts, call, whole=whole)
            except InferenceError as error:
                hung_up = error.kind is Kind.CUT_OFF and not isinstance(error, UnreachableError)
                if error.kind is not Kind.CUT_OFF or (hung_up and attempts.job.is_final(None)):
                    raise
                if not await self._again(attempts, Retry.UNREACHABLE, None):
                    raise
                continue
            reason = _REASONS.get(reply.status)
            if reason is None:
                self._throttles.over(attempts.job.group, attempts.sent_at)
                return reply
            assert isinstance(reply, Reply)
            throttle = reply if reason is Retry.THROTTLED else None
            if not await self._again(attempts, reason, reply):
                return reply if throttle is None else _telling_when(throttle, attempts.pause)

    async def _permitted_in_time(self, attempts: Attempts) -> Call | Refusal:
        """The call, once there are permits; refused when its job's patience ends before."""
        patience = attempts.job.deadline().patience
        if patience == math.inf:
            return await self._permitted(attempts)
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(None) as limit:
                timer = self._clock.at(patience, lambda: limit.reschedule(0))
                try:
                    return await self._permitted(attempts)
                finally:
                    timer.cancel()
        except TimeoutError:
            waited = self._clock.monotonic() - began
            return Refusal(Reason.LATE, waited, waited)

    async def _permitted(self, attempts: Attempts) -> Call | Refusal:
        """The call, once there are permits of its group and of its address.

        The breakers are asked before the limiter; but the address is not known before the first turn, and may fail
        while the call waits for one. A turn that cannot be used then is given back.
        """
        job = attempts.job
        while True:
            attempts.release()
            if attempts.call is not None:
                to = address(attempts.call.url)
                entered = await self.breakers.enter(to, job.group, job.caller.name, job.deadline)
                if isinstance(entered, Refusal):
                    return entered
                attempts.breaker = entered
            permit = await self.limiter.permit(self._ticket(attempts), job.cost)
            if isinstance(permit, Refusal):
                return permit
            attempts.permit = permit
            # Others were more urgent, or a provider made all wait: the answer would be paid, and come too late.
            if permit.waited > 0 and job.deadline().left(self._clock.monotonic()) < 0:
                return Refusal(Reason.LATE, permit.waited, permit.waited)
            if attempts.call is None:
                attempts.call = job.call()
                if attempts.call is None:
                    return Refusal(Reason.UNWANTED)
                permit.settle(job.cost())  # others may have joined the call while its turn came
                attempts.breaker = self.breakers.at_once(address(attempts.call.url), job.group, job.caller.name)
                if attempts.breaker is not None:
                    return attempts.call
            elif attempts.breaker is not None and attempts.breaker.holds:
                return attempts.call
            attempts.ahead = True

    def _ticket(self, attempts: Attempts) -> Ticket:
        """The place to wait at; while the provider asks to wait it says how long that is borne."""
        job = attempts.job
        ticket = job.ticket(ahead=attempts.ahead)
        if not self._throttles.is_on(job.group):
            return ticket
        now = self._clock.monotonic()
        borne = patience(job.lane, ticket.deadline.timeout) - attempts.throttled(now)
        return msgspec.structs.replace(ticket, bears_until=now + borne)

    async def _attempt(self, attempts: Attempts, call: Call, *, whole: bool) -> Reply | Arriving:
        job, breaker = attempts.job, attempts.breaker
        assert breaker is not None
        if not attempts.count:
            self._budgets.earn(job.group)
        attempts.begin()
        status = 0
        try:
            transport = self._transports[address(call.url).partition(":")[0]]
            arriving = await transport.send(job.sign(call, self._clock.now()))
            status = arriving.status
            reply = await _read(job, arriving, whole=whole)
            status = reply.status
            breaker.ended(failed=status in FAILURES)
            attempts.breaker = None
        except UnreachableError:
            breaker.unreachable()
            raise
        except InferenceError as error:
            if error.kind is Kind.CUT_OFF:
                breaker.ended(failed=True)
            raise
        except asyncio.CancelledError:
            if status in FAILURES or self._was_late(attempts, call):
                breaker.unanswered()
            raise
        finally:
            seconds = self._clock.monotonic() - attempts.sent_at
            attempts.upstream += seconds
            self._counters.called(Called(job.service, status, seconds))
        allowance = job.allowance(arriving.headers, self._clock.now())
        if allowance != _NOTHING:
            self.limiter.learn(job.group, allowance)
        return reply

    def _was_late(self, attempts: Attempts, call: Call) -> bool:
        """Whether who waits was let down by the provider, and has not just left.

        A model in our own process is as late as we are: it is not helped by leaving it alone.
        """
        now = self._clock.monotonic()
        passed = attempts.job.deadline().left(now) <= _EARLY_TIMER
        return passed and now - attempts.sent_at >= FAIR_SECONDS and "://" in call.url

    async def _again(self, attempts: Attempts, reason: Retry, reply: Reply | None) -> bool:
        """Whether to try again, said once the pause before is over."""
        job = attempts.job
        if reason is Retry.THROTTLED:
            assert attempts.permit is not None
            attempts.permit.settle(Cost())  # the provider does not count what it refuses
        else:
            attempts.fail()
        if reply is not None and _is_final(job, reply):
            return False
        while True:
            seconds = attempts.pause = self._pause(attempts, reason, reply)
            spared = self._is_spared(attempts)
            now, deadline = self._clock.monotonic(), job.deadline()
            judged = verdict(
                throttled=attempts.throttled(now) if reason is Retry.THROTTLED else None,
                failures=attempts.failures,
                patience=patience(job.lane, deadline.timeout),
                pause=seconds,
                left=deadline.left(now),
                affordable=spared or self._budgets.left(job.group) >= 1,
            )
            if judged in (Verdict.WAIT, Verdict.UNAFFORDABLE):
                self._counters.retried(job.service, Retry.BUDGET)
            elif judged in (Verdict.REQUEUE, Verdict.RETRY):
                self._counters.retried(job.service, reason)
                if judged is Verdict.REQUEUE or not spared:
                    self._budgets.spend(job.group)
            if judged in (Verdict.WAIT, Verdict.RETRY):
                await self._clock.sleep(seconds)
            if judged is not Verdict.WAIT:
                return judged in (Verdict.REQUEUE, Verdict.RETRY)

    def _pause(self, attempts: Attempts, reason: Retry, reply: Reply | None) -> float:
        """The seconds before another try, as the provider asked or by the failures in a row.

        What it asks is believed for as long as the longest pause. A throttle pauses the whole group, so that nobody
        else finds out alone.
        """
        asked = 0.0 if reply is None else asked_to_wait(reply.headers, self._clock.now())
        believed = min(asked, self.limiter.longest_pause)
        if reason is not Retry.THROTTLED:
            return pause(attempts.failures, believed, random.uniform)
        group = attempts.job.group
        begins = not self._throttles.is_on(group)
        times = self._throttles.again(group, attempts.sent_at)
        seconds = believed or pause(times, 0.0, random.uniform)
        if begins:
            service = attempts.job.service
            words = f"The service [{service}] asks to wait: its rate group [{group}] pauses for {seconds:.1f} s"
            warn(words, service=service, group=group)
        wish = f"asked to wait [{asked:.1f}s]" if asked else "did not say for how long to wait"
        self.limiter.pause(group, seconds, f"Its provider answered that calls come too fast, and {wish}")
        return seconds

    def _is_spared(self, attempts: Attempts) -> bool:
        """Whether one call at a time is let through: another try adds no load that a budget has to bound."""
        call = attempts.call
        return call is not None and not self.breakers.is_closed(address(call.url), attempts.job.group)


def _is_final(job: Job, reply: Reply) -> bool:
    return reply.headers.get("x-should-retry", "").lower() == "false" or job.is_final(reply)


def _telling_when(reply: Reply, pause: float) -> Reply:
    """The refusal *reply* with when to come again: after the *pause* of its queue, where the provider did not say."""
    if not pause or "retry-after" in reply.headers or "retry-after-ms" in reply.headers:
        return reply
    return replace(reply, headers={**reply.headers, "retry-after": str(math.ceil(pause))})


async def _read(job: Job, arriving: Arriving, *, whole: bool) -> Reply | Arriving:
    """A good reply, read when it is to be *whole*, or is no stream; a refusal always, without words if need be.

    A good reply that holds an error has the status of that error.
    """
    good = 200 <= arriving.status < 300
    if good and not whole and not arriving.headers.get("content-type", "").startswith("application/json"):
        return arriving
    try:
        reply = await arriving.read()
    except InferenceError:
        if good:
            raise
        return Reply(arriving.status, headers=arriving.headers, neighbour=arriving.neighbour)
    finally:
        arriving.close()
    status = job.status(reply)
    return reply if status == reply.status else replace(reply, status=status)
