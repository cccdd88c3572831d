"""Values that are remembered for a while, within bounds: in memory, or in a file that several processes share.

It is SQLite either way, so that there is one way to forget. Each act is one short transaction of some tenths of a
millisecond, which nobody waits for in a thread: with what is lost in a crash nothing but a conversation's beginning is.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

_BUSY_SECONDS = 5.0
# `turn` counts the uses; the index alone says how much there is, and who goes first.
_OPENING = """
PRAGMA synchronous=OFF;
CREATE TABLE IF NOT EXISTS entries (
    owner TEXT, name TEXT, turn INTEGER NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (owner, name)
);
CREATE INDEX IF NOT EXISTS entries_by_turn ON entries (turn, used, size, owner, name);
CREATE TABLE IF NOT EXISTS parts (owner TEXT, part TEXT, name TEXT NOT NULL, PRIMARY KEY (owner, part));
CREATE INDEX IF NOT EXISTS parts_by_entry ON parts (owner, name);
"""
_KEEP = "REPLACE INTO entries VALUES (?, ?, (SELECT coalesce(max(turn), 0) + 1 FROM entries), ?, ?, ?)"
_KEEP_PART = "REPLACE INTO parts VALUES (?, ?, ?)"
_FIND = "SELECT value FROM entries WHERE owner = ? AND name = ?"
_USE = """
UPDATE entries SET turn = (SELECT max(turn) + 1 FROM entries), used = ? WHERE owner = ? AND name = ?
"""
_WHOLE = "SELECT name FROM parts WHERE owner = ? AND part = ?"
_DROP = ("DELETE FROM parts WHERE owner = ? AND name = ?", "DELETE FROM entries WHERE owner = ? AND name = ?")
_SUM = "SELECT count(*), coalesce(sum(size), 0) FROM entries"
_OLDEST = "SELECT owner, name, used, size FROM entries ORDER BY turn"


@dataclass(frozen=True)
class Bounds:
    """At most so many entries, of so many bytes together, for so many seconds after they were used."""

    entries: int
    size: int
    seconds: int


class RecentEntries:
    """Entries by owner and name, and by the names of their parts; those used least recently go first.

    In *path*, or in memory alone. Times are in seconds, of whatever clock.
    """

    def __init__(self, bounds: Bounds, path: Path | None = None) -> None:
        self._bounds = bounds
        self._connection = sqlite3.connect(
            path or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.executescript(_OPENING)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def keep(self, owner: str, name: str, value: bytes, size: int, parts: Sequence[str], now: int) -> None:
        """Remember *value*, which counts as *size* bytes; then forget what is old or too much."""
        with self._transaction() as connection:
            connection.execute(_KEEP, (owner, name, now, size, value))
            connection.executemany(_KEEP_PART, [(owner, part, name) for part in parts])
            self._forget(now)

    def find(self, owner: str, name: str, now: int) -> bytes | None:
        """The value of the entry called *name*, which is used now."""
        with self._transaction() as connection:
            self._forget(now)
            row = connection.execute(_FIND, (owner, name)).fetchone()
            if row is None:
                return None
            connection.execute(_USE, (now, owner, name))
            return row[0]

    def whole(self, owner: str, part: str) -> str | None:
        """The name of the entry that has a *part* of that name."""
        row = self._connection.execute(_WHOLE, (owner, part)).fetchone()
        return None if row is None else row[0]

    def drop(self, owner: str, name: str) -> None:
        """Forget the entry called *name*, and its parts."""
        with self._transaction():
            self._drop(owner, name)

    def _drop(self, owner: str, name: str) -> None:
        for statement in _DROP:
            self._connection.execute(statement, (owner, name))

    def _forget(self, now: int) -> None:
        bounds, going = self._bounds, list[tuple[str, str]]()
        count, size = self._connection.execute(_SUM).fetchone()
        for owner, name, used, bytes_of_it in self._connection.execute(_OLDEST):
            if count <= bounds.entries and size <= bounds.size and now - used <= bounds.seconds:
                break
            going.append((owner, name))
            count, size = count - 1, size - bytes_of_it
        for owner, name in going:
            self._drop(owner, name)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
