"""A breaker for each address: a provider that fails is left alone, but for one call at a time that tries it."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum

from inferpoint.clock import Clock, Timer
from inferpoint.errors import InferenceError, Kind

FAILURES = frozenset({500, 502, 503, 504, 529})
REMEMBERED = 20  # outcomes
ENOUGH = 10  # outcomes, before half of them may open
IN_A_ROW = 5  # failures, which open without more
FIRST_OPEN = 1.0
PARTLY_OPEN = 0.25  # seconds, where a call was answered not long ago: the provider fails some, and may have any
ANSWERED_LATELY = 5.0
LONGEST_OPEN = 30.0
CAPACITY = 2000
RECOVERED = 3  # probes in a row that are answered: of a provider that fails half its calls one is soon
QUIET = 300.0  # seconds after which what was seen of an address no longer says anything of it

Deadline = Callable[[], float | None]


class State(StrEnum):
    """Whether an address is called: yes, no, or by one call that tries it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Passage:
    """Leave to call an address once. Whoever has it says how that `ended`, or that it has `left` and nothing is known.

    The first word counts, so that `left` may always come last.
    """

    def __init__(self, breaker: Breaker, period: int) -> None:
        self._breaker = breaker
        self._period = period

    @property
    def good(self) -> bool:
        """Whether the address may still be called; it may have failed for others since."""
        return self._breaker.holds(self, self._period)

    def ended(self, *, failed: bool) -> None:
        """The call is over. What was sent before the breaker last opened or closed tells nothing new."""
        self._breaker.ended(self, self._period, failed=failed)

    def left(self) -> None:
        """The call was not made, or its caller has gone: another may try."""
        self._breaker.left(self)


