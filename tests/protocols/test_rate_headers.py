from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from inferpoint import services
from inferpoint.model.quota import Allowance, Bucket
from inferpoint.protocols.rate_headers import LONGEST, anthropic, openai

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PARTS = ("limit", "remaining", "reset")
OPENAI = {f"x-ratelimit-{part}-{what}" for part in PARTS for what in ("requests", "tokens")}
ANTHROPIC = {f"anthropic-ratelimit-{what}-{part}" for part in PARTS for what in ("requests", "tokens", "input-tokens")}


def of_openai(limit: str, remaining: str, reset: str, what: str = "requests") -> dict[str, str]:
    """Headers of one limit."""
    return {f"x-ratelimit-{part}-{what}": value for part, value in zip(PARTS, (limit, remaining, reset), strict=True)}


def of_anthropic(limit: str, remaining: str, reset: str, what: str = "requests") -> dict[str, str]:
    """Headers of one limit."""
    return {
        f"anthropic-ratelimit-{what}-{part}": value
        for part, value in zip(PARTS, (limit, remaining, reset), strict=True)
    }


def test_openai_tells_of_requests_and_of_tokens() -> None:
    """The example of OpenAI's page."""
    headers = {
        **of_openai("60", "59", "1s"),
        **of_openai("150000", "149984", "6m0s", "tokens"),
        "x-request-id": "r",
    }
    assert openai(headers, NOON) == Allowance(Bucket(60, 59, 1), Bucket(150_000, 149_984, 360))
    assert openai(of_openai("9", "0", "1s", "tokens"), NOON) == Allowance(tokens=Bucket(9, 0, 1))
    assert openai({}, NOON) == Allowance()


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("0s", 0),
        ("1s", 1),
        ("1.5s", 1.5),
        ("20ms", 0.02),
        ("8.64s", 8.64),
        ("6m0s", 360),
        ("7m12s", 432),
        ("1h2m3.5s", 3723.5),
        ("24h0m0s", 86_400),
        ("48h", LONGEST),
        ("999999999h", LONGEST),
        ("15µs", 15e-6),
        ("15us", 15e-6),
        ("3ns", 3e-9),
        ("1s" * 5000, 5000),
    ],
)
def test_resets_of_openai_are_durations_as_go_writes_them(reset: str, seconds: float) -> None:
    """In seconds, and a day at the most."""
    told = openai(of_openai("5", "4", reset), NOON).requests
    assert told is not None
    assert told.full_in == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("limit", "remaining", "reset"),
    [
        ("", "4", "1s"),
        ("5", "", "1s"),
        ("5", "4", ""),
        ("-5", "4", "1s"),
        ("5", "-4", "1s"),
        ("0", "0", "0s"),
        ("5", "6", "1s"),
        ("5.0", "4", "1s"),
        ("1e3", "4", "1s"),
        ("nan", "4", "1s"),
        ("inf", "4", "1s"),
        ("Infinity", "4", "1s"),
        ("²", "1", "1s"),
        ("٥", "4", "1s"),
        ("5", "٤", "1s"),
        ("9" * 5000, "4", "1s"),
        ("1_000", "4", "1s"),
        (" 5", "4", "1s"),
        ("5\n", "4", "1s"),
        ("5, 5", "4", "1s"),
        ("5", "4", "-1s"),
        ("5", "4", "1"),
        ("5", "4", "1763640000"),
        ("5", "4", "s"),
        ("5", "4", ".s"),
        ("5", "4", "1.s"),
        ("5", "4", "1.5.5s"),
        ("5", "4", "nans"),
        ("5", "4", "infs"),
        ("5", "4", "1s "),
        ("5", "4", "1s\n"),
        ("5", "4", "1 s"),
        ("5", "4", "1d"),
        ("5", "4", "1S"),
        ("5", "4", "٣s"),
        ("5", "4", "9" * 5000 + "s"),
        ("5", "4", "2026-11-20T12:00:00Z"),
    ],
)
def test_what_is_malformed_tells_nothing(limit: str, remaining: str, reset: str) -> None:
    """One wrong header of the three is enough; the others' limit is told all the same."""
    right = of_openai("9", "8", "1s", "tokens")
    assert openai({**of_openai(limit, remaining, reset), **right}, NOON) == Allowance(tokens=Bucket(9, 8, 1))


def test_anthropic_tells_of_requests_and_of_tokens() -> None:
    """Resets are times, from which the seconds until then follow."""
    headers = {
        **of_anthropic("50", "12", "2026-11-20T12:00:01Z"),
        **of_anthropic("80000", "0", "2026-11-20T12:01:00Z", "tokens"),
        **of_anthropic("8000", "0", "2026-11-20T12:00:30Z", "output-tokens"),
        "retry-after": "17",
    }
    assert anthropic(headers, NOON) == Allowance(Bucket(50, 12, 1), Bucket(80_000, 0, 60))


