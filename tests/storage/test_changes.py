from __future__ import annotations

import os
import stat
from pathlib import Path

from inferpoint.storage.changes import FILE, Changes


def test_all_processes_see_the_mark_of_the_newest_write(tmp_path: Path) -> None:
    """Whoever told of it; a process that starts later sees it, too."""
    one, two = Changes(tmp_path), Changes(tmp_path)
    for teller in (one, two, one):
        before = one.mark()
        teller.tell()
        assert one.mark() == two.mark() == Changes(tmp_path).mark() != before


def test_two_who_tell_at_once_write_different_marks(tmp_path: Path) -> None:
    """Two writes that begin from the same mark are told apart: who saw the first looks again for the second."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, two = Changes(tmp_path / "a"), Changes(tmp_path / "b")
    assert one.mark() == two.mark()
    one.tell()
    two.tell()
    assert one.mark() != two.mark()


def test_no_other_user_may_tell_of_changes(tmp_path: Path) -> None:
    """The file is its owner's alone, whatever the umask."""
    before = os.umask(0)
    try:
        Changes(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
