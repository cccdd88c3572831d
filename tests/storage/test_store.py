from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError
from world import KEY, SECRET

from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.storage import rows, schema, store
from inferpoint.storage.rows import StoredEndpoint
from inferpoint.storage.store import Store
from inferpoint.storage.vault import Vault

ROW = StoredEndpoint("a", "v1", "text_embedding", "s", {"n": {"o": "ü"}}, {"k": "x.y"}, 3, frozenset({"a", "b"}))
DATABASES = Path(__file__).parent / "databases"  # as versions 1 to 5 of the schema made them, each as a dump


@pytest.fixture
def kept(data: Path) -> Iterator[Store]:
    found = store.opened(data)
    yield found
    found.close()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def declared(file: Path) -> dict[str, Any]:
    """What a database says of its tables, apart from the order in which they were made."""
    engine = sql.create_engine(f"sqlite:///{file}")
    inspected = sql.inspect(engine)
    tables = {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], bool(column["primary_key"]))
                for column in inspected.get_columns(table)
            },
            "unique": [unique["column_names"] for unique in inspected.get_unique_constraints(table)],
            "indexes": [index["column_names"] for index in inspected.get_indexes(table)],
            "references": [
                (key["constrained_columns"], key["referred_table"], key["options"])
                for key in inspected.get_foreign_keys(table)
            ],
        }
        for table in inspected.get_table_names()
    }
    engine.dispose()
    return tables


@pytest.mark.parametrize("origin", [None, *sorted(DATABASES.glob("*.sql"))], ids=lambda origin: origin and origin.stem)
def test_every_database_gets_the_schema_that_the_code_declares(tmp_path: Path, origin: Path | None) -> None:
    """Migrating an empty file, or one of an older version, gives exactly what the tables in the code say."""
    if origin is not None:
        restored(origin, tmp_path)
    store.opened(tmp_path).close()
    engine = sql.create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    schema.METADATA.create_all(engine)
    engine.dispose()
    assert declared(tmp_path / "inferpoint.db") == declared(tmp_path / "declared.db")


def test_opening_again_changes_nothing(data: Path) -> None:
    """A store that is up to date is opened as it is, with its rows."""
    first = store.opened(data)
    run(first.add(ROW))
    first.close()
    second = store.opened(data)
    assert run(second.all()) == [ROW]
    second.close()


def restored(dump: Path, folder: Path) -> None:
    connection = sqlite3.connect(folder / "inferpoint.db")
    connection.executescript(dump.read_text("utf-8"))
    connection.close()


FULL = {
    "service_settings": {
        "model_id": "m",
        "organization_id": "o",
        "rate_limit": {"requests_per_minute": 7, "burst": 1},
        "dimensions": 3,
    },
    "task_settings": {"user": "ü", "headers": {"a": "b"}},
    "chunking_settings": {"strategy": "word", "max_chunk_size": 100, "overlap": 10},
    "aliases": ["one", "two"],
    "cache": {"memory_bytes": 1000, "disk_bytes": 2000},
}


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("0001", {"aliases", "cache"}),
        ("0002", {"cache"}),
        ("0003", set[str]()),
        ("0004", set[str]()),
        ("0005", set[str]()),
    ],
)
def test_a_store_of_an_older_version_is_brought_up_to_date(tmp_path: Path, version: str, missing: set[str]) -> None:
    """Every endpoint is kept with all that its version could hold: settings, secrets, aliases, cache and lengths."""
    restored(DATABASES / f"{version}.sql", tmp_path)
    kept = store.opened(tmp_path)
    rows = {row.inference_id: row for row in run(kept.all())}
    assert list(rows) == ["full", "moved", "plain", "sparse"]
    full = rows["full"]
    assert full.document == {name: value for name, value in FULL.items() if name not in missing}
    assert (full.task_type, full.service, full.dimensions) == ("text_embedding", "openai", 3)
    assert full.version == "3c9072fb08854289a61b1a91e3831b4a"
    assert full.names == ({"full"} if "aliases" in missing else {"full", "one", "two"})
    assert (rows["moved"].service, rows["moved"].document["service_settings"]["colour"]) == ("gone", "red")
    assert rows["plain"].document == {"service_settings": {"model_id": "m"}}
    assert rows["sparse"].document["chunking_settings"] == {"strategy": "none"}
    vault = Vault(KEY)
    opened = {name: vault.open(row.secrets["api_key"], f"{name}/api_key") for name, row in rows.items()}
    assert opened == {"full": SECRET, "moved": "second", "plain": SECRET, "sparse": SECRET}
    changed = replace(full, document=FULL, version="v2", names=full.names | {"x"})
    assert run(kept.replace(changed, full.version))
    kept.close()
    again = store.opened(tmp_path)
    assert run(again.all())[0] == changed
    again.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """A row that cannot be brought up to date stops the start, and an older server still finds all its rows."""
    restored(DATABASES / "0003.sql", tmp_path)
    file = tmp_path / "inferpoint.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE endpoints SET aliases = '[\"plain\"]' WHERE inference_id = 'sparse'")
    before = list(connection.iterdump())
    with pytest.raises(InferenceError, match="The store cannot be opened"):
        store.opened(tmp_path)
    assert list(connection.iterdump()) == before
    connection.close()


