"""The part of a cache that outlives the process: an SQLite file, read and written in threads of its own.

Losing it loses only money, serving a wrong value loses trust. A write is whole or not there by SQLite's transactions,
whoever is killed when; a checksum of each row tells what the disk itself has damaged. Several processes may share it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inferpoint.storage.folder import make_private_file

_LOG = logging.getLogger(__name__)
_QUEUE_BYTES = 16 * 1024 * 1024
_BATCH_BYTES = 1024 * 1024
_TOUCHED_AT_ONCE = 1024
_BUSY_SECONDS = 5.0
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# NORMAL: the disk is waited for when the log is moved into the file, and so even a power cut leaves a file that is
# whole, but for what was written last. `used` is the number of the transaction that wrote or last read the row; it
# stands before the value, which lies on pages of its own when it is long.
_OPENING = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS items (
    key BLOB PRIMARY KEY, used INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_use ON items (used);
"""


class CacheFile:
    """Values by their keys in *path*, of which those used least recently go when they take more than *limit* bytes.

    Bytes are those of the file's pages that are in use; what waits to be written takes at most 16 MiB of memory.
    Reading and writing have a thread each, so that no reader waits for a writer. What cannot be read or written
    switches all of it off, which one line of the log says.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()  # of all that follows
        self._waiting: dict[bytes, bytes] = {}  # to be written, until it is there
        self._waiting_bytes = 0
        self._touched: set[bytes] = set()
        self._scheduled = False
        self._off = False
        opening = threading.Lock()
        self._reader = _Thread(path, "cache-reader", opening)
        self._writer = _Thread(path, "cache-writer", opening)

    async def find(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The values of those *keys* that are known, those included that still wait to be written."""
        with self._lock:
            if self._off:
                return {}
            values = {key: self._waiting[key] for key in keys if key in self._waiting}
        if missing := [key for key in keys if key not in values]:
            reading = self._reader.executor.submit(self._read, missing)
            values |= await asyncio.wrap_future(reading)
        return values

    def touch(self, keys: Iterable[bytes]) -> None:
        """Note that *keys* were used, in memory or here; the file is told with the next write."""
        with self._lock:
            if self._off or len(self._touched) >= 2 * _TOUCHED_AT_ONCE:
                return
            self._touched.update(keys)
            if len(self._touched) >= _TOUCHED_AT_ONCE:
                self._schedule()

    def keep(self, items: Mapping[bytes, bytes]) -> None:
        """Write *items* when there is time; those are not kept that find no room among what waits for the disk."""
        with self._lock:
            if self._off:
                return
            for key, value in items.items():
                size = len(key) + len(value)
                if size <= self._limit and self._waiting_bytes + size <= _QUEUE_BYTES:
                    self._forget(key)
                    self._waiting[key] = value
                    self._waiting_bytes += size
            if self._waiting:
                self._schedule()

    async def close(self) -> None:
        """Write what waits, then let the file go."""
        with self._lock:
            self._off = True
        await asyncio.wrap_future(self._writer.executor.submit(self._write_behind))
        for thread in (self._reader, self._writer):  # the last to close removes the log
            await asyncio.wrap_future(thread.executor.submit(thread.close))
            thread.executor.shutdown()  # it has nothing to do any more, so that this takes no time

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._writer.executor.submit(self._write_behind)

    def _forget(self, key: bytes) -> None:
        value = self._waiting.pop(key, None)
        if value is not None:
            self._waiting_bytes -= len(key) + len(value)

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        values: dict[bytes, bytes] = {}
        try:
            connection = self._reader.connection()
            for key in keys:
                row = connection.execute("SELECT value, checksum FROM items WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    value, checksum = row
                    if not isinstance(value, bytes) or checksum != _checksum(key, value):
                        raise sqlite3.DatabaseError("a value is damaged")
                    values[key] = value
        except sqlite3.Error as error:
            self._failed(error)
        self.touch(values)
        return values

    def _write_behind(self) -> None:
        """Write until nothing waits."""
        while True:
            with self._lock:
                batch, touched = self._batch(), self._touched
                self._touched = set()
                if not batch and not touched:
                    self._scheduled = False
                    return
            try:
                self._write(batch, touched)
            except sqlite3.Error as error:
                self._failed(error)
            with self._lock:
                for key, value in batch.items():
                    if self._waiting.get(key) is value:
                        self._forget(key)

    def _batch(self) -> dict[bytes, bytes]:
        """Some of what waits, the oldest first: a long transaction would hold up others, and make the file grow."""
        batch: dict[bytes, bytes] = {}
        size = 0
        for key, value in self._waiting.items():
            size += len(key) + len(value)
            if batch and size > min(_BATCH_BYTES, self._limit // 8):
                break
            batch[key] = value
        return batch

    def _write(self, batch: Mapping[bytes, bytes], touched: Iterable[bytes]) -> None:
        connection = self._writer.connection()
        with _transaction(connection):
            (number,) = connection.execute("SELECT coalesce(max(used), 0) + 1 FROM items").fetchone()
            connection.executemany("UPDATE items SET used = ? WHERE key = ?", [(number, key) for key in touched])
            rows = [(key, number, _checksum(key, value), value) for key, value in batch.items()]
            connection.executemany("REPLACE INTO items (key, used, checksum, value) VALUES (?, ?, ?, ?)", rows)
            while (surplus := _used_bytes(connection) - self._limit) > 0 and _evicted(connection, surplus):
                pass

    def _failed(self, error: sqlite3.Error) -> None:
        """Switch all of it off; but what only others' writing kept from being written is passed over."""
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _BUSY:
            return
        with self._lock:
            told, self._off = self._off, True
            self._waiting.clear()
            self._waiting_bytes = 0
        if not told:
            _LOG.warning("The cache %s is not used any more: %s. Delete it to begin anew.", self._path, error)


class _Thread:
    """A thread with a connection of its own, opened when it is first needed, while no other thread opens or closes one.

    A file that is made, brought to its journal mode and let go at the same time may be left with its log.
    """

    def __init__(self, path: Path, name: str, opening: threading.Lock) -> None:
        self.executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._path = path
        self._opening = opening
        self._connection: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            with self._opening:
                self._connection = _connected(self._path)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            with self._opening, contextlib.suppress(sqlite3.Error):
                self._connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    try:
        make_private_file(path)
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror) from None
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.text_factory = bytes
        connection.executescript(_OPENING)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _used_bytes(connection: sqlite3.Connection) -> int:
    asked = ("page_count", "freelist_count", "page_size")
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked)
    return (pages - free) * size


def _evicted(connection: sqlite3.Connection, surplus: int) -> int:
    """Delete those used least recently that hold about *surplus* bytes; how many there were."""
    going: list[tuple[int]] = []
    for row, size in connection.execute("SELECT rowid, length(value) FROM items ORDER BY used, rowid"):
        going.append((row,))
        surplus -= size
        if surplus <= 0:
            break
    connection.executemany("DELETE FROM items WHERE rowid = ?", going)
    return len(going)


def _checksum(key: bytes, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key))
