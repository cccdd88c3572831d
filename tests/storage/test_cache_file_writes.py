"""What a cache's file holds when writing is slow, refused or broken off, and when the cache is shut down."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inferpoint.storage import cache_file
from inferpoint.storage.cache_file import CacheFile

LARGE = 1 << 30
HALF_MIB = 512 * 1024


class Watched(sqlite3.Connection):
    """A connection that tells when a transaction was asked for, what was refused, and how many rows each changed."""

    asked: threading.Event
    refused: threading.Event
    committed: list[int]

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE":
            self.asked.set()
            self.begun = self.total_changes
        elif sql == "COMMIT":
            self.committed.append(self.total_changes - self.begun)
        with self._telling():
            return super().execute(sql, *values)

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        with self._telling():
            return super().executemany(sql, rows)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error:
            self.refused.set()
            raise


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    """What the connections that are opened from now on tell."""
    monkeypatch.setattr(Watched, "asked", threading.Event(), raising=False)
    monkeypatch.setattr(Watched, "refused", threading.Event(), raising=False)
    monkeypatch.setattr(Watched, "committed", [], raising=False)
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Watched))
    return Watched


class Held:
    """Another process that writes to the file of *path*, until it lets go."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.Connection(path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.close()


async def written(path: Path, items: Mapping[bytes, bytes], limit: int = LARGE) -> None:
    """A life of the cache in which *items* are kept."""
    file = CacheFile(path, limit)
    file.keep(items)
    await file.close()


async def found_in(path: Path, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """What a new life of the cache knows of *keys*."""
    file = CacheFile(path, LARGE)
    try:
        return await file.find(list(keys))
    finally:
        await file.close()


async def happens(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 60)


def execute(path: Path, statement: str) -> Any:
    """What one statement says of the file, or does to it."""
    connection = sqlite3.Connection(path, isolation_level=None)
    try:
        return connection.execute(statement).fetchone()
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that knows one value already."""
    asyncio.run(written(tmp_path / "cache.db", {b"first": b"1"}))
    return tmp_path / "cache.db"


def test_a_value_that_is_larger_than_the_file_may_be_pushes_nothing_out(path: Path) -> None:
    """What could not stay is not written at all: what was there stays."""
    items = {b"%d" % number: b"v" * 100 for number in range(10)}

    async def main() -> None:
        await written(path, items, 100_000)
        await written(path, {b"large": b"!" * 150_000}, 100_000)
        assert await found_in(path, [*items, b"large"]) == items

    asyncio.run(main())


def test_what_is_kept_again_while_it_is_written_is_written_again(path: Path, watched: type[Watched]) -> None:
    """Of two values of one key the later is the one that is found, at once and after a new start."""

    async def main() -> None:
        held = Held(path)
        file = CacheFile(path, LARGE)
        file.keep({b"a": b"old"})
        await happens(watched.asked)
        file.keep({b"a": b"new"})
        held.let_go()
        assert await file.find([b"a"]) == {b"a": b"new"}
        await file.close()
        assert await found_in(path, [b"a"]) == {b"a": b"new"}

    asyncio.run(main())


def test_much_that_waits_is_written_in_several_transactions(path: Path, watched: type[Watched]) -> None:
    """Each holds a mebibyte at the most, so that other processes that write have their turns between them."""
    items = {b"%d" % number: b"v" * (HALF_MIB - 1) for number in range(10)}

    async def main() -> None:
        held = Held(path)
        file = CacheFile(path, LARGE)
        file.keep(items)
        await happens(watched.asked)
        held.let_go()
        await file.close()
        assert watched.committed == [2] * 5
        assert await found_in(path, items) == items

    asyncio.run(main())


def test_what_is_kept_again_takes_its_room_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While others write, the newest value of a key waits in place of those before it."""
    monkeypatch.setattr(cache_file, "_QUEUE_BYTES", 1000)

    async def main() -> None:
        execute(path, "PRAGMA journal_mode=WAL")
        held, file = Held(path), CacheFile(path, LARGE)
        for number in range(9):
            file.keep({b"a": b"%d" % number * 300})
        held.let_go()
        await file.close()
        assert await found_in(path, [b"a"]) == {b"a": b"8" * 300}

    asyncio.run(main())


def test_what_was_only_read_counts_as_used_after_a_shutdown(path: Path) -> None:
    """Values that are found in every life of the cache are not pushed out by what each of them keeps."""

    async def main() -> None:
        limit = 200_000
        await written(path, {b"often": b"!" * 9000, b"as often": b"!" * 9000, b"never": b"?" * 9000}, limit)
        for number in range(10):
            file = CacheFile(path, limit)
            assert await file.find([b"often"])
            assert await file.find([b"as often"])
            await file.close()
            await written(path, {b"%d" % number: b"v" * 50_000}, limit)
        known = await found_in(path, [b"often", b"as often", b"never", b"0", b"9"])
        assert set(known) == {b"often", b"as often", b"9"}

    asyncio.run(main())


def test_a_file_that_was_busy_is_written_again(
    path: Path, watched: type[Watched], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be written for others is not kept, what comes afterwards is; nobody is alarmed."""
    monkeypatch.setattr(cache_file, "_BUSY_SECONDS", 0.01)

    async def main() -> None:
        held = Held(path)
        file = CacheFile(path, LARGE)
        file.keep({b"a": b"1"})
        await happens(watched.refused)
        held.let_go()
        file.keep({b"b": b"2"})
        await file.close()
        assert await found_in(path, [b"a", b"b"]) == {b"b": b"2"}

    asyncio.run(main())
    assert caplog.records == []


def test_nothing_that_waits_is_written_once_the_file_was_found_to_be_damaged(
    path: Path, watched: type[Watched], caplog: pytest.LogCaptureFixture
) -> None:
    """But for what was being written at that moment, the file is left as it is."""
    execute(path, "UPDATE items SET value = x'00'")

    async def main() -> None:
        held = Held(path)
        file = CacheFile(path, LARGE)
        file.keep({b"%d" % number: b"v" * 2 * HALF_MIB for number in range(10)})
        await happens(watched.asked)
        assert await file.find([b"first"]) == {}
        held.let_go()
        await file.close()

    asyncio.run(main())
    assert execute(path, "SELECT count(*) <= 2 FROM items") == (1,)
    assert "a value is damaged" in caplog.text


def test_a_write_that_fails_holds_up_no_other_process(
    path: Path, watched: type[Watched], caplog: pytest.LogCaptureFixture
) -> None:
    """What breaks off in the middle of a transaction ends it, also while the cache is still open."""
    refusal = "SELECT RAISE(ABORT, 'the disk is full')"
    execute(path, f"CREATE TRIGGER full AFTER INSERT ON items WHEN NEW.value = x'00' BEGIN {refusal}; END")

    async def main() -> None:
        failing = CacheFile(path, LARGE)
        failing.keep({b"bad": b"\0"})
        await happens(watched.refused)
        await written(path, {b"good": b"1"})
        await failing.close()
        assert set(await found_in(path, [b"first", b"bad", b"good"])) == {b"first", b"good"}

    asyncio.run(main())
    assert "the disk is full" in caplog.text
