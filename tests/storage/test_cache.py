from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import inferpoint
from inferpoint.storage import cache_file
from inferpoint.storage.cache import ENTRY_BYTES, Cache
from inferpoint.storage.cache_file import CacheFile

MIB = 1024 * 1024
SOURCE = str(Path(inferpoint.__file__).parents[1])
# What another process does: it writes values that follow from their keys, and tells how far it has come.
WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from inferpoint.storage.cache_file import CacheFile
path, name, first, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def items(number):
    keys = [hashlib.sha256(f"{name} {number} {n}".encode()).digest() for n in range(10)]
    return {key: key * 300 for key in keys}
async def main():
    file = CacheFile(path, 1 << 30)
    for number in range(first):
        file.keep(items(number))
    await file.close()
    print("written", flush=True)
    file = CacheFile(path, 1 << 30)
    for number in range(first, last):
        file.keep(items(number))
        await asyncio.sleep(0.001)
        print(number, flush=True)
    await file.close()
asyncio.run(main())
"""


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of what never waits."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def writer(path: Path, name: str, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": SOURCE})


def keys_of(name: str, numbers: Sequence[int]) -> list[bytes]:
    return [hashlib.sha256(f"{name} {number} {n}".encode()).digest() for number in numbers for n in range(10)]


def found_in(path: Path, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
    async def read() -> Mapping[bytes, bytes]:
        file = CacheFile(path, 1 << 30)
        try:
            return await file.find(keys)
        finally:
            await file.close()

    return run(read())


def written(path: Path, items: Mapping[bytes, bytes], limit: int = 1 << 30) -> None:
    async def write() -> None:
        file = CacheFile(path, limit)
        file.keep(items)
        await file.close()

    run(write())


KEYS = st.integers(0, 9).map(lambda n: b"key %d" % n)
SIZES = st.integers(0, 1500)


@given(st.integers(0, 5 * ENTRY_BYTES + 2000), st.lists(st.tuples(st.sampled_from(["keep", "find"]), KEYS, SIZES)))
@example(
    5 * ENTRY_BYTES, [("keep", b"key 1", 10), ("keep", b"key 2", 1), ("find", b"key 1", 0), ("keep", b"key 2", 20)]
)
def test_memory_is_never_above_its_limit_and_the_most_recently_used_survive(
    limit: int, steps: list[tuple[str, bytes, int]]
) -> None:
    """Of two values that were kept, the one used later is not forgotten before the other."""
    cache = Cache(limit)
    kept: dict[bytes, bytes] = {}  # in the order of their use
    for step, key, size in steps:
        if step == "keep":
            cache.keep({key: b"x" * size})
            kept.pop(key, None)
            if len(key) + size + ENTRY_BYTES <= limit:
                kept[key] = b"x" * size
                assert key in cache._values
        elif at_once(cache.find([key])):
            kept[key] = kept.pop(key)
        assert cache.bytes <= limit
    order = list(kept)
    left = [key for key in order if key in cache._values]
    assert left == order[len(order) - len(left) :]
    assert list(cache._values) == left
    assert cache.bytes == sum(len(key) + len(kept[key]) + ENTRY_BYTES for key in left)
    assert dict(at_once(cache.find(order))) == {key: kept[key] for key in left}


def test_what_is_known_is_told_once_however_often_it_is_asked_for() -> None:
    """An empty value is one as well; what is not known is not there."""
    cache = Cache(MIB)
    cache.keep({b"a": b"1", b"b": b""})
    assert at_once(cache.find([b"a", b"b", b"c", b"a"])) == {b"a": b"1", b"b": b""}
    assert cache.entries == 2
    assert at_once(cache.find([])) == {}


def test_a_value_that_is_too_large_takes_the_place_of_no_other() -> None:
    """It is not kept; nor is what it would have replaced, which is not what was kept last."""
    cache = Cache(2000)
    cache.keep({b"a": b"1", b"b": b"2"})
    cache.keep({b"b": b"x" * 2000})
    assert at_once(cache.find([b"a", b"b"])) == {b"a": b"1"}


def test_a_file_outlives_its_cache(tmp_path: Path) -> None:
    """What was kept is found after a new start, also with no memory at all, and replaced by what is kept later."""

    async def lives() -> None:
        for memory in (0, MIB):
            cache = Cache(memory, CacheFile(tmp_path / "cache.db", MIB))
            known = await cache.find([b"a", b"b"])
            assert known == ({} if memory == 0 else {b"a": b"1", b"b": b"y" * 50_000})
            cache.keep({b"a": b"0", b"b": b"y" * 50_000})
            cache.keep({b"a": b"1"})
            assert await cache.find([b"a", b"c"]) == {b"a": b"1"}  # whether it was written yet or not
            await cache.close()
            cache.keep({b"c": b"2"})
            assert await cache.find([b"c"]) == ({} if memory == 0 else {b"c": b"2"})

    run(lives())
    assert found_in(tmp_path / "cache.db", [b"c"]) == {}


def test_a_file_stays_within_its_limit_and_keeps_what_is_used(tmp_path: Path) -> None:
    """Pages in use never exceed the limit, and what is read again and again is not what goes."""
    path, limit = tmp_path / "cache.db", 300_000

    async def one_round(number: int) -> None:
        cache = Cache(0, CacheFile(path, limit))
        assert number == 0 or await cache.find([b"often", b"0 0"])
        cache.keep({b"%d %d" % (number, n): b"v" * (50 + 1000 * n) for n in range(10)})
        if number == 0:
            cache.keep({b"often": b"!" * 9000})
        await cache.close()

    for number in range(20):
        run(one_round(number))
        with sqlite3.connect(path) as connection:
            assert cache_file._used_bytes(connection) <= limit
        connection.close()
    assert path.stat().st_size <= limit * 2
    names = [b"%d %d" % (number, n) for number in range(20) for n in range(10)]
    found = found_in(path, [b"often", *names])
    assert found[b"often"] == b"!" * 9000
    assert set(names[-10:]) <= set(found)
    assert b"1 5" not in found


def test_what_is_found_in_memory_counts_as_used_in_the_file(tmp_path: Path) -> None:
    """A value that memory answers is not forgotten on the disk for being asked for too often."""
    path = tmp_path / "cache.db"

    async def use() -> None:
        cache = Cache(MIB, CacheFile(path, 200_000))
        cache.keep({b"often": b"!" * 9000})
        await cache.close()
        for number in range(10):
            cache = Cache(MIB, CacheFile(path, 200_000))
            cache._remember(b"often", b"!" * 9000)
            await cache.find([b"often"])
            cache.keep({b"%d" % number: b"v" * 50_000})
            await cache.close()

    run(use())
    assert set(found_in(path, [b"often", b"0", b"9"])) == {b"often", b"9"}


def test_what_does_not_fit_the_queue_of_a_slow_disk_is_not_kept(tmp_path: Path) -> None:
    """The cache never holds up who keeps: what waits is bounded, and is written once it can be."""
    path = tmp_path / "cache.db"
    written(path, {b"first": b"1"})

    async def crowd() -> None:
        file = CacheFile(path, 1 << 30)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for number in range(20):
            file.keep({b"%d" % number: bytes([number]) * MIB})
        assert file._waiting_bytes <= cache_file._QUEUE_BYTES
        found = await file.find([b"0", b"19"])  # a reader does not wait for a writer
        assert found == {b"0": bytes(MIB)}
        other.execute("COMMIT")
        other.close()
        await file.close()

    run(crowd())
    assert set(found_in(path, [b"%d" % number for number in range(20)])) == {b"%d" % number for number in range(15)}


def test_a_file_that_others_hold_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written in time is not kept; afterwards all goes on, and nobody is alarmed."""
    monkeypatch.setattr(cache_file, "_BUSY_SECONDS", 0.01)
    path = tmp_path / "cache.db"
    written(path, {b"first": b"1"})

    async def hold() -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        file = CacheFile(path, 1 << 30)
        file.keep({b"a": b"1"})
        await file.close()
        other.execute("COMMIT")
        other.close()
        file = CacheFile(path, 1 << 30)
        assert await file.find([b"a", b"first"]) == {b"first": b"1"}
        file.keep({b"b": b"2"})
        await file.close()

    run(hold())
    assert found_in(path, [b"a", b"b"]) == {b"b": b"2"}
    assert caplog.records == []


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_a_process_that_is_killed_leaves_whole_values(tmp_path: Path, lines: int) -> None:
    """Wherever it was in writing, every value that is found is the one that was kept, and what was written is there."""
    path = tmp_path / "cache.db"
    process = writer(path, "killed", 5, 10_000)
    assert process.stdout
    said = [process.stdout.readline() for _ in range(1 + lines)]
    process.kill()
    process.communicate()
    assert said[0] == "written\n"
    keys = keys_of("killed", range(5 + lines + 100))
    found = found_in(path, keys)
    assert all(value == key * 300 for key, value in found.items())
    assert set(keys[:50]) <= set(found)
    written(path, {b"after": b"1"})
    assert found_in(path, [b"after"]) == {b"after": b"1"}


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """Both write at the same time, from the making of the file on, and each finds what the other wrote."""
    path = tmp_path / "cache.db"
    processes = [writer(path, name, 20, 60) for name in ("one", "two")]
    ends = [(process.communicate()[0], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0, 0]
    keys = [key for name in ("one", "two") for key in keys_of(name, range(20, 60))]
    found = found_in(path, keys)
    assert set(found) == set(keys)
    assert all(value == key * 300 for key, value in found.items())


def used_without_its_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What must hold of a cache whose file is of no use: memory goes on, and one line says so."""

    async def use() -> None:
        cache = Cache(MIB, CacheFile(path, MIB))
        for number in range(3):
            key = b"new %d" % number
            assert await cache.find([key]) == {}
            cache.keep({key: b"1"})
            assert await cache.find([key]) == {key: b"1"}
        await cache.close()

    with caplog.at_level(logging.WARNING):
        run(use())
    assert len(caplog.records) == 1
    said = caplog.records[0].getMessage()
    assert said.startswith(f"The cache {path} is not used any more: ")
    assert "\n" not in said


@pytest.mark.parametrize("content", [b"this is no database at all" * 200, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_cache_switches_the_disk_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """No request fails for it, and the file is left as it is."""
    path = tmp_path / "cache.db"
    path.write_bytes(content)
    used_without_its_file(path, caplog)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_switches_the_disk_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Likewise where there can be no file."""
    (tmp_path / "file").write_bytes(b"")
    used_without_its_file(tmp_path / "file" / "cache.db", caplog)


@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_a_file_damaged_in_the_middle_serves_no_wrong_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: float
) -> None:
    """Bytes that the disk changed are found by SQLite or by the checksum, and then the file is not used any more."""
    path = tmp_path / "cache.db"
    items = {key: key * 300 for key in keys_of("damaged", range(10))}
    written(path, items)
    whole = bytearray(path.read_bytes())
    at = int(len(whole) * place)
    whole[at : at + 20_000] = bytes(byte ^ 0x5A for byte in whole[at : at + 20_000])
    path.write_bytes(whole)
    found = found_in(path, list(items))
    assert len(found) < len(items)
    assert all(value == items[key] for key, value in found.items())
    assert len(caplog.records) == 1


@pytest.mark.parametrize("change", ["value = 'text'", "value = 5", "value = x'00'", "key = x'61' WHERE key = x'62'"])
def test_a_value_that_is_not_what_was_kept_is_not_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    """Whatever stands in its place, of whatever type, be it what was kept by another key."""
    path = tmp_path / "cache.db"
    written(path, {b"a": b"1", b"b": b"2"})
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE OR REPLACE items SET {change}")
    connection.close()
    assert found_in(path, [b"a"]) == {}
    assert "a value is damaged" in caplog.text
