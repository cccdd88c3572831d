from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model.budgets import BUDGETS, Amount, Period
from inferpoint.model.caller_limits import CallerLimits

# The strategy wants times of no zone.
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("now", "names", "left"),
    [
        (datetime(2026, 11, 28, 23, 59, 59, tzinfo=UTC), ("2026-11-28", "2026-11"), (1, 2 * 86_400 + 1)),
        (datetime(2026, 11, 30, 0, 0, 0, tzinfo=UTC), ("2026-11-30", "2026-11"), (86_400, 86_400)),
        (datetime(2026, 12, 31, 12, 0, 0, tzinfo=UTC), ("2026-12-31", "2026-12"), (43_200, 43_200)),
        (datetime(2028, 2, 28, 0, 0, 0, tzinfo=UTC), ("2028-02-28", "2028-02"), (86_400, 2 * 86_400)),
    ],
)
def test_a_period_ends_at_midnight_in_utc(now: datetime, names: tuple[str, str], left: tuple[int, int]) -> None:
    """A day is 24 hours, a month has as many days as it has, also at the end of a year and in a leap year."""
    assert tuple(period.name_at(now) for period in Period) == names
    assert tuple(period.left(now) for period in Period) == left


@given(TIMES, TIMES)
def test_later_periods_sort_later(one: datetime, other: datetime) -> None:
    """Names of periods are in the order of their times, so that what is old is known by its name."""
    early, late = sorted((one, other))
    assert all(period.name_at(early) <= period.name_at(late) for period in Period)


def test_a_budget_is_a_limit_of_one_unit() -> None:
    """Dollars are counted in billionths, tokens one by one, and what is not limited has none."""
    limits = CallerLimits(tokens_per_day=5, usd_per_month=0.25)
    assert {budget.name: budget.limit(limits) for budget in BUDGETS} == {
        "tokens_per_day": 5,
        "tokens_per_month": None,
        "usd_per_day": None,
        "usd_per_month": 250_000_000,
    }
    assert [budget.of(Amount(3, 7)) for budget in BUDGETS] == [3, 3, 7, 7]
