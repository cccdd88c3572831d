from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model.requests import Tokens
from inferpoint.protocols.truncation import cut, cut_tokens

ANYTHING = st.text(st.sampled_from("aé中😀\U0010ffff\ud83d\ude00"), max_size=30)
TOKENS = st.integers(1, 12)


def units(text: str) -> int:
    """As Java counts them."""
    return sum(2 if character > "\uffff" else 1 for character in text)


@pytest.mark.parametrize(
    ("text", "tokens", "kept"),
    [
        ("", 1, ""),
        ("abc", 1, "abc"),
        ("abcd", 1, "abc"),
        ("éé中中", 1, "éé中"),
        ("a😀", 1, "a😀"),
        ("😀a", 1, "😀a"),
        ("ab😀", 1, "ab"),
        ("😀😀", 1, "😀"),
        ("😀😀😀", 2, "😀😀😀"),
        ("😀😀😀a", 2, "😀😀😀"),
        ("ab\ud83d\ude00", 1, "ab\ud83d"),
        ("x" * 100, 2**31 - 1, "x" * 100),
    ],
)
def test_a_token_is_three_utf16_units(text: str, tokens: int, kept: str) -> None:
    """What is as long as it may be is whole; no code point is split."""
    assert cut((text,), tokens) == ((kept,), {0} if kept != text else set())


@given(st.lists(ANYTHING, max_size=6), TOKENS)
def test_the_longest_beginning_that_fits_is_kept(texts: list[str], tokens: int) -> None:
    """One more code point would be too many, and those that lost one are told."""
    kept, which = cut(tuple(texts), tokens)
    for place, (before, after) in enumerate(zip(texts, kept, strict=True)):
        assert before.startswith(after)
        assert units(after) <= 3 * tokens
        assert (place in which) == (after != before)
        assert after == before or units(before[: len(after) + 1]) > 3 * tokens
    assert cut(kept, tokens) == (kept, set())


@given(st.lists(ANYTHING, max_size=6))
def test_without_a_limit_nothing_is_cut(texts: list[str]) -> None:
    """Nor looked at."""
    given = tuple(texts)
    kept, which = cut(given, None)
    assert kept is given
    assert not which


def test_tokens_are_counted_as_they_are() -> None:
    """They need no estimate."""
    given = Tokens(((1, 2, 3), (4,), (5, 6)))
    assert cut_tokens(given, 2) == (Tokens(((1, 2), (4,), (5, 6))), {0})
    assert cut_tokens(given, None) == (given, set())
