"""A breaker: what fails is left alone, but for one call at a time that tries it. `breakers.py` says what has one."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from inferpoint.clock import Clock, Timer
from inferpoint.model.deadline import Deadline
from inferpoint.outbound.ticket import Reason, Refusal
from inferpoint.telemetry.log import inform, warn

FAILURES = frozenset({500, 502, 503, 504, 529})
REMEMBERED = 20  # outcomes
ENOUGH = 10  # outcomes, before half of them may open
IN_A_ROW = 5  # failures, which open without more
FIRST_OPEN = 1.0
PARTLY_OPEN = 0.25  # seconds, where a call was answered not long ago: the provider fails some, and may have any
ANSWERED_LATELY = 5.0
LONGEST_OPEN = 30.0
RECOVERED = 3  # probes in a row that are answered: of a provider that fails half its calls one is soon
QUIET = 300.0  # seconds after which what was seen of an address no longer says anything of it


class State(StrEnum):
    """Whether an address is called: by all, by nobody, by the next call, which tries it; or by one that does."""

    CLOSED = "closed"
    OPEN = "open"
    READY = "ready"
    PROBING = "probing"

    @property
    def shown(self) -> str:
        """The state in the three words that other breakers use."""
        return "half_open" if self in (State.READY, State.PROBING) else self.value


class Event(StrEnum):
    """A change of the state of a breaker."""

    TRIPPED = "too many calls failed"
    WAITED = "the time to leave it alone is over"
    PROBED = "a call tries it"
    ANSWERED = "the probe was answered"
    RECOVERED = "enough probes in a row were answered"
    FAILED = "the probe failed"
    ABANDONED = "the probe's caller has left"


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.CLOSED: {Event.TRIPPED: State.OPEN},
    State.OPEN: {Event.WAITED: State.READY},
    State.READY: {Event.PROBED: State.PROBING},
    State.PROBING: {
        Event.ANSWERED: State.READY,
        Event.RECOVERED: State.CLOSED,
        Event.FAILED: State.OPEN,
        Event.ABANDONED: State.READY,
    },
}


class BreakerPermit(msgspec.Struct, eq=False):
    """The permission to call an address once. Its holder says how the call `ended`, and releases it on every path.

    A permit that is released before its call ended tells nothing of the address. The first word counts.
    """

    breaker: Breaker
    period: int

    @property
    def holds(self) -> bool:
        """Whether the address may still be called; it may have failed for others since."""
        return self.breaker.holds(self)

    def ended(self, *, failed: bool) -> None:
        """Say that the call is over. One sent before the breaker last opened or closed tells nothing new."""
        self.breaker.ended(self, failed=failed)

    def release(self) -> None:
        """End the permit: another call may try the address."""
        self.breaker.released(self)


class Breaker:
    """The breaker of calls to one *address*, which refuses them for *reason*.

    A new period begins each time it opens or closes. Those who wait try the address by turns: next is whose last try is
    the longest ago, however short of time others are. `heard` is when it was last asked or told anything.
    """

    def __init__(self, address: str, reason: Reason, clock: Clock, capacity: int) -> None:
        self._address = address
        self._reason = reason
        self._clock = clock
        self._capacity = capacity
        self._state = State.CLOSED
        self._period = 0
        self._failed: deque[bool] = deque(maxlen=REMEMBERED)
        self._open_for = 0.0
        self._until = 0.0
        self._probe: BreakerPermit | None = None
        self._answered = 0  # probes since it opened
        self._answered_at = -math.inf
        self._waiting: dict[asyncio.Future[BreakerPermit | None], str] = {}  # whose turn each waits for, by arrival
        self._probes = 0
        self._turns: dict[str, int] = {}  # the number of everybody's last probe since it opened
        self._timer: Timer | None = None
        self.heard = clock.monotonic()

    @property
    def state(self) -> State:
        """The state as of now."""
        if self._state is State.OPEN and self._clock.monotonic() >= self._until:
            self._turn(Event.WAITED)
        return self._state

    def is_quiet(self, now: float) -> bool:
        """Whether the breaker is as good as new: no call waits or tries, and what it knows is old."""
        return now - self.heard > QUIET and not self._waiting and self._probe is None

    def at_once(self, turn: str) -> BreakerPermit | None:
        """A permit to call now, as the probe where one is due and nobody waits for it; None where there is none."""
        if self._state is State.CLOSED:
            return BreakerPermit(self, self._period)
        return self._probing(turn) if self.state is State.READY and not self._waiting else None

    async def enter(self, turn: str, deadline: Callable[[], Deadline]) -> BreakerPermit | Refusal:
        """A permit to call, waited for; a refusal at once when it would come too late, or too many wait.

        *turn* is whose turn it is when the call is the probe. *deadline* tells by when it must begin; that may move.
        """
        while True:
            permit = self.at_once(turn)
            if permit is None:
                if refusal := self.refusal(deadline()):
                    return refusal
                permit = await self._wait(turn)
            if permit is not None:
                return permit

    def refusal(self, deadline: Deadline) -> Refusal | None:
        """Why nobody waits here who must have called by *deadline*, if so: the next try is later, or too many wait."""
        now = self._clock.monotonic()
        due = max(self._until, now)
        if self.state is State.CLOSED or (len(self._waiting) < self._capacity and deadline.at > due):
            return None
        seconds = max(due - now, FIRST_OPEN)
        return Refusal(self._reason, seconds, seconds, self._address)

    def holds(self, permit: BreakerPermit) -> bool:
        """Whether *permit* still stands; for `BreakerPermit`."""
        return permit is self._probe or (self._state is State.CLOSED and permit.period == self._period)

    def ended(self, permit: BreakerPermit, *, failed: bool) -> None:
        """Count the outcome of a call; for `BreakerPermit`."""
        self.heard = self._clock.monotonic()
        if permit is self._probe:
            self._probe = None
            self._tried(failed=failed)
        elif self._state is State.CLOSED and permit.period == self._period:
            self._failed.append(failed)
            if failed and self._too_many():
                self._begin(Event.TRIPPED, FIRST_OPEN)

    def released(self, permit: BreakerPermit) -> None:
        """Let the next call be the probe, when *permit* was it; for `BreakerPermit`."""
        if permit is self._probe:
            self._probe = None
            self._turn(Event.ABANDONED)
            self._try()

    def _turn(self, event: Event) -> None:
        self._state = TRANSITIONS[self._state][event]

    def _probing(self, turn: str) -> BreakerPermit:
        self._turn(Event.PROBED)
        self._probes += 1
        self._turns[turn] = self._probes
        self._probe = BreakerPermit(self, self._period)
        return self._probe

    def _tried(self, *, failed: bool) -> None:
        """Judge the address by its probe, which has come back."""
        now = self._clock.monotonic()
        if failed:
            lately = now - self._answered_at < ANSWERED_LATELY
            longer = min(LONGEST_OPEN, max(FIRST_OPEN, self._open_for * 2))
            self._begin(Event.FAILED, PARTLY_OPEN if lately else longer)
            return
        self._answered_at = now
        self._answered += 1
        if self._answered < RECOVERED:
            self._turn(Event.ANSWERED)
            self._try()
        else:
            self._turns.clear()
            self._begin(Event.RECOVERED, 0.0)

    def _too_many(self) -> bool:
        failed = list(self._failed)
        in_a_row = len(failed) >= IN_A_ROW and all(failed[-IN_A_ROW:])
        return in_a_row or (len(failed) >= ENOUGH and sum(failed) * 2 >= len(failed))

    def _begin(self, event: Event, open_for: float) -> None:
        """Open for so many seconds, or close; all who wait look again what that means to them."""
        self._turn(event)
        self._period += 1
        self._answered = 0
        self._failed.clear()
        self._open_for, self._until = open_for, self._clock.monotonic() + open_for
        address = self._address
        if event is Event.TRIPPED:
            warn(f"Calls to [{address}] keep failing: they stop, but for one at a time that tries it", address=address)
        elif event is Event.RECOVERED:
            inform(f"Calls to [{address}] are answered again", address=address)
        waiting, self._waiting = self._waiting, {}
        for woken in waiting:
            if not woken.done():
                woken.set_result(None)
        self._arm()

    def _try(self) -> None:
        """When it is time, let the call be the probe whose turn it is."""
        if self.state is State.READY:
            while self._waiting and self._probe is None:
                woken = min(self._waiting, key=lambda waiting: self._turns.get(self._waiting[waiting], 0))
                turn = self._waiting.pop(woken)
                if not woken.done():  # else its caller has left but does not know it yet
                    woken.set_result(self._probing(turn))
        self._arm()

    async def _wait(self, turn: str) -> BreakerPermit | None:
        """The probe, or None when it is time to look again."""
        woken: asyncio.Future[BreakerPermit | None] = asyncio.get_running_loop().create_future()
        self._waiting[woken] = turn
        self._arm()
        try:
            return await woken
        except asyncio.CancelledError:
            self._waiting.pop(woken, None)
            if woken.done() and not woken.cancelled() and (permit := woken.result()) is not None:
                permit.release()
            self._arm()
            raise

    def _arm(self) -> None:
        """Have one timer, and only while a call waits for the next probe."""
        wanted = bool(self._waiting) and self._probe is None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.at(self._until, self._ring) if wanted else None

    def _ring(self) -> None:
        self._timer = None
        self._try()
