"""pgvector, in a real PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest
from sinks_promised import SPACE, Place, Promises, chunks, done, numbers, row, texts_of

from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.sink import Part, Row
from inferpoint.errors import InferenceError, Kind

psycopg = pytest.importorskip("psycopg", reason="`make test` installs psycopg in .venvs/bulk")


class Table(Place):
    def __init__(self, database: str) -> None:
        self.database = database
        self.address = f"{database}&table=documents"

    def rows(self) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, row_factory=psycopg.rows.dict_row) as connection:
            rows = connection.execute("SELECT *, embedding::text AS vector FROM documents").fetchall()
        return [{**one, **(one.get("fields") or {}), "embedding": msgspec.json.decode(one["vector"])} for one in rows]


@pytest.fixture
def place(database: str) -> Iterator[Table]:
    place = Table(database)
    yield place
    place.close()


class TestTable(Promises):
    @pytest.fixture
    def place(self, database: str) -> Place:
        return Table(database)


def asked(place: Table, statement: str, *values: Any) -> list[Any]:
    with psycopg.connect(place.database) as connection:
        return connection.execute(statement, values).fetchall()


def test_the_nearest_text_is_found(place: Table) -> None:
    """By an index of the space's similarity, which is made when the job is done."""
    sink = place.sink()
    sink.open(SPACE)
    receipts = [sink.write(Part(0, 0, 1), [row(name) for name in "abcdef"])]
    sink.finish(receipts)
    nearest = asked(
        place, "SELECT id FROM documents ORDER BY embedding <=> %s::vector LIMIT 1", str(numbers("text of d"))
    )
    assert nearest == [("d",)]


TYPES = {
    Space("m", 8, None): ("vector(8)", "(embedding vector_cosine_ops)"),
    Space("m", 8, "dot_product"): ("vector(8)", "(embedding vector_ip_ops)"),
    Space("m", 8, "l2_norm"): ("vector(8)", "(embedding vector_l2_ops)"),
    Space("m", 3072, "cosine"): ("vector(3072)", "(((embedding)::halfvec(3072)) halfvec_cosine_ops)"),
    Space("m", 4096, "cosine"): ("vector(4096)", None),
    Space("m", 8, "cosine", "byte"): ("halfvec(8)", "(embedding halfvec_cosine_ops)"),
    Space("m", 64, "l2_norm", "bit"): ("bit(64)", "(embedding bit_hamming_ops)"),
    Space("m", None, None): ("vector", None),
    Space("m", None, None, "weights"): ("jsonb", None),
    Space("m", None, None, "text"): ("text", None),
}


@pytest.mark.parametrize(("space", "kind", "index"), [(space, *types) for space, types in TYPES.items()], ids=str)
def test_a_value_has_the_type_of_its_kind(place: Table, space: Space, kind: str, index: str | None) -> None:
    """Values are there as they came, and an index is made where pgvector has one; finishing twice makes one."""
    sink = place.sink()
    sink.open(space)
    bits = [1, -2, 3, -4, 5, 6, 127, -128]
    wide = [0.5] * (space.dimensions or 3)
    value: Any = {
        "float": msgspec.Raw(msgspec.json.encode(wide)),
        "weights": {"a": 0.5, "ü": 2.0},
        "text": "A 'text'\n",
    }.get(space.element, msgspec.Raw(msgspec.json.encode(bits)))
    receipts = [sink.write(Part(0, 0, 1), [Row("a", "a", "t", value)])]
    sink.finish(receipts)
    sink.finish(receipts)
    name = {"weights": "weights", "text": "completion"}.get(space.element, "embedding")
    told = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'documents'::regclass"
    assert dict(asked(place, told))[name] == kind
    made = asked(place, "SELECT indexdef FROM pg_indexes WHERE tablename = 'documents' AND indexdef LIKE '%%hnsw%%'")
    assert [definition.partition("USING hnsw ")[2] for (definition,) in made] == ([] if index is None else [index])
    ((held,),) = asked(place, f"SELECT {name}::text FROM documents")
    expected = {
        "float": lambda: msgspec.json.decode(held) == wide,
        "byte": lambda: msgspec.json.decode(held) == bits,
        "bit": lambda: held == "".join(f"{one & 255:08b}" for one in bits),
        "weights": lambda: msgspec.json.decode(held) == value,
        "text": lambda: held == value,
    }
    assert expected[space.element](), held


def test_what_postgresql_cannot_hold_is_rejected(place: Table) -> None:
    """A NUL, an id that no index holds, a number that is none: each in words, and the others are there."""
    sink = place.sink(kept=("title",))
    sink.open(SPACE)
    none = base64.b64encode(np.array([np.nan] * 8, "<f4").tobytes())
    rows = [
        row("a"),
        row("nul", "a\0b"),
        row("nul kept", title=["a\0b"]),
        row("x" * 2001),
        Row("nan", "nan", "t", msgspec.Raw(b'"' + none + b'"')),
        row("b"),
    ]
    receipt = sink.write(Part(0, 0, 1), rows)
    assert {name[:8]: words for name, words in receipt.rejected.items()} == {
        "nul": "PostgreSQL holds no text with a NUL",
        "nul kept": "PostgreSQL holds no text with a NUL",
        "xxxxxxxx": "An id has at most 2000 bytes",
        "nan": "A vector has a number that is infinite or none",
    }
    assert done(place, sink, [receipt]) == texts_of(row("a"), row("b"))


