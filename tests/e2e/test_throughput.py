"""The benchmark of `make bench`, shortened: that it measures, not what."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from real_processes import ROOT, environ, run


def test_every_kind_of_request_is_measured(home: Path) -> None:
    """Completions, vectors and streams are all answered with 200, and have a figure each."""
    command = [sys.executable, str(ROOT / "benchmarks/throughput.py"), "--rounds=1", "--share=0.1", "--connections=8"]
    done = run(command, environ(home))
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"\d+ a second of the processor", done.stdout)) == 4
