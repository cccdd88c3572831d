"""A short storm, and a few of them one after the other; `make storm` and `make soak` make longer ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from real_processes import ROOT, environ, run
from storm import storm


@pytest.mark.parametrize("workers", [1, 2])
def test_a_storm_leaves_nothing_behind(tmp_path: Path, workers: int) -> None:
    """Callers come, go and leave in the middle: answers are their own, ids are made once, and nothing stays open."""
    with storm(tmp_path, f"--workers={workers}") as target:
        assert target.rages(callers=120, times=15, seed=1) == 120 * 15


def test_storm_after_storm_the_server_does_not_grow(home: Path) -> None:
    """What a storm took is given back or used by the next."""
    command = [sys.executable, str(ROOT / "stress/soak.py"), "--minutes=0", "--callers=50", "--times=8"]
    done = run(command, {**environ(home), "PYTHONPATH": str(ROOT / "tests/e2e")})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("400 done") == 4
