"""What the answers to calls teach: how many tokens texts have, what a call may hold, how long it takes."""

from __future__ import annotations

import pytest

from inferpoint.calls.sizing import Load, Sizing
from inferpoint.model.deadline import Deadline
from inferpoint.model.quota import Rate
from inferpoint.protocols.oversize import Oversize
from inferpoint.protocols.service import Limits


def sizing(**limits: int) -> Sizing:
    return Sizing(Limits(**limits), Rate())


def test_a_refusal_that_counts_teaches_what_texts_cost() -> None:
    """Estimates are from then on no lower than what the provider counted, with nothing passed yet."""
    known, refused = sizing(tokens=300_000), Load(100, 200_000)
    known.refuse(refused, Oversize.TOKENS, "Requested 90000 tokens, max 75000 tokens per request")
    assert known.tokens(refused) >= 90_000
    assert known.tokens(Load(1, 30_000)) >= 30_000 * 90_000 / 200_100


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (Oversize.TOKENS, "Input 1 is wrong: 60000 tokens are too many tokens"),
        (Oversize.INPUTS, "Request 1 is wrong: 100 inputs are too many inputs"),
    ],
)
def test_a_place_is_not_taken_for_a_bound(of: Oversize, words: str) -> None:
    """A 1 beside what was asked names something: calls are halved as without it, not to a single input."""
    known, plain = (sizing(inputs=2048, tokens=300_000) for _ in range(2))
    known.refuse(Load(100, 200_000), of, words)
    plain.refuse(Load(100, 200_000), of, "")
    for count in range(1, 101):
        load = Load(count, count * 2000)
        assert known.fits(load) is plain.fits(load)
    assert known.fits(Load(49, 49 * 2000))


def reserved(known: Sizing, timeout: float) -> float:
    """The seconds before a deadline in which no call is begun."""
    return timeout - known.begin_by(Deadline(timeout, timeout)).at


@pytest.mark.parametrize(("times", "least"), [((2,), 2), ((1, 3), 3), ((1, 1, 1, 5), 5)])
def test_time_is_reserved_for_nearly_all_calls(times: tuple[int, ...], least: int) -> None:
    """As long as the slower of the calls before took, not as they took on average."""
    known = sizing()
    for _ in range(20):
        for seconds in times:
            known.took(seconds)
    assert least < reserved(known, 1000) < 3 * least


def test_a_provider_that_becomes_slow_is_reckoned_with_from_the_next_call_on() -> None:
    """The time between its calls' lengths is learnt faster than their mean: one that took five seconds is enough."""
    known = sizing()
    for _ in range(40):
        known.took(1)
    known.took(5)
    assert 5 < reserved(known, 1000) < 7


def test_no_more_than_a_tenth_of_the_timeout_is_reserved() -> None:
    """How long a model writes varies: who has little time is not refused for what others asked."""
    known = sizing()
    for _ in range(20):
        known.took(60)
    assert reserved(known, 30) == pytest.approx(3)
