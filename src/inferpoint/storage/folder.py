"""The data folder is one server's alone."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator
from pathlib import Path

from inferpoint.errors import InferenceError, Kind

LOCK = "inferpoint.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Generator[int]:
    """Hold *folder*, made when it is not there, against a second server; `CONFLICT` when there is one.

    Gives the lock's descriptor: a process that inherits it holds the folder, too, for as long as it lives.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise InferenceError(Kind.INVALID, f"The data folder {folder} cannot be used: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InferenceError(Kind.CONFLICT, f"The data folder {folder} is in use by another process") from None
        yield file.fileno()
