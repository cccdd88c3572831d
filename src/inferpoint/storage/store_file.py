"""The file of the store: that it is the one which the folder had, and that nobody has changed it meanwhile.

SQLite does not tell: a file that is missing or empty is a new database to it, and one that is removed or overwritten
under a running server is read from memory and written to no avail.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage.folder import make_private_file

STORE, IDENTITY, SPARE = "inferpoint.db", "inferpoint.id", "inferpoint.spare"
_SPARE_BYTES = 1024 * 1024
_LARGEST_IDENTITY = 2**31 - 1  # of SQLite's `user_version`, a number that is there for whoever makes the file


class StoreFile:
    """The store's file in *folder*, beside which lies the number that it was given when it was made.

    Whoever finds the number and no store with it knows that one was lost. A megabyte is kept to spare: SQLite needs
    room to delete, too.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / STORE
        self._identity = folder / IDENTITY
        self._spare = folder / SPARE
        self._state: tuple[int, ...] = ()  # of the file as this process left it

    def prepare(self) -> None:
        """Make the file when the folder never had one; `INTERNAL` when it had, and the file is missing or empty."""
        if self._identity.exists() and (lost := self._lost()):
            raise InferenceError(
                Kind.INTERNAL,
                f"The store {self.path} {lost}, and this folder had one: put a copy of it back,"
                f" or remove {self._identity} to begin without endpoints",
            )
        make_private_file(self.path)

    def check(self, connection: sqlite3.Connection) -> None:
        """`INTERNAL` unless *connection* reads the store that this folder had; SQLite's error when it is damaged."""
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"{self.path} is damaged ({' '.join(verdict.split())})")
        (identity,) = connection.execute("PRAGMA user_version").fetchone()
        known = self._identity.read_text("ascii", "replace").strip() if self._identity.exists() else None
        if known is not None and known != str(identity):
            raise InferenceError(
                Kind.INTERNAL,
                f"The store {self.path} is not the one that this folder had: put that one back,"
                f" or remove {self._identity} to go on with this one",
            )

    def identify(self, connection: sqlite3.Connection) -> None:
        """Give a store that has no number one, and write the number down where it is not."""
        (identity,) = connection.execute("PRAGMA user_version").fetchone()
        if not identity:
            identity = 1 + secrets.randbelow(_LARGEST_IDENTITY)
            connection.execute(f"PRAGMA user_version={identity}")
        if not self._identity.exists():
            make_private_file(self._identity)
            self._identity.write_text(f"{identity}\n", "ascii")
        self.keep_spare()

    def settle(self, connection: sqlite3.Connection) -> None:
        """Move what was written into the one file, so that a copy of it is whole, and note how it was left."""
        with contextlib.suppress(sqlite3.Error):  # what was written is safe in the log as well
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        with contextlib.suppress(OSError):
            self._state = self._seen()

    def untouched(self) -> bool:
        """Whether the file is as this process left it; `INTERNAL` when it is gone, empty or another one."""
        if lost := self._lost():
            raise self._changed(lost)
        seen = self._seen()
        if seen[:2] != self._state[:2]:
            raise self._changed("was replaced")
        return seen == self._state

    def free_spare(self) -> None:
        """Give the room to spare to whoever needs it."""
        self._spare.unlink(missing_ok=True)

    def keep_spare(self) -> None:
        """Take the room to spare again, if there is any."""
        try:
            make_private_file(self._spare)
            if self._spare.stat().st_size < _SPARE_BYTES:
                self._spare.write_bytes(os.urandom(_SPARE_BYTES))  # zeros take no room everywhere
        except OSError:
            self._spare.unlink(missing_ok=True)

    def _lost(self) -> str:
        """The state of a file in which there is no store, in words; empty where there may be one."""
        try:
            return "" if self.path.stat().st_size else "is empty"
        except FileNotFoundError:
            return "is missing"

    def _seen(self) -> tuple[int, ...]:
        known = self.path.stat()
        return known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns

    def _changed(self, how: str) -> InferenceError:
        problem = f"The store {self.path} {how} under the running server: put it back and start the server anew"
        return InferenceError(Kind.INTERNAL, problem)
