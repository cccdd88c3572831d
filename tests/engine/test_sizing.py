from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inferpoint.calls.sizing import FILLED, Bound, Load, Sizing, load_of
from inferpoint.model.quota import Rate
from inferpoint.protocols.oversize import Oversize
from inferpoint.protocols.service import Limits

UNLIMITED = Rate()


def sizing(rate: Rate = UNLIMITED, **limits: int) -> Sizing:
    return Sizing(Limits(**limits), rate)


def taught(known: Sizing, a_byte: float, size: int, times: int = 1) -> Sizing:
    """*known*, after calls of one text of *size* bytes whose tokens were counted."""
    for _ in range(times):
        known.count(Load(1, size), round(size * a_byte) + 1)
    return known


def largest(known: Sizing, one: Load) -> int:
    """How many inputs like *one* a call may hold."""
    total, count = Load(), 0
    while True:
        total.add(one)
        if not known.fits(total):
            return count
        count += 1


@pytest.mark.parametrize(
    ("given", "load"),
    [
        ("", (1, 0, 0)),
        ("abc", (1, 3, 0)),
        ("äö", (1, 4, 0)),
        ("词语", (1, 6, 0)),
        ("😀", (1, 4, 0)),
        ("\ud83d", (1, 3, 0)),
        ((), (1, 0, 0)),
        ((1, 2, 100_000), (1, 21, 3)),
    ],
)
def test_what_an_input_weighs(given: str | tuple[int, ...], load: tuple[int, int, int]) -> None:
    """Its bytes in UTF-8, surrogates alone too; of token arrays the tokens."""
    found = load_of(given)
    assert (found.inputs, found.bytes, found.tokens) == load


@given(st.lists(st.builds(Load, *[st.integers(0, 10**9)] * 3)))
def test_what_is_put_in_can_be_taken_out(loads: list[Load]) -> None:
    """In any order: nothing is left."""
    total = Load()
    for load in loads:
        total.add(load)
    for load in reversed(loads):
        total.add(load, -1)
    assert (total.inputs, total.bytes, total.tokens) == (0, 0, 0)


# Estimates


@pytest.mark.parametrize("size", [0, 1, 100, 30_000, 10**7])
def test_estimates_begin_at_a_third_of_the_bytes(size: int) -> None:
    """And one token more for each input."""
    assert sizing().tokens(Load(2, size)) == pytest.approx(size / 3 + 2, abs=1)


@given(st.integers(1, 10**6))
def test_tokens_are_counted_as_they_are(count: int) -> None:
    """What comes as tokens is not estimated, whatever was counted for texts."""
    known = taught(sizing(), 0.9, 50_000)
    assert known.tokens(load_of((1,) * min(count, 1000))) == min(count, 1000)
    known.count(Load(1, 7 * count, count), 5 * count)
    assert known.tokens(Load(1, 30_000)) == taught(sizing(), 0.9, 50_000).tokens(Load(1, 30_000))


@pytest.mark.parametrize("a_byte", [0.1, 0.2, 0.25, 1 / 3, 0.45, 0.8])
def test_estimates_follow_what_the_provider_counts(a_byte: float) -> None:
    """After ten large calls they are at most a tenth too high, and at no time more than a hundredth too low."""
    known = sizing()
    for _ in range(10):
        taught(known, a_byte, 40_000)
        assert known.tokens(Load(1, 30_000)) >= 30_000 * a_byte * 0.99
    assert known.tokens(Load(1, 30_000)) <= 30_000 * max(a_byte * 1.1, a_byte + 0.025)


@pytest.mark.parametrize("size", [1, 2, 7, 20, 100])
@pytest.mark.parametrize("tokens", [1, 3, 10])
def test_a_few_words_say_little(size: int, tokens: int) -> None:
    """The endpoint is tried with one word, of which nobody can tell what a book costs."""
    known = sizing()
    known.count(Load(1, size), tokens)
    assert known.tokens(Load(1, 30_000)) == pytest.approx(10_000, rel=0.15)


@given(st.integers(1, 50), st.floats(0.15, 0.3), st.floats(0.31, 1.0))
def test_other_texts_are_known_after_one_call(calls: int, before: float, after: float) -> None:
    """From English to Chinese: one call may be underestimated, the next one is at most a tenth."""
    known = taught(sizing(), before, 40_000, calls)
    taught(known, after, 40_000)
    assert known.tokens(Load(1, 40_000)) >= 40_000 * after * 0.9


