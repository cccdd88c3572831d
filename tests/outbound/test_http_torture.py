"""A sample of `make torture`."""

from __future__ import annotations

import pytest
import uvloop
from torture import tortured


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_a_provider_does_nobody_gets_what_is_anothers(seed: int) -> None:
    """Each call ends in its own answer or in a clear error, one after another and at once, and nothing stays open."""
    outcomes = uvloop.run(tortured(seed, sequential=300, concurrent=100))
    assert sum(outcomes.values()) == 400
    assert all(outcomes[name] for name in ("answers", "errors", "left"))
