"""A way out on a clock that stands still, to a provider that answers what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clock import FakeClock
from world import Answer, Provider, in_turn

from inferpoint.calls.refusals import refused
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Allowance, Cost, Lane, Rate
from inferpoint.model.requests import ANONYMOUS, Caller, RequestStats
from inferpoint.outbound.breakers import Breakers
from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.retries import Budgets
from inferpoint.outbound.ticket import Job, Permit, Refusal, Ticket
from inferpoint.outbound.transport import Arriving
from inferpoint.telemetry.telemetry import Telemetry

OK, BUSY, LIMITED = Reply(200, b"ok"), Reply(503), Reply(429)
CUT = InferenceError(Kind.CUT_OFF, "cut")


@dataclass
class Outgoing:
    """A job that is what a test says."""

    prepare: Callable[[], Call]
    rate: Rate
    until: Deadline
    tokens: int | Callable[[], int]
    stats: RequestStats = field(default_factory=RequestStats)
    final: Callable[[Reply], bool] = lambda reply: reply.status == 500  # one that no retry will change
    judged: Callable[[Reply], int] = lambda reply: reply.status
    quota: Callable[[Mapping[str, str], datetime], Allowance] = lambda _headers, _now: Allowance()
    asks: Callable[[Reply], float | None] = lambda _: None
    lane: Lane = Lane.OTHER
    service: str = "s"
    group: str = "g"
    caller: Caller = ANONYMOUS

    def ticket(self, *, ahead: bool) -> Ticket:
        return Ticket(self.group, self.rate, self.caller, self.lane, self.service, self.until, ahead)

    def cost(self) -> Cost:
        return Cost(tokens=self.tokens() if callable(self.tokens) else self.tokens)

    def deadline(self) -> Deadline:
        return self.until

    def call(self) -> Call:
        return self.prepare()

    def sign(self, call: Call, now: datetime) -> Call:
        return call.with_headers({"date": str(now)})

    def status(self, reply: Reply) -> int:
        return self.judged(reply)

    def pause(self, reply: Reply) -> float | None:
        return self.asks(reply)

    def is_final(self, reply: Reply | None) -> bool:
        return reply is not None and self.final(reply)

    def allowance(self, headers: Mapping[str, str], now: datetime) -> Allowance:
        return self.quota(headers, now)


class Told:
    """A way out whose refusals are errors, as callers are told them; permits are released at once."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def send(self, job: Job) -> tuple[Reply, Permit]:
        return self._said(job, await self._outbound.send(job))

    async def open(self, job: Job) -> tuple[Arriving, Permit]:
        return self._said(job, await self._outbound.open(job))

    def _said(self, job: Job, answer: Any) -> Any:
        if isinstance(answer, Refusal):
            raise refused(answer, job.ticket(ahead=False), "e")
        answer[1].release()
        return answer


class Way:
    """A way out on a clock of its own, to a provider that answers what a test says."""

    def __init__(self, *answers: Any, answer: Answer | None = None) -> None:
        self.clock = FakeClock()
        self.provider = Provider(answer or in_turn(*answers))
        self.limiter = Limiter(self.clock)
        self.breakers, self.budgets = Breakers(self.clock), Budgets(self.clock)
        self.telemetry = Telemetry(
            self.limiter.groups,
            lambda: self.limiter.callers(ANONYMOUS),
            self.breakers.states,
            self.budgets.least,
            lambda _: None,
        )
        transports = dict.fromkeys(("https", "local"), self.provider)
        self.outbound = Told(
            Outbound(transports, self.limiter, self.breakers, self.budgets, self.clock, self.telemetry.calls)
        )

    def outgoing(
        self,
        seconds: float | None = 60,
        rate: Rate | None = None,
        tokens: int | Callable[[], int] = 0,
        prepare: Callable[[], Call] = lambda: Call("HTTPS://a.test/x?key=secret"),
        **more: Any,
    ) -> Outgoing:
        """A call that must begin within *seconds*, of a service whose 500 no retry will change."""
        until = NEVER if seconds is None else Deadline(self.clock.monotonic() + seconds, seconds)
        return Outgoing(prepare, rate or Rate(), until, tokens, **more)

    def send(self, **more: Any) -> Reply:
        return asyncio.run(self.clock.drive(self.outbound.send(self.outgoing(**more))))[0]

    def sending(self, **more: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self.outbound.send(self.outgoing(**more)))

    @property
    def sent(self) -> list[str]:
        """The last part of the path of each call that was sent."""
        return [call.url.rpartition("/")[2] for call in self.provider.calls]

    @property
    def states(self) -> dict[str, str]:
        """The state of the breaker of each group's calls, and without a name that of the address."""
        return {report.group: report.state for report in self.breakers.states()}

    def counted(self, name: str) -> float:
        lines = asyncio.run(self.telemetry.exposition()).decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