def test_texts_of_all_kinds_are_estimated_by_the_longer() -> None:
    """While calls differ, the estimate covers what costs most of them."""
    known = sizing()
    for _ in range(10):
        taught(taught(known, 0.22, 40_000), 0.4, 40_000)
        assert known.tokens(Load(1, 40_000)) >= 0.4 * 40_000
        taught(known, 0.22, 40_000)
        assert known.tokens(Load(1, 40_000)) >= 0.39 * 40_000


def test_texts_that_cost_more_are_not_forgotten_at_once() -> None:
    """One call in four is of those: it is underestimated by no more than a fifth, however large the others are."""
    known = sizing()
    for _ in range(10):
        taught(taught(known, 0.4, 40_000), 0.22, 40_000, times=3)
        assert known.tokens(Load(1, 40_000)) >= 0.4 * 40_000 * 4 / 5


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**7))))
def test_no_count_makes_an_estimate_absurd(counts: list[tuple[int, int]]) -> None:
    """Whatever providers count, an estimate is a number, and no input is nothing."""
    known = sizing(tokens=1000)
    for size, tokens in counts:
        known.count(Load(1, size), tokens)
    assert known.tokens(Load(1, 0)) == 1
    assert known.tokens(Load(1, 10)) >= 1
    assert 0 < known.fill(Load(1, 10)) <= 1


# How much a call holds


@pytest.mark.parametrize(
    ("limits", "one", "count"),
    [
        ({"inputs": 7}, Load(1, 3), 7),
        ({"tokens": 1000}, Load(1, 0, 100), 9),
        ({"tokens": 1000}, Load(1, 27), 95),
        ({"bytes": 1000}, Load(1, 10), 95),
        ({"inputs": 5, "tokens": 1000, "bytes": 1000}, Load(1, 10), 5),
        ({"inputs": 1}, Load(1, 10**9), 1),
        ({"tokens": 1000}, Load(1, 10**9), 0),
    ],
)
def test_calls_are_filled_to_what_is_allowed(limits: dict[str, int], one: Load, count: int) -> None:
    """All of the inputs, 95 hundredths of the tokens and bytes."""
    assert largest(sizing(**limits), one) == count


@pytest.mark.parametrize(
    ("rate", "most"),
    [
        (Rate(None, 60_000), 1000),  # a second's
        (Rate(6000, 60_000), 1000),
        (Rate(60, 60_000), 1000),
        (Rate(6, 60_000), 10_000),  # a call every ten seconds: those of the time between
        (Rate(1, 60_000), 60_000),
        (Rate(1, 1), 1),
    ],
)
def test_a_call_takes_no_more_than_its_share_of_a_minute(rate: Rate, most: int) -> None:
    """A second's tokens, or those of the time between two calls where that is longer."""
    known = sizing(rate, inputs=10**6)
    assert largest(known, Load(1, 0, 1)) == most
    assert known.a_call(Load(1, 0, 10**6)) == most


@given(
    st.fixed_dictionaries(
        {}, optional={"inputs": st.integers(1, 50), "tokens": st.integers(1, 5000), "bytes": st.integers(1, 5000)}
    ),
    st.lists(st.integers(0, 3000), min_size=1, max_size=200),
)
def test_as_many_calls_are_expected_as_are_needed_at_the_least(limits: dict[str, int], sizes: list[int]) -> None:
    """Filling calls in order takes no fewer, and there is at least one and at most one for each input."""
    known, total, call, calls = sizing(**limits), Load(), Load(), 1
    for size in sizes:
        total.add(Load(1, size))
        call.add(Load(1, size))
        if call.inputs > 1 and not known.fits(call):
            call, calls = Load(1, size), calls + 1
    assert 1 <= known.calls(total) <= len(sizes)
    largest_one = max(sizes)
    if known.fits(Load(1, largest_one)):
        assert known.calls(total) <= calls
    assert known.calls(Load()) == 0


# What refusals teach


def asked_until_settled(known: Sizing, one: Load, cap: float, of: Oversize, words: str, a_byte: float) -> list[int]:
    """Fill calls with inputs like *one* until the provider has taken 60 in a row; how many inputs each of them had."""
    sizes: list[int] = []
    refused, passed = 0, 0
    while passed < 60:
        count = max(1, largest(known, one))
        load = Load(count, count * one.bytes)
        real = round(load.bytes * a_byte) + count
        size = count if of is Oversize.INPUTS else real
        if size > cap and count > 1:
            refused, passed = refused + 1, 0
            known.refuse(load, of, words.format(asked=size, cap=int(cap)))
        else:
            passed += 1
            known.count(load, real)
        sizes.append(count)
        assert refused < 40
    return [refused, *sizes]