class Breaker:
    """The breaker of one address. Each time it opens or closes begins a new period."""

    def __init__(self, address: str, clock: Clock, capacity: int) -> None:
        self._address = address
        self._clock = clock
        self._capacity = capacity
        self._period = 0
        self._failed: deque[bool] = deque(maxlen=REMEMBERED)
        self._open_for = 0.0  # none while it is closed
        self._until = 0.0
        self._probe: Passage | None = None
        self._answered = 0  # probes since it opened
        self._answered_at = -math.inf
        self._waiting: dict[asyncio.Future[Passage | None], Deadline] = {}
        self._timer: Timer | None = None
        self._heard = clock.monotonic()

    @property
    def state(self) -> State:
        """What it lets through now."""
        if not self._open_for:
            return State.CLOSED
        due = self._probe is not None or self._clock.monotonic() >= self._until
        return State.HALF_OPEN if due else State.OPEN

    @property
    def quiet(self) -> bool:
        """Whether it is as good as new: nobody waits or tries, and what it knows is old."""
        busy = self._waiting or self._probe is not None
        return not busy and self._clock.monotonic() - self._heard > QUIET

    def at_once(self) -> Passage | None:
        """Leave to call now, as the probe where one is due; None where there is none."""
        now = self._heard = self._clock.monotonic()
        if not self._open_for:
            return Passage(self, self._period)
        if self._probe is None and now >= self._until:
            self._probe = Passage(self, self._period)
            return self._probe
        return None

    async def enter(self, deadline: Deadline) -> Passage:
        """Leave to call, waited for; `OVERLOADED` at once for who cannot be in time, and when too many wait."""
        while True:
            passage = self.at_once()
            if passage is None:
                self._refuse_if_hopeless(deadline())
                passage = await self._wait(deadline)
            if passage is not None:
                return passage

    def holds(self, passage: Passage, period: int) -> bool:
        """Whether *passage*, given in *period*, still stands."""
        return passage is self._probe or (not self._open_for and period == self._period)

    def ended(self, passage: Passage, period: int, *, failed: bool) -> None:
        """Count the outcome of a call."""
        self._heard = self._clock.monotonic()
        if passage is self._probe:
            self._probe = None
            self._tried(failed=failed)
        elif not self._open_for and period == self._period:
            self._failed.append(failed)
            if failed and self._too_many():
                self._turn_to(FIRST_OPEN)

    def left(self, passage: Passage) -> None:
        """Let the next be the probe, when *passage* was it."""
        if passage is self._probe:
            self._probe = None
            self._try()

    def _tried(self, *, failed: bool) -> None:
        """The probe has come back."""
        now = self._clock.monotonic()
        if failed:
            lately = now - self._answered_at < ANSWERED_LATELY
            self._turn_to(PARTLY_OPEN if lately else min(LONGEST_OPEN, max(FIRST_OPEN, self._open_for * 2)))
            return
        self._answered_at = now
        self._answered += 1
        if self._answered < RECOVERED:
            self._try()
        else:
            self._turn_to(0.0)

    def _too_many(self) -> bool:
        failed = list(self._failed)
        in_a_row = len(failed) >= IN_A_ROW and all(failed[-IN_A_ROW:])
        return in_a_row or (len(failed) >= ENOUGH and sum(failed) * 2 >= len(failed))

    def _turn_to(self, open_for: float) -> None:
        """Open for so many seconds, or close; all who wait look again what that means to them."""
        self._period += 1
        self._answered = 0
        self._failed.clear()
        self._open_for, self._until = open_for, self._clock.monotonic() + open_for
        waiting, self._waiting = self._waiting, {}
        for each in waiting:
            if not each.done():
                each.set_result(None)
        self._arm()

    def _try(self) -> None:
        """When it is time, let who has the least time left be the probe."""
        if self._probe is None and self._clock.monotonic() >= self._until:
            while self._waiting and self._probe is None:
                first = min(self._waiting, key=self._hurry)
                del self._waiting[first]
                if not first.done():  # else its caller has left but does not know it yet
                    self._probe = Passage(self, self._period)
                    first.set_result(self._probe)
        self._arm()

    def _hurry(self, waiting: asyncio.Future[Passage | None]) -> float:
        deadline = self._waiting[waiting]()
        return math.inf if deadline is None else deadline

    async def _wait(self, deadline: Deadline) -> Passage | None:
        """The probe, or None when it is time to look again."""
        woken: asyncio.Future[Passage | None] = asyncio.get_running_loop().create_future()
        self._waiting[woken] = deadline
        self._arm()
        try:
            return await woken
        except asyncio.CancelledError:
            self._waiting.pop(woken, None)
            if woken.done() and not woken.cancelled() and (passage := woken.result()) is not None:
                passage.left()
            self._arm()
            raise

    def _arm(self) -> None:
        """Have one timer, and only while somebody waits for the next probe."""
        wanted = bool(self._waiting) and self._probe is None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.at(self._until, self._ring) if wanted else None

    def _ring(self) -> None:
        self._timer = None
        self._try()

    def _refuse_if_hopeless(self, deadline: float | None) -> None:
        now = self._clock.monotonic()
        due = max(self._until, now)
        if len(self._waiting) < self._capacity and (deadline is None or deadline > due):
            return
        seconds = max(due - now, FIRST_OPEN)
        raise InferenceError(
            Kind.OVERLOADED,
            f"The provider at [{self._address}] is not called now, because too many of the calls to it failed;"
            f" the next try is in [{seconds:.1f}s]",
            retry_after=seconds,
        )


class Breakers:
    """The breakers of all addresses; those that have long been quiet are forgotten."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._breakers: dict[str, Breaker] = {}

    def of(self, address: str) -> Breaker:
        """The breaker of *address*."""
        breaker = self._breakers.get(address)
        if breaker is None or breaker.quiet:
            self._breakers = {name: each for name, each in self._breakers.items() if not each.quiet}
            breaker = self._breakers[address] = Breaker(address, self._clock, self._capacity)
        return breaker

    def states(self) -> Mapping[str, str]:
        """The state of each address that was called of late."""
        return {address: breaker.state.value for address, breaker in self._breakers.items() if not breaker.quiet}


def address(url: str) -> str:
    """Where *url* leads, as `scheme://host:port`, without user, path and query; in our own process its scheme alone."""
    scheme, there, rest = url.partition("://")
    if not there:
        return f"{url.partition(':')[0].lower()}:"
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    return f"{scheme.lower()}://{authority.rpartition('@')[2].lower()}"
