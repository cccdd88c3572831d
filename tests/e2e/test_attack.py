"""Each attack of `make attack`, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from attack import MEMORY, NAMES, STALL, harm

SHARED = 10.0  # times STALL: the machine of the tests has other work, and this tells what is frozen from what is slow


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_costs_the_server_little_and_a_neighbour_nothing(name: str, tmp_path: Path) -> None:
    """The server does not grow by more than it may, and answers its neighbour meanwhile."""
    did = harm(name, tmp_path)
    assert did.asked > 0
    assert did.refused == 0
    assert did.growth <= MEMORY
    assert did.stall <= STALL * SHARED