@pytest.mark.parametrize(
    ("tokens", "input_tokens", "told"),
    [
        (("48000", "100"), ("40000", "40000"), (48_000, 100)),
        (("48000", "40000"), ("40000", "100"), (40_000, 100)),
        (("8000", "8000"), ("40000", "40000"), (40_000, 40_000)),
        (("8000", "7000"), ("40000", "20000"), (40_000, 20_000)),
        (("8000", "7000"), ("?", "20000"), (8000, 7000)),
        (("?", "7000"), ("40000", "20000"), (40_000, 20_000)),
    ],
)
def test_the_tokens_of_anthropic_that_run_out_first(
    tokens: tuple[str, str], input_tokens: tuple[str, str], told: tuple[int, int]
) -> None:
    """Those with the smaller share left, and those of input where the shares are equal."""
    reset = "2026-11-20T12:01:00Z"
    headers = {**of_anthropic(*tokens, reset, "tokens"), **of_anthropic(*input_tokens, reset, "input-tokens")}
    assert anthropic(headers, NOON) == Allowance(tokens=Bucket(*told, 60))


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("2026-11-20T12:00:10Z", 10),
        ("2026-11-20T12:00:10.5Z", 10.5),
        ("2026-11-20T12:00:10.123456789Z", 10.123456),
        ("2026-11-20T13:00:10+01:00", 10),
        ("2026-11-20T06:30:10-05:30", 10),
        ("2026-11-20T11:59:00Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
        ("9999-12-31T23:59:59-14:00", LONGEST),
    ],
)
def test_resets_of_anthropic_are_times(reset: str, seconds: float) -> None:
    """What is past is full already, and what is far is told as a day."""
    told = anthropic(of_anthropic("5", "4", reset), NOON).requests
    assert told is not None
    assert told.full_in == pytest.approx(seconds)


@pytest.mark.parametrize(
    "reset",
    [
        "",
        "1s",
        "60",
        "2026-11-20",
        "2026-11-20T12:00:10",
        "2026-11-20 12:00:10Z",
        "20261120T120010Z",
        "2026-13-20T12:00:10Z",
        "2026-11-31T12:00:10Z",
        "2026-11-20T25:00:10Z",
        "2026-11-20T12:00:10+99:00",
        "0000-11-20T12:00:10Z",
        "２０２６-11-20T12:00:10Z",
        "2026-11-20T12:00:10Z\n",
        "Fri, 20 Nov 2026 12:00:10 GMT",
    ],
)
def test_what_is_no_time_tells_nothing(reset: str) -> None:
    """Without a day, a zone or a place in the calendar."""
    assert anthropic(of_anthropic("5", "4", reset), NOON) == Allowance()


NUMBERS = st.sampled_from(["5", "0", "-1", "nan", "1e400", "9" * 30, "²", "12", "1.5"])
TIMES = st.sampled_from(["1s", "1h2m3.5s", "2026-11-20T12:00:10Z", "9999-12-31T23:59:59Z", "s", "1"])
ANYTHING = st.text() | st.text("0123456789.hmsµnuTZ:+-") | NUMBERS | TIMES | st.integers().map(str)


@given(st.dictionaries(st.sampled_from(sorted(OPENAI | ANTHROPIC)), ANYTHING))
def test_no_headers_make_a_service_fail(headers: Mapping[str, str]) -> None:
    """Whatever they say: what is told of limits makes sense, and what makes no sense is not told."""
    for name in services.names():
        told = services.find(name).quota(headers, NOON)
        for bucket in (told.requests, told.tokens):
            if bucket is not None:
                assert 0 <= bucket.remaining <= bucket.limit
                assert bucket.limit > 0
                assert 0 <= bucket.full_in <= LONGEST
                assert all(math.isfinite(number) for number in astuple(bucket))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("amazonbedrock", None),
        ("anthropic", Bucket(50, 40, 10)),
        ("elasticsearch", None),
        ("groq", Bucket(5, 4, 1)),
        ("hugging_face", None),
        ("openai", Bucket(5, 4, 1)),
    ],
)
def test_who_tells_of_limits(name: str, told: Bucket | None) -> None:
    """OpenAI, Groq and Anthropic document headers; the others document none."""
    headers = {**of_openai("5", "4", "1s"), **of_anthropic("50", "40", "2026-11-20T12:00:10Z")}
    assert services.find(name).quota(headers, NOON).requests == told
