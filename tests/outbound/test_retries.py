from __future__ import annotations

import math
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from clock import NOON, FakeClock, on_a_loop
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model.quota import Lane
from inferpoint.outbound.retries import Budget, Throttles, Verdict, asked_to_wait, patience, pause, verdict

ODD = ["²", "9" * 400, "inf", "nan", "-1", "Mon, 99 Jan 2026 00:00:00 GMT", "1 2 3 4 5"]


@given(st.integers(1, 5000), st.floats(0, 100), st.floats(0, 1))
def test_pauses_stay_in_their_bounds(failures: int, asked: float, chance: float) -> None:
    """A pause is anything up to a bound that doubles to five seconds, and at least what was asked for."""
    bound = min(5.0, 2.0 ** min(failures - 1, 10))
    found = pause(failures, asked, lambda low, high: low + (high - low) * chance)
    assert asked <= found <= max(bound, asked)
    assert found == pytest.approx(max(bound * chance, asked))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "4200"}, 4.2),
        ({"retry-after-ms": "3000", "retry-after": "9"}, 3),
        ({"retry-after": format_datetime(NOON + timedelta(seconds=11), usegmt=True)}, 11),
        ({"retry-after": format_datetime(NOON - timedelta(days=1), usegmt=True)}, 0),
        ({"retry-after": format_datetime(NOON + timedelta(seconds=11)).replace("+0000", "-0000")}, 11),
        ({"retry-after": "9" * 30}, 86_400),
    ],
)
def test_every_form_of_retry_after_is_read(headers: dict[str, str], seconds: float) -> None:
    """Seconds, milliseconds and dates are read to the second, the past is none and for ever is a day."""
    assert asked_to_wait(headers, NOON) == pytest.approx(seconds)


@given(st.text() | st.sampled_from(ODD), st.booleans())
def test_any_retry_after_is_a_number_of_seconds(text: str, milliseconds: bool) -> None:
    """Whatever a provider writes there, it is a time that can be told to a caller, or none."""
    found = asked_to_wait({"retry-after-ms" if milliseconds else "retry-after": text}, NOON)
    assert 0 <= found < math.inf


@pytest.mark.parametrize(
    ("lane", "timeout", "seconds"),
    [
        (Lane.INGEST, 30, math.inf),
        (Lane.SEARCH, 30, 6),
        (Lane.OTHER, 30, 6),
        (Lane.OTHER, 120, 10),
        (Lane.OTHER, math.inf, 10),
    ],
)
def test_patience_is_of_those_who_do_not_wait(lane: Lane, timeout: float, seconds: float) -> None:
    """A fifth of the timeout and ten seconds at most, where somebody waits for the answer."""
    assert patience(lane, timeout) == seconds


HASTE, ENDLESS = 10.0, math.inf


@pytest.mark.parametrize(
    ("what", "judged"),  # the arguments, in their order
    [
        ((0, 0, HASTE, 1, 30, True), Verdict.REQUEUE),
        ((9, 0, HASTE, 1, 30, True), Verdict.REQUEUE),
        ((9, 0, HASTE, 1.1, 30, True), Verdict.STOP),
        ((0, 0, HASTE, 11, 30, True), Verdict.STOP),
        ((0, 0, HASTE, 1, 1, True), Verdict.STOP),
        ((5, 9, HASTE, 1, 30, False), Verdict.REQUEUE),
        ((900, 0, ENDLESS, 60, 90, False), Verdict.REQUEUE),
        ((900, 0, ENDLESS, 60, 60, True), Verdict.STOP),
        ((None, 1, HASTE, 1, 30, True), Verdict.RETRY),
        ((None, 2, HASTE, 29, 30, True), Verdict.RETRY),
        ((None, 3, HASTE, 1, 30, True), Verdict.STOP),
        ((None, 1, HASTE, 30, 30, True), Verdict.STOP),
        ((None, 1, HASTE, 1, 30, False), Verdict.UNAFFORDABLE),
        ((None, 99, ENDLESS, 1, 30, True), Verdict.RETRY),
        ((None, 1, ENDLESS, 1, 30, False), Verdict.WAIT),
        ((None, 1, ENDLESS, 30, 30, False), Verdict.STOP),
    ],
)
def test_the_verdict_after_an_attempt(what: tuple[Any, ...], judged: Verdict) -> None:
    """Throttled calls go round while their patience lasts, failed ones three times and within the budget."""
    throttled, failures, patience, pause, left, affordable = what
    assert (
        verdict(
            throttled=throttled, failures=failures, patience=patience, pause=pause, left=left, affordable=affordable
        )
        is judged
    )


def spent(budget: Budget) -> int:
    """How many retries there are, by taking them all."""
    number = 0
    while budget.spend():
        number += 1
    return number


@on_a_loop
async def test_a_budget_begins_with_ten_and_ten_calls_earn_one_more() -> None:
    """The reserve is there at once; then each tenth first attempt allows one retry, and no ninth does."""
    budget = Budget(FakeClock())
    assert spent(budget) == 10
    for _ in range(9):
        budget.earn()
    assert (budget.left(), spent(budget)) == (0.9, 0)
    budget.earn()
    assert spent(budget) == 1


@on_a_loop
async def test_a_budget_holds_no_more_than_ten_however_many_calls_there_were() -> None:
    """A thousand first attempts at one moment allow no storm of retries at the next."""
    budget = Budget(FakeClock())
    for _ in range(1000):
        budget.earn()
    assert (budget.left(), spent(budget)) == (10, 10)


@on_a_loop
async def test_a_quiet_process_may_retry_once_in_ten_seconds() -> None:
    """An empty budget fills by time too, and holds no more than its reserve."""
    clock = FakeClock()
    budget = Budget(clock)
    spent(budget)
    await clock.advance(9)
    assert spent(budget) == 0
    await clock.advance(1)
    assert spent(budget) == 1
    await clock.advance(10_000)
    assert spent(budget) == 10


@given(st.lists(st.sampled_from(["call", "retry"]) | st.floats(0, 30), max_size=300))
@on_a_loop
async def test_retries_are_a_tenth_of_the_calls(events: list[str | float]) -> None:
    """However calls, retries and time follow each other: a tenth, the reserve, and one for each ten seconds."""
    clock = FakeClock()
    budget = Budget(clock)
    calls = retries = 0
    for event in events:
        if event == "call":
            budget.earn()
            calls += 1
        elif event == "retry":
            retries += budget.spend()
        elif isinstance(event, float):
            await clock.advance(event)
        assert 0 <= budget.left() <= 10
        assert retries <= calls / 10 + 10 + clock.passed / 10 + 1e-9


@on_a_loop
async def test_throttles_that_were_on_their_way_together_count_once() -> None:
    """Eight calls at once that are throttled are one sign; one sent after it is the second, and a success ends them."""
    clock = FakeClock()
    throttles = Throttles(clock)
    sent = clock.monotonic()
    await clock.advance(1)
    assert [throttles.again("g", sent) for _ in range(8)] == [1] * 8
    throttles.over("g", sent)
    await clock.advance(1)
    assert throttles.again("g", clock.monotonic()) == 2
    assert throttles.again("other", clock.monotonic()) == 1
    throttles.over("g", clock.monotonic())
    assert throttles.again("g", clock.monotonic()) == 1


@on_a_loop
async def test_throttles_of_long_ago_are_forgotten() -> None:
    """Groups that are gone keep no memory."""
    clock = FakeClock()
    throttles = Throttles(clock)
    throttles.again("old", clock.monotonic())
    await clock.advance(301)
    throttles.again("new", clock.monotonic())
    assert list(throttles.on) == ["new"]
