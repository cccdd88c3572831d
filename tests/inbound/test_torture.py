"""A sample of `make torture`."""

from __future__ import annotations

import pytest
import uvloop
from torture_server import tortured


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_callers_do_each_has_its_own_answers(seed: int) -> None:
    """Each request has its own answer in its order or a refusal, nothing is smuggled, and nothing stays open."""
    outcomes = uvloop.run(tortured(seed, sequential=200, concurrent=100))
    assert sum(outcomes.values()) == 300
    assert len(outcomes) == 12
