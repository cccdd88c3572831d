"""The data folder: one server's alone, and its owner's alone, whoever makes it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Generator, Sequence
from pathlib import Path

from inferpoint.errors import InferenceError, Kind

LOCK = "inferpoint.lock"
FOLDER_MODE, FILE_MODE = 0o700, 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@contextlib.contextmanager
def locked(folder: Path) -> Generator[Sequence[int]]:
    """Hold *folder*, made when it is not there, against a second server; `CONFLICT` when there is one.

    The folder itself is locked, for a file in it could be removed and made anew; and the file by which servers of
    older versions know of each other. Gives the descriptors of both: a process that inherits them holds the folder,
    too, for as long as it lives.
    """
    with contextlib.ExitStack() as stack:
        descriptors: list[int] = []
        try:
            make_private(folder)
            for path, flags in ((folder, os.O_DIRECTORY), (folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)):
                descriptors.append(os.open(path, flags, FILE_MODE))
                stack.callback(os.close, descriptors[-1])
                fcntl.flock(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            _hide(folder / LOCK, FILE_MODE)
        except BlockingIOError:
            raise InferenceError(Kind.CONFLICT, f"The data folder {folder} is in use by another process") from None
        except OSError as error:
            reason = f"{LOCK} is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise InferenceError(Kind.INVALID, f"The data folder {folder} cannot be used: {reason}") from None
        yield descriptors


def make_private(folder: Path) -> None:
    """Make *folder* and the missing ones above it for their owner alone, or take its rights from all others.

    One that belongs to somebody else, or that everybody shares as `/tmp` is, keeps the rights that it has.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(FOLDER_MODE)  # what `mkdir` is told, the umask may take away
    if not folder.stat().st_mode & stat.S_ISVTX:
        _hide(folder, FOLDER_MODE)


def make_private_file(path: Path) -> None:
    """Make *path* an empty file for its owner alone, or take the rights to the one that is there from all others.

    A file that is there is not opened: when a process closes any descriptor of a database, it loses its locks on it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        pass
    else:
        os.close(descriptor)
    _hide(path, FILE_MODE)


def _hide(path: Path, mode: int) -> None:
    """Give *path*, if it is ours, the *mode*."""
    known = path.stat()
    if known.st_uid == os.geteuid() and stat.S_IMODE(known.st_mode) != mode:
        path.chmod(mode)