@given(st.integers(10, 2047), st.booleans())
def test_how_many_inputs_a_call_takes_is_found(cap: int, numbered: bool) -> None:
    """In a bounded number of refused calls, to a tenth; in one where the provider's words say it."""
    words = "batch size {asked} > maximum allowed batch size {cap}" if numbered else "too many inputs"
    known = sizing(inputs=2048)
    refused, *sizes = asked_until_settled(known, Load(1, 10), cap, Oversize.INPUTS, words, 0.25)
    assert cap / 1.12 - 1 <= sizes[-1] <= cap
    assert refused <= (1 if numbered else 2 * math.log2(2048 / cap) + 6)


@given(st.integers(1000, 250_000), st.sampled_from([0.2, 0.25, 1 / 3]), st.booleans())
def test_how_many_tokens_a_call_takes_is_found(cap: int, a_byte: float, numbered: bool) -> None:
    """Likewise, while the estimates are calibrated meanwhile."""
    words = "Requested {asked} tokens, max {cap} tokens per request" if numbered else "too many tokens"
    known, one = sizing(tokens=300_000), Load(1, 200)
    refused, *sizes = asked_until_settled(known, one, cap, Oversize.TOKENS, words, a_byte)
    used = round(sizes[-1] * 200 * a_byte) + sizes[-1]
    assert refused <= (3 if numbered else 2 * math.log2(300_000 / cap) + 6)
    assert used <= cap
    assert used >= cap * 0.75 - 70


@pytest.mark.parametrize(
    "words",
    [
        "Invalid input [7]: code 3",
        "This model's maximum context length is 100 tokens, you asked for 200 (of 3)",
        "too many tokens, request 123456789, server 12",
        "0 1",
        "99999999999999999999 8",
        "1,000 2,000",
        "",
    ],
)
def test_numbers_that_mean_something_else_teach_nothing(words: str) -> None:
    """A call is halved then, as without them, and estimates stay."""
    known, plain = sizing(tokens=100_000), sizing(tokens=100_000)
    known.refuse(Load(100, 200_000), Oversize.TOKENS, words)
    plain.refuse(Load(100, 200_000), Oversize.TOKENS, "")
    for one in (Load(1, 10), Load(1, 300), Load(1, 0, 5)):
        assert largest(known, one) == largest(plain, one) > 50


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10**6), st.integers(0, 10**6) | st.none())))
def test_a_bound_is_never_nothing(events: list[tuple[bool, int, int | None]]) -> None:
    """Whatever is refused and taken, a call may hold one, and no more than what was declared."""
    bound = Bound(1000)
    for refused, size, stated in events:
        if refused:
            bound.refuse(size, stated)
        else:
            bound.accept(size)
        assert 1 <= bound.most <= 1000


@given(st.integers(2, 10**6), st.integers(1, 10**6) | st.none(), st.integers(0, 10**6))
def test_what_was_refused_is_not_asked_again(size: int, stated: int | None, passed: int) -> None:
    """Each refusal makes calls smaller than the refused one, whatever has passed before."""
    assume(stated is None or stated < 10**6)
    bound = Bound(10**6)
    bound.accept(passed)
    bound.refuse(size, stated)
    assert bound.most < size


def test_one_input_that_is_too_long_teaches_nothing() -> None:
    """What was known before calls with it were refused holds again; what is known better is not forgotten."""
    known = sizing(tokens=300_000)
    known.refuse(Load(100, 700_000, 100_000), Oversize.TOKENS, "100000 tokens of 75000")
    learnt = largest(known, Load(1, 0, 100))
    assert learnt == int(75_000 * FILLED / 100)
    before = known.refuse(Load(10, 490_000, 70_000), Oversize.TOKENS, "")
    again = known.refuse(Load(5, 245_000, 35_000), Oversize.TOKENS, "")
    known.relent(before)
    assert largest(known, Load(1, 0, 100)) == learnt
    known.relent(again)
    assert largest(known, Load(1, 0, 100)) == learnt


def test_what_a_model_writes_is_estimated_too() -> None:
    """By what it wrote before."""
    known = sizing()
    for _ in range(60):
        known.wrote(1000)
    assert known.output == pytest.approx(1000, rel=0.01)
