"""The one way out: a permit of the group's queue and one of the breakers, sign, send, and try again."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply, address, scheme
from inferpoint.model.quota import Allowance, Cost
from inferpoint.outbound.attempts import Attempts
from inferpoint.outbound.breaker import FAILURES
from inferpoint.outbound.breakers import Breakers
from inferpoint.outbound.replies import is_final, read, telling_when
from inferpoint.outbound.retries import Budgets, Throttles, Verdict, asked_to_wait, patience, pause, verdict
from inferpoint.outbound.ticket import Job, Permit, RateLimiter, Reason, Refusal, Ticket
from inferpoint.outbound.transport import Arriving, Transport, UnreachableError, Whole
from inferpoint.telemetry.counters import CallCounters
from inferpoint.telemetry.events import Called, Retry
from inferpoint.telemetry.log import warn

# The statuses that are worth another try, and why.
_REASONS = {429: Retry.THROTTLED, **dict.fromkeys(FAILURES, Retry.SERVER_ERROR)}
_REFUSAL = 400  # the least status of a refusal
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

    def send(self, job: Job) -> Awaitable[tuple[Reply, Permit] | Refusal]:
        """The whole reply, whatever its status, with the permit to settle and release; `CUT_OFF` when there is none."""
        return self._answer(job, whole=True)

    def open(self, job: Job) -> Awaitable[tuple[Arriving, Permit] | Refusal]:
        """A reply that has begun, to be closed, with the permit to settle and release; nothing is tried again after.

        A reply that is not good, or is no stream, is a `Whole` one.
        """
        return self._answer(job, whole=False)

    async def _answer(self, job: Job, *, whole: bool) -> tuple[Any, Permit] | Refusal:
        """Attempts until there is something to hand on."""
        attempts = Attempts(job, self._clock)
        throttle: Reply | None = None
        try:
            while True:
                patient = job.deadline().patience == math.inf
                call = await (self._permitted(attempts) if patient else self._permitted_in_time(attempts))
                if type(call) is Refusal:
                    if call.reason is not Reason.PAUSED or throttle is None:
                        return call
                    reply = telling_when(throttle, call.wait)
                    break
                attempts.ahead = True
                try:
                    reply = await self._attempt(attempts, call, whole=whole)
                except InferenceError as error:
                    if await self._is_worth_another(attempts, error):
                        continue
                    raise
                reason = _REASONS.get(reply.status) if reply.status >= _REFUSAL else None
                if reason is None:
                    self._throttles.over(job.group, attempts.sent_at)
                    break
                assert isinstance(reply, Reply)
                throttle = reply if reason is Retry.THROTTLED else None
                if not await self._again(attempts, reason, reply):
                    reply = reply if throttle is None else telling_when(throttle, attempts.pause)
                    break
            return Whole(reply) if not whole and isinstance(reply, Reply) else reply, attempts.hand_on()
        finally:
            if not attempts.handed_on:
                attempts.end()

    async def _permitted_in_time(self, attempts: Attempts) -> Call | Refusal:
        """The call, once there are permits; refused when its job's patience ends before."""
        patience = attempts.job.deadline().patience
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

        The breakers are asked before the limiter; but the address is not known before the first turn.
        """
        job, call = attempts.job, attempts.call
        if call is None:
            permit = await self._turn(attempts)
            if type(permit) is Refusal:
                return permit
            call = attempts.call = job.call()
            if call is None:
                return Refusal(Reason.UNWANTED)
            permit.settle(job.cost())  # others may have joined the call while its turn came
            attempts.breaker = self.breakers.at_once(address(call.url), job.group, job.caller.name)
            if attempts.breaker is not None:
                return call
            attempts.ahead = True
        return await self._permitted_again(attempts, call)

    async def _permitted_again(self, attempts: Attempts, call: Call) -> Call | Refusal:
        """The *call*, which had a turn, once there are permits; its address may fail while it waits for one."""
        job = attempts.job
        while True:
            attempts.release()
            entered = await self.breakers.enter(address(call.url), job.group, job.caller.name, job.deadline)
            if isinstance(entered, Refusal):
                return entered
            attempts.breaker = entered
            permit = await self._turn(attempts)
            if isinstance(permit, Refusal):
                return permit
            if entered.holds:
                return call
            attempts.ahead = True

    async def _turn(self, attempts: Attempts) -> Permit | Refusal:
        """The permit of a job's group; a turn that cannot be used is given back in the end."""
        job = attempts.job
        ticket = job.ticket(ahead=attempts.ahead)
        if job.group in self._throttles.on:
            ticket = self._bearing(attempts, ticket)
        permit = await self.limiter.permit(ticket, job.cost)
        if type(permit) is Refusal:
            return permit
        attempts.permit = permit
        # Others were more urgent, or a provider made all wait: the answer would be paid, and come too late.
        if permit.waited > 0 and job.deadline().left(self._clock.monotonic()) < 0:
            return Refusal(Reason.LATE, permit.waited, permit.waited)
        return permit

    def _bearing(self, attempts: Attempts, ticket: Ticket) -> Ticket:
        """*ticket* with for how long its job bears it that the provider asks to wait."""
        now = self._clock.monotonic()
        borne = patience(attempts.job.lane, ticket.deadline.timeout) - attempts.throttled(now)
        return msgspec.structs.replace(ticket, bears_until=now + borne)

    async def _attempt(self, attempts: Attempts, call: Call, *, whole: bool) -> Reply | Arriving:
        job, breaker = attempts.job, attempts.breaker
        assert breaker is not None
        if not attempts.count:
            self._budgets.earn(job.group)
        attempts.begin(self._clock.monotonic())
        status = 0
        try:
            arriving = await self._transports[scheme(call.url)].send(job.sign(call, self._clock.now()))
            status = arriving.status
            reply = await read(job, arriving, whole=whole)
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
            seconds = attempts.ended(self._clock.monotonic())
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

    async def _is_worth_another(self, attempts: Attempts, error: InferenceError) -> bool:
        """Whether to try again after *error*, which came in place of a reply; said once the pause before is over."""
        hung_up = error.kind is Kind.CUT_OFF and not isinstance(error, UnreachableError)
        if error.kind is not Kind.CUT_OFF or (hung_up and attempts.job.is_final(None)):
            return False
        return await self._again(attempts, Retry.UNREACHABLE, None)

    async def _again(self, attempts: Attempts, reason: Retry, reply: Reply | None) -> bool:
        """Whether to try again, said once the pause before is over."""
        job = attempts.job
        if reason is Retry.THROTTLED:
            assert attempts.permit is not None
            attempts.permit.settle(Cost())  # the provider does not count what it refuses
        else:
            attempts.fail()
        if reply is not None and is_final(job, reply):
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
        begins = group not in self._throttles.on
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