def test_a_store_without_a_folder_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps what it was given until it is closed, holds names apart, and writes no file."""
    monkeypatch.chdir(tmp_path)
    kept, other = store.opened(), store.opened()
    run(kept.add(ROW))
    with pytest.raises(InferenceError, match="already exists"):
        run(kept.add(ROW))
    assert run(kept.all()) == [ROW]
    assert run(other.all()) == []
    kept.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_a_newer_version_is_refused(data: Path) -> None:
    """A schema version that is not ours yet is one sentence with both versions, and the file stays as it is."""
    with sqlite3.connect(data / "inferpoint.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InferenceError, match="newer version") as caught:
        store.opened(data)
    assert caught.value.kind is Kind.INTERNAL
    assert str(caught.value) == (
        "The store was written by a newer version of Inferpoint: its schema is version [9999],"
        " and this version of Inferpoint knows no newer one than [6]"
    )


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
        endpoint = replace(ROW, inference_id=f"a{number}", version=f"v{number}", document={"t": "x" * 200})
        run(kept.add(replace(endpoint, names=frozenset({f"a{number}"}))))
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


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        ("UPDATE endpoints SET document = '{broken' WHERE inference_id = 'a'", "its document is no JSON object"),
        ("UPDATE endpoints SET document = '[1]' WHERE inference_id = 'a'", "its document is no JSON object"),
        ("UPDATE endpoints SET document = x'ff00' WHERE inference_id = 'a'", "its document is no JSON object"),
        (
            "UPDATE endpoints SET document = CAST(x'7b22ff223a317d' AS TEXT) WHERE inference_id = 'a'",
            "its document is no JSON object",
        ),
        ("UPDATE endpoints SET secrets = '{\"k\": 1}' WHERE inference_id = 'a'", "a value is of another type"),
        ("UPDATE endpoints SET service = x'00' WHERE inference_id = 'a'", "a value is of another type"),
        ("UPDATE endpoints SET dimensions = 'many' WHERE inference_id = 'a'", "a value is of another type"),
    ],
)
def test_a_damaged_row_costs_its_endpoint_alone(data: Path, kept: Store, change: str, damage: str) -> None:
    """A value that was changed behind our back costs its row alone, which says what is wrong with it."""
    other = replace(ROW, inference_id="c", version="v2", names=frozenset({"c"}))
    run(kept.add(ROW))
    run(kept.add(other))
    with sqlite3.connect(data / "inferpoint.db") as connection:
        connection.execute(change)
    connection.close()
    damaged, whole = run(kept.all())
    assert whole == other
    assert (damaged.inference_id, damaged.names) == ("a", {"a", "b"})
    assert damage in damaged.damage
    assert run(kept.remove("a", damaged.version))
    assert run(kept.all()) == [other]


def test_a_closed_store_has_let_its_file_go(data: Path) -> None:
    """All is in the one file, beside which nothing of SQLite's is left, also while the store is remembered."""
    closed = store.opened(data)
    run(closed.add(ROW))
    assert len(list(data.iterdir())) > 1
    closed.close()
    assert {path.name for path in data.iterdir()} == {"inferpoint.db", "inferpoint.id", "inferpoint.spare"}


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
    other = replace(ROW, inference_id="c", version="v2", document={}, dimensions=None, names=frozenset({"c"}))
    run(kept.add(other))
    run(kept.add(ROW))
    assert run(kept.all()) == [ROW, other]
    changed = replace(ROW, version="v3", document={"n": 2}, names=frozenset({"a", "d"}))
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
    names = [f"e{number}" for number in range(10)]
    rows = [replace(ROW, inference_id=name, version=f"v{name}", names=frozenset({name})) for name in names]

    async def all_at_once() -> None:
        await asyncio.gather(*(stores[place % 2].add(row) for place, row in enumerate(rows)))

    run(all_at_once())
    for each in stores:
        assert run(each.all()) == rows
        each.close()


def test_what_fails_leaves_nothing(kept: Store) -> None:
    """A transaction that fails in its middle is rolled back whole."""

    def half(connection: sql.Connection) -> None:
        connection.execute(sql.insert(schema.ENDPOINTS).values(**rows.columns(ROW)))
        raise SQLAlchemyError

    with pytest.raises(SQLAlchemyError):
        run(kept.run(half, "do half of something"))
    assert run(kept.all()) == []
