from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.model.times import human, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30), ("1m", 60), ("2h", 7200), ("1d", 86400), ("500ms", 0.5), ("5micros", 5e-6), ("7nanos", 7e-9),
        (" 30S ", 30), ("30 s", 30), ("0", 0), ("-1", 0), ("007s", 7),
    ],
)  # fmt: skip
def test_times_have_elasticsearchs_units(text: str, expected: float) -> None:
    """Every unit of Elasticsearch is read, in any case."""
    assert seconds(text, name="timeout") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "30", "s", "30x", "1 day", "٣s", "1e3s", "1,5s", "30s 5s", "--1s"])
def test_a_number_without_a_known_unit_is_refused(text: str) -> None:
    """A bare number could be anything, so it is said to be wrong, under the parameter's name."""
    with pytest.raises(InferenceError) as caught:
        seconds(text, name="timeout")
    assert str(caught.value) == (
        f"failed to parse setting [timeout] with value [{text}] as a time value: unit is missing or unrecognized"
    )
    assert (caught.value.kind, caught.value.subject) == (Kind.INVALID, Subject.ARGUMENT)


def test_fractions_are_refused() -> None:
    """Elasticsearch takes none, and says so."""
    with pytest.raises(InferenceError, match=r"failed to parse \[1.5s\], fractional time values are not supported"):
        seconds("1.5s", name="timeout")


@given(st.text(st.sampled_from("0123456789.-sm hd"), max_size=30) | st.text())
@example("9" * 400 + "s")
@example("9" * 5000 + "d")
@example("9" * 30 + "nanos")
def test_any_text_is_a_time_or_invalid(text: str) -> None:
    """No text is another exception, and no time is infinite."""
    try:
        assert 0 <= seconds(text, name="timeout") < math.inf
    except InferenceError as error:
        assert error.kind is Kind.INVALID


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (30, "30s"), (120, "2m"), (90, "1.5m"), (0.05, "50ms"), (1, "1s"), (0, "0s"), (3600, "1h"), (1e-9, "1nanos"),
        (86400, "1d"), (0.0005, "500micros"),
    ],
)  # fmt: skip
def test_spans_are_shown_in_their_largest_unit(span: float, text: str) -> None:
    """A span reads as Elasticsearch writes it."""
    assert human(span) == text