def test_parts_with_the_same_rows_are_written_at_once(place: Table) -> None:
    """Several threads write the same documents, in any order; each row is there once, and no part is lost."""
    sink = place.sink(chunked=True)
    sink.open(SPACE)
    rows = [one for number in range(40) for one in chunks(f"d{number}", 3)]
    parts = [rows, rows[::-1], rows[60:] + rows[:60]]

    def written(attempt: int) -> Any:
        by_item = sorted(parts[attempt], key=lambda one: one.document, reverse=bool(attempt))
        while True:
            try:
                return sink.write(Part(0, 0, attempt), by_item)
            except InferenceError as error:
                assert error.kind is Kind.CUT_OFF  # a deadlock, of which one goes on

    with ThreadPoolExecutor(3) as threads:
        receipts = list(threads.map(written, range(3)))
    assert done(place, sink, receipts) == texts_of(*rows)


def test_a_part_is_there_whole_or_not_at_all(place: Table) -> None:
    """What another reads while a part is being written is what was there before."""
    sink = place.sink()
    sink.open(SPACE)
    sink.write(Part(0, 0, 1), [row("a", "before")])
    with psycopg.connect(place.database) as other:
        other.execute("LOCK TABLE documents IN SHARE ROW EXCLUSIVE MODE")
        with ThreadPoolExecutor(1) as thread:
            writing = thread.submit(sink.write, Part(0, 0, 2), [row("a", "after"), row("b", "after")])
            assert other.execute("SELECT id, text FROM documents").fetchall() == [("a", "before")]
            other.commit()
            writing.result(30)
    assert asked(place, "SELECT id, text FROM documents ORDER BY id") == [("a", "after"), ("b", "after")]


def test_a_connection_that_is_cut_off_is_for_another_time(place: Table) -> None:
    """The part is to be written again, by a connection that is made anew."""
    sink = place.sink()
    sink.open(SPACE)
    asked(place, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'inferpoint'")
    with pytest.raises(InferenceError, match="PostgreSQL") as raised:
        sink.write(Part(0, 0, 1), [row("a")])
    assert raised.value.kind is Kind.CUT_OFF
    assert done(place, sink, [sink.write(Part(0, 0, 1), [row("a")])]) == texts_of(row("a"))


def test_a_table_that_is_there_is_filled(place: Table) -> None:
    """With columns of its own, and with texts of another type."""
    with psycopg.connect(place.database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute(
            "CREATE TABLE documents (mine int DEFAULT 7, id varchar(40) PRIMARY KEY, text varchar, embedding vector(8))"
        )
    sink = place.sink()
    sink.open(SPACE)
    assert done(place, sink, [sink.write(Part(0, 0, 1), [row("a")])]) == texts_of(row("a"))
    assert asked(place, "SELECT mine FROM documents") == [(7,)]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("id text PRIMARY KEY, text text", r"no column \[embedding\] of the type \[vector\(8\)\]"),
        ("id text PRIMARY KEY, text text, embedding vector(3)", r"is of the type \[vector\(3\)\]"),
    ],
)
def test_a_table_for_something_else_is_refused(place: Table, columns: str, words: str) -> None:
    """Before anything is written, and without a word about its space."""
    with psycopg.connect(place.database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute(f"CREATE TABLE documents ({columns})")
    with pytest.raises(InferenceError, match=words) as raised:
        place.sink().open(SPACE)
    assert raised.value.kind is Kind.INVALID
    assert asked(place, "SELECT to_regclass('inferpoint_space')") == [(None,)]


def test_tables_of_a_database_have_spaces_of_their_own(place: Table, database: str) -> None:
    """Also in a schema; names may have any signs."""
    other = Table(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
    other.address = f'{database}&table=elsewhere.my%20"table"'
    for one, space in ((place, SPACE), (other, Space("another", 3, None))):
        sink = one.sink()
        sink.open(space)
        sink.finish([])
    other.close()
    assert asked(place, "SELECT name, space->>'model' FROM inferpoint_space ORDER BY name") == [
        ("documents", "all-minilm"),
        ('elsewhere.my "table"', "another"),
    ]


def test_who_may_not_enter_is_told(place: Table) -> None:
    """Without a password in the words."""
    place.address = place.address.replace("postgres:", "nobody:${PG_PASSWORD}")
    with pytest.MonkeyPatch.context() as patched, pytest.raises(InferenceError) as raised:
        patched.setenv("PG_PASSWORD", "s3cret")
        place.sink().open(SPACE)
    assert raised.value.kind in (Kind.UNAUTHENTICATED, Kind.CUT_OFF)
    assert "s3cret" not in str(raised.value)
