"""Whether another process has written to the store: one number in a file that all of them have mapped."""

from __future__ import annotations

import mmap
import os
import secrets
from pathlib import Path

from inferpoint.storage.folder import make_private_file

FILE, KEY_CHANGES = "changes", "changes-of-keys"
_BYTES = 8


class Changes:
    """A mark that every write replaces by one that never was; to compare it costs a look into memory.

    It is no counter: two processes that count at once would write the same number, and one change would go unseen.
    """

    def __init__(self, folder: Path, file: str = FILE) -> None:
        make_private_file(folder / file)
        descriptor = os.open(folder / file, os.O_RDWR)
        try:
            os.ftruncate(descriptor, _BYTES)
            self._mark = memoryview(mmap.mmap(descriptor, _BYTES)).cast("Q")
        finally:
            os.close(descriptor)

    def mark(self) -> int:
        """The mark of the newest write."""
        return self._mark[0]

    def tell(self) -> None:
        """Say that something was written; to be called when it is durable, before it is answered."""
        self._mark[0] = secrets.randbits(64)
