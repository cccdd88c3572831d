"""`make budget`: that it counts, and that more calls than committed fail."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from real_processes import ROOT, environ, run

BUDGET = ROOT / "benchmarks/budget.py"
NUMBERS: dict[str, dict[str, int]] = json.loads(BUDGET.with_suffix(".json").read_text("utf-8"))


@pytest.mark.parametrize(("share", "status"), [(1.0, 0), (0.5, 1)])
def test_more_calls_than_committed_fail(home: Path, tmp_path: Path, share: float, status: int) -> None:
    """Every kind of request is counted, is within its number, and not within half of it: then its files are shown."""
    numbers = tmp_path / "budget.json"
    most = {name: {**number, "calls": round(number["calls"] * share)} for name, number in NUMBERS.items()}
    numbers.write_text(json.dumps(most))
    done = run([sys.executable, str(BUDGET), f"--numbers={numbers}"], environ(home))
    assert done.returncode == status, done.stderr
    counts = re.findall(r"^.+ \d+ calls, of \d+; \d+ objects in cycles, of \d+$", done.stdout, re.MULTILINE)
    assert len(counts) == len(NUMBERS) == 5
    assert ("outbound.py" in done.stdout) == bool(status)
