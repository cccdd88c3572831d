"""The scheduler alone, in this process: what a turn costs when there is room, and how two greedy callers share."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from quota.stage import Row

from inferpoint.clock import SystemClock
from inferpoint.model.quota import Cost, Rate
from inferpoint.model.requests import Caller
from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.ticket import Permit, Ticket

ROUNDS = 7
TURNS = 50_000


async def cost(_seconds: float) -> list[Row]:
    """Turns one after the other at a rate that never makes anybody wait."""
    queue = Limiter(SystemClock())
    ticket = Ticket("cost", Rate(requests=10**9, tokens=10**12), Caller("one"))
    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TURNS):
            permit = await _permit(queue, ticket, 10)
            permit.sent()
            permit.settle(Cost(tokens=10))
            permit.release()
        took.append((time.perf_counter() - began) / TURNS * 1e6)
    middle = statistics.median(took)
    return [Row("cost", "µs a request when there is room", f"{middle:.2f}", "≤ 3", middle <= 3)]


async def fair(seconds: float) -> list[Row]:
    """Two callers at 6,000 requests a minute, one of them with four times as many requests waiting."""
    queue = Limiter(SystemClock())
    seconds = min(seconds, 20)
    turns: Counter[str] = Counter()

    async def greedy(caller: Caller) -> None:
        while True:
            (await _permit(queue, Ticket("fair", Rate(requests=6000), caller), 1)).sent()
            turns[caller.name] += 1

    callers = [Caller("few")] * 20 + [Caller("many")] * 80
    tasks = [asyncio.create_task(greedy(caller)) for caller in callers]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    share = turns["few"] / max(1, turns.total())
    used = turns.total() / (100 * seconds)
    even = abs(share - 0.5) <= 0.05 * 0.5
    return [
        Row("fair", "share of one of two greedy callers, in process", f"{share:.1%}", "50 ± 2.5 %", even),
        Row("fair", "share of the limit used", f"{used:.1%}", "≥ 98 %", used >= 0.98),
    ]


IN_PROCESS: dict[str, Callable[[float], Awaitable[list[Row]]]] = {"cost": cost, "fair": fair}


async def _permit(queue: Limiter, ticket: Ticket, tokens: int) -> Permit:
    """A permit for a call of so many tokens."""
    permit = await queue.permit(ticket, lambda: Cost(tokens=tokens))
    assert isinstance(permit, Permit)
    return permit
