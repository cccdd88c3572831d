"""What was measured, between the markers of a document."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from processes import here
from quota.stage import Row

HEAD = ("", "documents a second", "CPU-s per 1,000", "peak MB", "calls, at once", "lost", "served twice", "in the sink")
_BEGIN, _END = "<!-- bulk: written by `make bench-bulk` -->\n", "<!-- /bulk -->"


def line(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def head(cells: Sequence[str]) -> str:
    """The head of a table."""
    return f"{line(cells)}\n|---|{'--:|' * (len(cells) - 1)}"


def text(whole: Sequence[Sequence[str]], beside: Sequence[Sequence[str]], limited: Sequence[Row], command: str) -> str:
    """All that stands between the markers."""
    rows = [line((row.what, row.measured, row.target)) for row in limited]
    parts = (
        f"{here()}; load average {os.getloadavg()[0]:.1f} at the end. `{command}`.\n",
        head(HEAD),
        *map(line, [*whole, *beside]),
        "",
        head(("at a provider with a limit", "measured", "target")),
        *rows,
    )
    return "\n".join(parts) + "\n"


def write(document: Path, told: str) -> None:
    """Have *told* stand in the document in place of what was."""
    before, _, rest = document.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    document.write_text(f"{before}{_BEGIN}{told}{_END}{after}", "utf-8")
