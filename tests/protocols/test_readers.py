"""Counts, and the tool calls of an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.results import ToolCall
from inferpoint.protocols.readers import Calls, compact, count


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (7, 7), (0, 0), (3.0, 3), ([82], 82), ([[4]], 4),
        (None, None), (-1, None), (2.5, None), ("7", None), ([], None), ([1, 2], None), ({}, None), (True, None),
        (1e300, None), (float("nan"), None),
    ],
)  # fmt: skip
def test_a_count_is_known_or_it_is_not(value: Any, known: int | None) -> None:
    """Whatever a provider writes where a count should be, it is a number of tokens or not known, and never an error."""
    assert count(value) == known


def test_ordinals_follow_the_order_of_beginning() -> None:
    """Calls count from 0 without gaps, whatever their blocks are called, and also when a block's name comes again."""
    calls = Calls()
    begun = [calls.begin(7, "a", "one"), calls.begin(3, "b", "two"), calls.begin(7, "c", "three")]
    assert [call.ordinal for call in begun] == [0, 1, 2]
    assert calls.more(7, "{}") == [ToolCall(2, arguments="{}")]


@pytest.mark.parametrize("called", [None, "", "a"])
def test_an_id_that_says_nothing_is_none(called: str | None) -> None:
    """A call whose id is missing, empty or another's has none, so that one is made for it."""
    calls = Calls()
    calls.begin(0, "a", "one")
    assert calls.begin(1, called, "two").id is None


def test_arguments_are_never_empty() -> None:
    """A call that never said its arguments has `{}` at its end, once."""
    calls = Calls()
    calls.begin(0, "a", "ping")
    calls.begin(1, "b", "get")
    calls.more(1, "")
    calls.more(1, "{}")
    assert [*calls.finish(), *calls.finish()] == [ToolCall(0, arguments="{}")]


def test_an_answer_with_a_call_ended_for_it() -> None:
    """The reason is `stop` only while no call was made."""
    calls = Calls()
    before = calls.reason("end_turn")
    calls.begin(0, "a", "ping")
    assert (before, calls.reason("end_turn"), calls.reason("max_tokens")) == ("stop", "tool_calls", "length")


@pytest.mark.parametrize(("raw", "text"), [('{ "n": 1.0 }', '{"n":1.0}'), ("null", "{}"), ("", "{}")])
def test_arguments_are_compact(raw: str, text: str) -> None:
    """Arguments that come as an object are its JSON with the numbers as they were; none are `{}`."""
    assert compact(msgspec.Raw(raw.encode()), "reply") == text


def test_arguments_that_are_no_json_cannot_be_read() -> None:
    """What cannot be formatted is told as a reply that cannot be read."""
    with pytest.raises(InferenceError) as caught:
        compact(msgspec.Raw(b"{"), "reply")
    assert caught.value.kind is Kind.UNREADABLE
