"""A short storm; `make storm` makes longer ones."""

from __future__ import annotations

from pathlib import Path

from storm import storm


def test_a_storm_leaves_nothing_behind(tmp_path: Path) -> None:
    """Callers come, go and leave in the middle: answers are their own, ids are made once, and nothing stays open."""
    with storm(tmp_path) as target:
        for seed in (1, 2):
            assert target.rages(callers=120, times=12, seed=seed) == 120 * 12
