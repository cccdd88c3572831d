"""A way out on a clock that stands still, to a provider that answers what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from clock import FakeClock
from world import Answer, Provider, in_turn

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import ANONYMOUS, Journey
from inferpoint.model.quota import Lane, Rate
from inferpoint.runtime.breaker import Breakers
from inferpoint.runtime.limiter import Limiter, Place
from inferpoint.runtime.outbound import Outbound, Outgoing
from inferpoint.runtime.retries import Budget
from inferpoint.runtime.telemetry import Telemetry

OK, BUSY, LIMITED = Reply(200, b"ok"), Reply(503), Reply(429)
CUT = InferenceError(Kind.CUT_OFF, "cut")


class Way:
    """A way out on a clock of its own, to a provider that answers what a test says."""

    def __init__(self, *answers: Any, answer: Answer | None = None) -> None:
        self.clock = FakeClock()
        self.provider = Provider(answer or in_turn(*answers))
        self.limiter = Limiter(self.clock)
        self.breakers, self.budget = Breakers(self.clock), Budget(self.clock)
        self.telemetry = Telemetry(self.limiter.groups, self.breakers.states, self.budget.left, lambda _: None)
        transports = dict.fromkeys(("https", "local"), self.provider)
        self.outbound = Outbound(transports, self.limiter, self.breakers, self.budget, self.clock, self.telemetry)

    def outgoing(
        self,
        seconds: float | None = 60,
        rate: Rate | None = None,
        tokens: int | Callable[[], int] = 0,
        prepare: Callable[[], Call] = lambda: Call("HTTPS://a.test/x?key=secret"),
        lane: Lane = Lane.OTHER,
        **more: Any,
    ) -> Outgoing:
        """A call that must begin within *seconds*, of a service that has 503 tried again."""
        deadline = None if seconds is None else self.clock.monotonic() + seconds
        return Outgoing(
            service="s",
            prepare=prepare,
            sign=lambda call, now: call.with_headers({"date": str(now)}),
            place=Place("g", rate or Rate(), ANONYMOUS, "e", lane, deadline=deadline),
            tokens=tokens if callable(tokens) else lambda: tokens,
            deadline=lambda: deadline,
            retried=frozenset({503}),
            **{"journey": Journey(), **more},
        )

    def send(self, **more: Any) -> Reply:
        return asyncio.run(self.clock.drive(self.outbound.send(self.outgoing(**more))))[0]

    def sending(self, **more: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self.outbound.send(self.outgoing(**more)))

    @property
    def sent(self) -> list[str]:
        """The last part of the path of each call that was sent."""
        return [call.url.rpartition("/")[2] for call in self.provider.calls]

    def counted(self, name: str) -> float:
        lines = asyncio.run(self.telemetry.exposition()).decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
