"""The benchmark of `make bench`, shortened and without compiler and wrk: that it measures, not what."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from real_processes import ROOT, environ, run

PAGE = "before\n<!-- gateways: written by `make bench` -->\nold\n<!-- /gateways -->\nafter\n"


def test_our_server_is_measured_and_the_tables_are_written(home: Path, tmp_path: Path) -> None:
    """Chats are answered, of one and of two workers, streams are held, and page and plot have their figures."""
    page, rows = tmp_path / "performance.md", tmp_path / "rows.json"
    page.write_text(PAGE, "utf-8")
    command = [sys.executable, "-m", "gateways", "--python", "--peers=", "--work=chat", "--rounds=1", "--seconds=0.3"]
    command += ["--streams=20", f"--rows={rows}", f"--document={page}"]
    done = run(command, {**environ(home), "PYTHONPATH": str(ROOT / "benchmarks")})
    assert done.returncode == 0, done.stderr
    loads = [row for row in json.loads(rows.read_text("utf-8")) if row["work"] == "chat of 1 kB"]
    assert {row["gateway"] for row in loads} >= {"direct", "inferpoint", "two workers"}
    assert all(row["requests"] > 0 and not row["failed"] for row in loads)
    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("<!-- /gateways -->\nafter\n")
    assert "old" not in text
    assert re.search(r"\| chat of 1 kB \| [\d,]+ \|", text)
    assert page.with_suffix(".svg").read_text("utf-8").startswith("<svg")
