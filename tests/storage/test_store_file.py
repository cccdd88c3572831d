"""A store that is lost, replaced or damaged, before it is opened and while it is open."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage import store
from inferpoint.storage.rows import StoredEndpoint
from inferpoint.storage.store import Store
from inferpoint.storage.store_file import IDENTITY, SPARE, STORE

ROW = StoredEndpoint("a", "v1", "text_embedding", "s", {"n": 1}, {"k": "x.y"}, 3, frozenset({"a"}))
OTHER = replace(ROW, inference_id="b", version="v2", names=frozenset({"b"}))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture
def kept(data: Path) -> Iterator[Store]:
    """An open store with one row."""
    opened = store.opened(data)
    run(opened.add(ROW))
    yield opened
    opened.close()


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def overwrite(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


def scribble(file: Path) -> None:
    file.write_bytes(b"no store at all" * 1000)


def exchange(file: Path) -> None:
    """Another store, as new, in the place of this one."""
    elsewhere = file.parent / "elsewhere"
    elsewhere.mkdir()
    store.opened(elsewhere).close()
    (elsewhere / STORE).rename(file)


def drop(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        for table in ("names", "endpoints", "alembic_version"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()


def forget(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM alembic_version")
    connection.close()


Harm = Callable[[Path], None]
LOSSES = [
    (remove, "is missing, and this folder had one: put a copy of it back"),
    (empty, "is empty, and this folder had one: put a copy of it back"),
    (overwrite, "is damaged"),
    (scribble, "file is not a database"),
    (exchange, "is not the one that this folder had: put that one back"),
    (drop, "does not say which version its schema has"),
    (forget, "does not say which version its schema has"),
]


@pytest.mark.parametrize(("harm", "words"), LOSSES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_store_that_was_lost_is_told_and_none_is_begun(data: Path, harm: Harm, words: str) -> None:
    """A server that finds its store gone, emptied, replaced or damaged does not start, with one sentence."""
    first = store.opened(data)
    run(first.add(ROW))
    first.close()
    harm(data / STORE)
    before = (data / STORE).read_bytes() if (data / STORE).exists() else None
    for _ in range(2):
        with pytest.raises(InferenceError) as caught:
            store.opened(data)
        assert caught.value.kind is Kind.INTERNAL
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert before == ((data / STORE).read_bytes() if (data / STORE).exists() else None)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (remove, "is missing under the running server"),
        (empty, "is empty under the running server"),
        (exchange, "was replaced under the running server"),
        (overwrite, "is damaged"),
        (scribble, "file is not a database"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_store_that_is_lost_under_a_running_server_takes_no_writes(
    data: Path, kept: Store, harm: Harm, words: str
) -> None:
    """No change is answered that nobody would find again; what is read says so, too."""
    harm(data / STORE)
    for act in (kept.add(OTHER), kept.replace(replace(ROW, version="v3"), "v1"), kept.remove("a", "v1"), kept.all()):
        with pytest.raises(InferenceError) as caught:
            run(act)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_store_that_was_put_back_is_served_again(data: Path, kept: Store) -> None:
    """What another process wrote over it, whole and of this folder, is read as it is there."""
    whole = (data / STORE).read_bytes()
    empty(data / STORE)
    with pytest.raises(InferenceError):
        run(kept.all())
    (data / STORE).write_bytes(whole)
    assert run(kept.all()) == [ROW]
    run(kept.add(OTHER))
    assert run(kept.all()) == [ROW, OTHER]


def test_a_copy_of_the_file_of_a_running_server_is_whole(data: Path, kept: Store, tmp_path: Path) -> None:
    """After each change all is in the one file, which opens elsewhere with all that was answered."""
    for number, (act, rows) in enumerate(
        [
            (lambda: kept.add(OTHER), [ROW, OTHER]),
            (lambda: kept.replace(replace(OTHER, version="v3"), "v2"), [ROW, replace(OTHER, version="v3")]),
            (lambda: kept.remove("a", "v1"), [replace(OTHER, version="v3")]),
        ]
    ):
        run(act())
        folder = tmp_path / f"copy-{number}"
        folder.mkdir()
        shutil.copy(data / STORE, folder)
        copy = store.opened(folder)
        assert run(copy.all()) == rows
        copy.close()


def test_a_backup_of_the_same_store_is_taken(data: Path) -> None:
    """An older copy put back in its place is the folder's own."""
    first = store.opened(data)
    run(first.add(ROW))
    backup = (data / STORE).read_bytes()
    run(first.add(OTHER))
    first.close()
    (data / STORE).write_bytes(backup)
    second = store.opened(data)
    assert run(second.all()) == [ROW]
    second.close()


def test_who_wants_to_begin_anew_can(data: Path) -> None:
    """Without the number that the store had, a folder is new."""
    (data / STORE).unlink()
    (data / IDENTITY).unlink()
    store.opened(data).close()


def test_every_file_of_the_store_is_its_owners_alone(tmp_path: Path) -> None:
    """SQLite's own beside it, too, whatever the umask."""
    before = os.umask(0)
    try:
        opened = store.opened(tmp_path)
        run(opened.add(ROW))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        opened.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys((STORE, f"{STORE}-wal", f"{STORE}-shm", IDENTITY, SPARE), 0o600)


def test_a_full_disk_takes_no_more_endpoints_and_loses_those_that_are_deleted(data: Path) -> None:
    """Deleting has the room that is kept to spare, which is there again afterwards."""
    opened = store.opened(data)
    run(opened.add(ROW))
    run(opened.add(OTHER))
    assert (data / SPARE).stat().st_size == 1024 * 1024
    act, full = opened._transaction, sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def without_room(*arguments: Any) -> Any:
        if (data / SPARE).exists():
            raise store.DatabaseError("COMMIT", None, full)
        return act(*arguments)

    opened._transaction = without_room  # type: ignore[method-assign]
    with pytest.raises(InferenceError, match=r"Failed to store .*: database or disk is full"):
        run(opened.add(replace(ROW, inference_id="c", version="v3", names=frozenset({"c"}))))
    assert run(opened.remove("a", "v1"))
    opened._transaction = act  # type: ignore[method-assign]
    assert run(opened.all()) == [OTHER]
    assert (data / SPARE).stat().st_size == 1024 * 1024
    opened.close()
