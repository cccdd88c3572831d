"""What callers have used, at rest."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from inferpoint.errors import InferenceError
from inferpoint.model.budgets import Amount, Spent
from inferpoint.storage.spending import SPENDING, SpendingFile

DAY, MONTH = Spent("key-1", "2026-11-28", Amount(5, 7)), Spent("søk-团队", "2026-11", Amount(500, 2**60))


def written(folder: Path, *several: list[Spent]) -> list[str]:
    """What is told to people while *several* are kept one after the other."""
    told: list[str] = []
    file = SpendingFile(folder, told.append)
    for spent in several:
        file.keep(spent)
    file.close()
    return told


def read(folder: Path) -> set[Spent]:
    file = SpendingFile(folder, pytest.fail)
    file.close()
    return set(file.spent())


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    """The last word of each caller and period holds, and nobody else may read it."""
    assert written(tmp_path, [DAY], [MONTH, DAY._replace(amount=Amount(6, 8))]) == []
    assert read(tmp_path) == {MONTH, DAY._replace(amount=Amount(6, 8))}
    assert stat.S_IMODE((tmp_path / SPENDING).stat().st_mode) == 0o600


def test_a_month_that_is_over_is_forgotten(tmp_path: Path) -> None:
    """The file does not grow from month to month."""
    later = Spent("key-1", "2026-12-01", Amount(1))
    written(tmp_path, [DAY, MONTH])
    written(tmp_path, [later])
    assert read(tmp_path) == {later}


def test_what_cannot_be_written_is_told_and_written_the_next_time(tmp_path: Path) -> None:
    """A full or broken disk ends no server, and loses nothing that can be written afterwards."""
    told: list[str] = []
    file = SpendingFile(tmp_path, told.append)
    blocked = (tmp_path / SPENDING).with_suffix(".new")
    blocked.mkdir()
    file.keep([DAY])
    file._thread.submit(blocked.rmdir).result()
    file.keep([MONTH])
    file.close()
    assert len(told) == 1
    assert "cannot be written" in told[0]
    assert read(tmp_path) == {DAY, MONTH}


@pytest.mark.parametrize("damage", [b"{", b'["key-1", 5, [1, 2]]\n', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path, damage: bytes) -> None:
    """A budget does not begin anew for a damaged file: the error names it, and what to do."""
    (tmp_path / SPENDING).write_bytes(damage)
    with pytest.raises(InferenceError, match=f"{SPENDING} all begin anew"):
        SpendingFile(tmp_path, pytest.fail)
