"""Problems in one line, and out of it again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model.wording import numbered, unnumbered

PROBLEMS = st.text(st.characters(exclude_characters=";"), min_size=1)


@given(st.lists(PROBLEMS, min_size=1, max_size=12))
def test_numbered_problems_are_read_back(problems: list[str]) -> None:
    """What was numbered comes back one by one."""
    assert unnumbered(numbered(problems)) == tuple(problems)


@pytest.mark.parametrize("line", ["", "Validation Failed", "1: a;", "Some other words; 2: of them"])
def test_any_other_line_is_one_problem(line: str) -> None:
    """What was never numbered stays as it is."""
    assert unnumbered(line) == (line,)
