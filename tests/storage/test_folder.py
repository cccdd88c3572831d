"""The data folder: one server's alone, and its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage.folder import LOCK, locked, make_private, make_private_file


@pytest.fixture(params=[0, 0o022, 0o777], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_a_folder_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    """So are the folders above it that were missing, and the lock in it."""
    with locked(tmp_path / "a" / "b"):
        assert [mode(tmp_path / path) for path in ("a", "a/b", f"a/b/{LOCK}")] == [0o700, 0o700, 0o600]


@pytest.mark.usefixtures("_umask")
def test_a_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    """One that was there keeps what it holds."""
    make_private_file(tmp_path / "new")
    old = tmp_path / "old"
    descriptor = os.open(old, os.O_CREAT | os.O_WRONLY, 0o666)
    os.write(descriptor, b"held")
    os.close(descriptor)
    old.chmod(0o644)
    make_private_file(old)
    assert [mode(tmp_path / name) for name in ("new", "old")] == [0o600, 0o600]
    assert old.read_bytes() == b"held"


def test_a_folder_that_others_could_enter_is_shut(tmp_path: Path) -> None:
    """Whoever made it, but not one that everybody shares, as `/tmp` is."""
    own, shared = tmp_path / "own", tmp_path / "shared"
    for folder, rights in ((own, 0o755), (shared, 0o1777)):
        folder.mkdir()
        folder.chmod(rights)
        make_private(folder)
    assert [mode(own), mode(shared)] == [0o700, 0o1777]


@pytest.mark.parametrize("removed", [False, True])
def test_a_folder_is_one_servers_also_without_the_file_that_says_so(tmp_path: Path, *, removed: bool) -> None:
    """Who removes the lock lets nobody in; when the first has gone, the folder is free."""
    with locked(tmp_path):
        if removed:
            (tmp_path / LOCK).unlink()
        with pytest.raises(InferenceError, match="in use by another process") as caught, locked(tmp_path):
            pass
        assert caught.value.kind is Kind.CONFLICT
    with locked(tmp_path):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """What it leads to is neither emptied nor locked, and that is one sentence."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / LOCK).symlink_to(victim)
    with pytest.raises(InferenceError, match=r"cannot be used: inferpoint\.lock is a symbolic link"), locked(folder):
        pass
    assert victim.read_text() == "kept"
