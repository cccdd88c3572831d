from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.storage import store
from inferpoint.storage.store import Store, StoredEndpoint

ROW = StoredEndpoint("a", "text_embedding", "s", {"n": 1}, {"k": "x.y"}, {"o": "ü"}, None, 3, "v1")


@pytest.fixture
def kept(data: Path) -> Iterator[Store]:
    found = store.opened(data)
    yield found
    found.close()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_an_empty_folder_gets_the_schema_that_the_code_declares(tmp_path: Path) -> None:
    """Migrating an empty file gives exactly the columns, keys and constraints of the table in the code."""
    store.opened(tmp_path).close()
    engine = sql.create_engine(f"sqlite:///{tmp_path / 'inferpoint.db'}")
    found = sql.inspect(engine)
    declared = store.ENDPOINTS
    columns = {
        each["name"]: (str(each["type"]), each["nullable"], bool(each["primary_key"]))
        for each in found.get_columns("endpoints")
    }
    assert columns == {each.name: (str(each.type), each.nullable, each.primary_key) for each in declared.columns}
    assert [each["column_names"] for each in found.get_unique_constraints("endpoints")] == [["version"]]
    engine.dispose()


def test_opening_again_changes_nothing(data: Path) -> None:
    """A store that is up to date is opened as it is, with its rows."""
    first = store.opened(data)
    run(first.add(ROW))
    first.close()
    second = store.opened(data)
    assert run(second.all()) == [ROW]
    second.close()


@pytest.mark.parametrize(("revision", "missing"), [("0001", {"aliases", "cache"}), ("0002", {"cache"})])
def test_a_store_of_an_older_revision_is_brought_up_to_date(tmp_path: Path, revision: str, missing: set[str]) -> None:
    """Rows that were written before there were aliases or caches are kept, and have none."""
    engine = sql.create_engine(f"sqlite:///{tmp_path / 'inferpoint.db'}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(store._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        columns = [each["name"] for each in sql.inspect(connection).get_columns("endpoints")]
        assert set(vars(ROW)) - set(columns) == missing
        connection.execute(sql.insert(store.ENDPOINTS).values({name: getattr(ROW, name) for name in columns}))
    engine.dispose()
    kept = store.opened(tmp_path)
    assert run(kept.all()) == [ROW]
    changed = replace(ROW, aliases=["b", "c"], cache={"memory_bytes": 1, "disk_bytes": 2})
    run(kept.replace(changed, ROW.version))
    assert run(kept.all()) == [changed]
    kept.close()


def test_a_store_of_a_newer_version_is_refused(data: Path) -> None:
    """A schema revision that is not ours yet is one error, and the file stays as it is."""
    with sqlite3.connect(data / "inferpoint.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InferenceError, match="newer version") as caught:
        store.opened(data)
    assert caught.value.kind is Kind.INTERNAL


@pytest.mark.parametrize("content", [b"this is not a database at all" * 200, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    """A broken file is said in one line, whatever is in it."""
    (tmp_path / "inferpoint.db").write_bytes(content)
    with pytest.raises(InferenceError, match="The store cannot be opened") as caught:
        store.opened(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_damaged_in_the_middle_is_one_clear_error(data: Path) -> None:
    """Pages that were overwritten after the schema are an error of ours when they are read, not a traceback."""
    kept = store.opened(data)
    for number in range(200):
        run(kept.add(replace(ROW, inference_id=f"a{number}", version=f"v{number}", settings={"t": "x" * 200})))
    kept.close()
    file = data / "inferpoint.db"
    whole = file.read_bytes()
    file.write_bytes(whole[: 6 * 4096] + b"\xff" * (len(whole) - 6 * 4096))
    with pytest.raises(InferenceError) as caught:
        kept = store.opened(data)
        try:
            run(kept.all())
        finally:
            kept.close()
    assert caught.value.kind is Kind.INTERNAL
    assert "\n" not in str(caught.value)


def test_a_row_that_is_not_json_is_one_clear_error(data: Path, kept: Store) -> None:
    """A value that was changed behind our back is an error of ours, not a traceback."""
    run(kept.add(ROW))
    with sqlite3.connect(data / "inferpoint.db") as connection:
        connection.execute("UPDATE endpoints SET settings = '{broken'")
    connection.close()
    with pytest.raises(InferenceError, match="Failed to read the inference endpoints"):
        run(kept.all())


def test_a_folder_with_any_name_is_opened(tmp_path: Path) -> None:
    """Characters that mean something in an address mean nothing in a folder's name."""
    folder = tmp_path / "what? 100%25 #1 & more"
    folder.mkdir()
    store.opened(folder).close()
    assert (folder / "inferpoint.db").exists()


def test_a_second_endpoint_of_the_same_id_is_a_conflict(kept: Store) -> None:
    """The store itself holds ids apart, and says it in Elasticsearch's words."""
    run(kept.add(ROW))
    with pytest.raises(InferenceError) as caught:
        run(kept.add(replace(ROW, version="v2")))
    assert (caught.value.kind, caught.value.subject) == (Kind.CONFLICT, Subject.EXISTING)
    assert str(caught.value) == "Inference endpoint [a] already exists"
    assert run(kept.all()) == [ROW]


def test_rows_come_back_as_they_were_by_id(kept: Store) -> None:
    """What is written is read, in the order of the ids; replacing and removing touch only their own row."""
    other = replace(ROW, inference_id="b", version="v2", chunking={"strategy": "none"}, dimensions=None)
    run(kept.add(other))
    run(kept.add(ROW))
    assert run(kept.all()) == [ROW, other]
    changed = replace(ROW, version="v3", settings={"n": 2})
    assert run(kept.replace(changed, ROW.version))
    assert run(kept.all()) == [changed, other]
    assert run(kept.remove("a", "v3"))
    assert run(kept.all()) == [other]


def test_a_write_that_was_answered_is_on_the_disk(kept: Store) -> None:
    """The journal is a write-ahead log that is flushed at every commit (2 is FULL)."""
    run(kept.all())
    with kept._engine.connect() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    assert pragmas == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000, "foreign_keys": 1}


def test_transactions_take_the_write_lock_at_once(data: Path, kept: Store) -> None:
    """While somebody else writes, a transaction waits at its begin; it never reads first and fails to write later."""
    with kept._engine.connect() as connection, connection.begin():
        other = sqlite3.connect(data / "inferpoint.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_processes_that_write_at_once_wait_for_each_other(data: Path) -> None:
    """Each write is made, none is refused because another store is writing."""
    stores = [store.opened(data) for _ in range(2)]
    rows = [replace(ROW, inference_id=f"e{number}", version=f"v{number}") for number in range(10)]

    async def all_at_once() -> None:
        await asyncio.gather(*(stores[place % 2].add(row) for place, row in enumerate(rows)))

    run(all_at_once())
    for each in stores:
        assert run(each.all()) == rows
        each.close()


def test_what_fails_leaves_nothing(kept: Store) -> None:
    """A transaction that fails in its middle is rolled back whole."""

    def half(connection: sql.Connection) -> None:
        connection.execute(sql.insert(store.ENDPOINTS).values(**vars(ROW)))
        raise SQLAlchemyError

    with pytest.raises(SQLAlchemyError):
        run(kept._run(half, "do half of something"))
    assert run(kept.all()) == []
