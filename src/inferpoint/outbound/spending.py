"""What callers with limits have used in this day and this month, counted here for all workers and kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

from inferpoint.clock import Clock, Timer
from inferpoint.model.budgets import BUDGETS, Amount, Budget, Period, Spent
from inferpoint.model.caller_limits import CallerLimits

KEPT_AFTER = 1.0  # seconds in which what was counted is written down: so much is lost when the process is killed
_NOTHING = Amount()


class _Use:
    """What one caller has used in the period called `name`; of it `open` is what calls in flight are taken to use."""

    __slots__ = ("name", "open", "used")

    def __init__(self, name: str, used: Amount = _NOTHING) -> None:
        self.name = name
        self.used = used
        self.open = _NOTHING


class Charge:
    """What one call takes of its caller's budgets, in the periods in which it began."""

    def __init__(self, uses: Sequence[_Use], amount: Amount, changed: Callable[[], None]) -> None:
        self._uses = uses
        self._changed = changed
        self._amount = _NOTHING
        self.settle(amount)

    def settle(self, amount: Amount) -> None:
        """Take *amount* in place of what was taken before."""
        if amount == self._amount:
            return
        more = amount.plus(self._amount, -1)
        for use in self._uses:
            use.used = use.used.plus(more)
            use.open = use.open.plus(more)
        self._amount = amount
        self._changed()

    def end(self) -> None:
        """The call is over: what it has taken is what it has used."""
        for use in self._uses:
            use.open = use.open.plus(self._amount, -1)
        self._uses = ()


class Spending:
    """The use of every caller, which begins with what was *spent* before and is handed to *keep* after each change.

    Amounts are kept whole, so each of them replaces the one before.
    """

    def __init__(
        self, clock: Clock, spent: Iterable[Spent] = (), keep: Callable[[Sequence[Spent]], None] | None = None
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._uses: dict[str, dict[Period, _Use]] = {}
        self._changed: dict[tuple[str, str], _Use] = {}
        self._timer: Timer | None = None
        self._today = date.min
        self._names: Sequence[tuple[Period, str]] = ()  # of the periods of today
        current = {period.name_at(clock.now()): period for period in Period}
        for caller, name, amount in spent:
            if name in current:
                self._uses.setdefault(caller, {})[current[name]] = _Use(name, amount)

    def exceeded(self, caller: str, limits: CallerLimits, amount: Amount) -> tuple[Budget, float] | None:
        """The budget in which there is no room for *amount*, if there is one, and in how many seconds there may be.

        That is a second where calls in flight have the room, of which some may take less than they were taken to.
        """
        now = self._clock.now()
        uses = self._at(caller, now)
        for budget in BUDGETS:
            limit, wanted = budget.limit(limits), budget.of(amount)
            use = uses[budget.period]
            if limit is None or not wanted or budget.of(use.used) + wanted <= limit:
                continue
            settled = budget.of(use.used.plus(use.open, -1))
            return budget, 1.0 if settled + wanted <= limit else budget.period.left(now)
        return None

    def charge(self, caller: str, amount: Amount) -> Charge:
        """Take *amount* for a call that begins now."""
        uses = tuple(self._at(caller, self._clock.now()).values())
        return Charge(uses, amount, lambda: self._note(caller, uses))

    def used(self, caller: str, budget: Budget) -> int:
        """How much of a *budget* is used, in its unit; what calls in flight are taken to use is in it."""
        return budget.of(self._at(caller, self._clock.now())[budget.period].used)

    def flush(self) -> None:
        """Hand on what has changed, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        changed, self._changed = self._changed, {}
        if changed and self._keep is not None:
            self._keep([Spent(caller, name, use.used) for (caller, name), use in changed.items()])

    def _at(self, caller: str, now: datetime) -> dict[Period, _Use]:
        """The uses of *caller* in the periods of *now*; a clock that goes back does not bring an older one back."""
        today = now.date()
        if today != self._today:
            self._today, self._names = today, [(period, period.name_at(now)) for period in Period]
        uses = self._uses.setdefault(caller, {})
        for period, name in self._names:
            if period not in uses or name > uses[period].name:
                uses[period] = _Use(name)
        return uses

    def _note(self, caller: str, uses: Sequence[_Use]) -> None:
        for use in uses:
            self._changed[caller, use.name] = use
        if self._timer is None and self._keep is not None:
            self._timer = self._clock.at(self._clock.monotonic() + KEPT_AFTER, self.flush)
