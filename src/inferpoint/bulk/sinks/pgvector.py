"""A table of PostgreSQL with pgvector: a record a row, and the space of each table in a table of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from typing_extensions import override

from inferpoint.bulk import vectors
from inferpoint.bulk.job import Space
from inferpoint.bulk.postgres import Connections
from inferpoint.bulk.sinks import postgres_values as values
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.bulk.sinks.spaces import agreeing, by_document, fitting, is_vectors, text, value_name, weights
from inferpoint.errors import invalid
from inferpoint.extras import extra

_LONGEST_ID = 2000  # bytes: an index of PostgreSQL holds little more
_WIDEST, _WIDEST_HALF = 2000, 4000  # numbers of `vector` and of `halfvec` that an index takes
_OPERATORS = {None: "cosine", "cosine": "cosine", "dot_product": "ip", "l2_norm": "l2"}
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class _Column(msgspec.Struct, frozen=True):
    """A column of the table: its name, its type, and what it holds of a row."""

    name: str
    type: str
    value: Callable[[Row], bytes | None]


class PgvectorSink(Sink):
    """Records by their ids; a part is one transaction."""

    def __init__(self, connections: Connections, table: str, *, chunked: bool, kept: bool) -> None:
        self._connections, self._table, self._chunked, self._kept = connections, table, chunked, kept
        self._sql = extra("psycopg.sql", of="postgres")
        self._space: Space | None = None
        self._columns: Sequence[_Column] = ()

    @override
    def open(self, space: Space) -> None:
        self._space = space
        self._columns = _columns(space, chunked=self._chunked, kept=self._kept)
        with self._connections.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('inferpoint_space'))")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS inferpoint_space (name text PRIMARY KEY, space jsonb NOT NULL)"
            )
            told = connection.execute("SELECT space FROM inferpoint_space WHERE name = %s", [self._table]).fetchone()
            agreeing(self._table, told and told[0], space)
            self._made(connection)
            written = msgspec.json.encode(space).decode()
            insert = "INSERT INTO inferpoint_space VALUES (%s, %s) ON CONFLICT DO NOTHING"
            connection.execute(insert, [self._table, written])

    def _made(self, connection: Any) -> None:
        """Make the table, or see that it has the columns that are needed."""
        columns = (
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
        )
        held = dict(connection.execute(columns, [self._named(self._table).as_string()]).fetchall())
        if not held:
            self._run(connection, f"CREATE TABLE {{table}} ({self._definition}, PRIMARY KEY (id))")
            if self._chunked:
                self._run(connection, "CREATE INDEX ON {table} (document)")
        for column in self._columns if held else ():
            if column.name not in held:
                raise invalid(f"The table [{self._table}] has no column [{column.name}] of the type [{column.type}]")
            if "(" in column.type and "(" in held[column.name] and held[column.name] != column.type:
                raise invalid(f"The column [{column.name}] of [{self._table}] is of the type [{held[column.name]}]")

    @override
    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        assert self._space is not None, "a sink is opened before it is written"
        rows, unfit = fitting(rows, self._space)
        items = by_document(rows)
        refused = {document: words for document, of_item in items.items() if (words := self._refused(of_item))}
        kept = [row for document, of_item in items.items() if document not in refused for row in of_item]
        content = values.copied([column.value(row) for column in self._columns] for row in kept)
        with self._connections.transaction() as connection:
            self._run(
                connection, f"CREATE TEMP TABLE IF NOT EXISTS {{incoming}} ({self._definition}) ON COMMIT DELETE ROWS"
            )
            with connection.cursor().copy(self._filled("COPY {incoming} ({names}) FROM STDIN (FORMAT BINARY)")) as copy:
                copy.write(content)
            if self._chunked:
                self._run(
                    connection,
                    "DELETE FROM {table} t WHERE t.document IN (SELECT document FROM {incoming})"
                    " AND NOT EXISTS (SELECT FROM {incoming} i WHERE i.id = t.id)",
                )
            # Parts that write the same rows wait for each other in one order.
            self._run(
                connection,
                "INSERT INTO {table} ({names}) SELECT {names} FROM {incoming} ORDER BY id"
                " ON CONFLICT (id) DO UPDATE SET {updates}",
            )
        return Receipt(len(kept), rejected={**unfit, **refused})

    def _refused(self, rows: Sequence[Row]) -> str | None:
        """Why PostgreSQL cannot hold an item."""
        assert self._space is not None, "a sink is opened before it is written"
        for row in rows:
            if "\0" in row.id or "\0" in row.text or "\\u0000" in _ENCODER.encode(row.fields).decode():
                return "PostgreSQL holds no text with a NUL"
            if len(row.id.encode()) > _LONGEST_ID:
                return f"An id has at most {_LONGEST_ID} bytes"
            if is_vectors(self._space) and not _is_finite(row.value):
                return "A vector has a number that is infinite or none"
        return None

    @override
    def finish(self, receipts: Sequence[Receipt]) -> None:
        assert self._space is not None, "a sink is opened before it is finished"
        if (indexed := _indexed(self._space)) is not None:
            name = self._named(f"{self._table.rpartition('.')[2]}_embedding_index")
            with self._connections.transaction() as connection:
                # Made by one of several that finish at once.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self._table])
                self._run(
                    connection, f"CREATE INDEX IF NOT EXISTS {{name}} ON {{table}} USING hnsw ({indexed})", name=name
                )

    @override
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        with self._connections.transaction() as connection, connection.cursor("ids") as cursor:
            cursor.itersize = 10_000
            cursor.execute(self._filled("SELECT id FROM {table}"))
            for (own_id,) in cursor:
                yield own_id

    @override
    def close(self) -> None:
        self._connections.close()

    @property
    def _definition(self) -> str:
        return ", ".join(f'"{column.name}" {column.type}' for column in self._columns)

    def _named(self, table: str) -> Any:
        return self._sql.Identifier(*table.split("."))

    def _filled(self, statement: str, **names: Any) -> Any:
        columns = [self._sql.Identifier(column.name) for column in self._columns]
        updates = [self._sql.SQL("{0} = excluded.{0}").format(column) for column in columns[1:]]
        return self._sql.SQL(statement).format(
            table=self._named(self._table),
            incoming=self._sql.Identifier("inferpoint_incoming"),
            names=self._sql.SQL(", ").join(columns),
            updates=self._sql.SQL(", ").join(updates),
            **names,
        )

    def _run(self, connection: Any, statement: str, **names: Any) -> None:
        connection.execute(self._filled(statement, **names))


def _is_finite(vector: msgspec.Raw) -> bool:
    """Whether all numbers are ones that JSON has, too."""
    return not bytes(vector).startswith(b'"') or bool(np.isfinite(vectors.numbers(vector)).all())


def _columns(space: Space, *, chunked: bool, kept: bool) -> list[_Column]:
    columns = [_Column("id", "text", lambda row: row.id.encode())]
    if chunked:
        columns += [
            _Column("document", "text", lambda row: row.document.encode()),
            _Column("chunk", "integer", lambda row: values.integer(row.chunk)),
            _Column("start", "integer", lambda row: values.integer(row.start)),
            _Column("end", "integer", lambda row: values.integer(row.end)),
        ]
    columns += [_Column("text", "text", lambda row: row.text.encode()), _value(space)]
    if kept:
        columns.append(_Column("fields", "jsonb", lambda row: values.jsonb(_ENCODER.encode(row.fields))))
    return columns


def _value(space: Space) -> _Column:
    """Bytes are halves, which hold them exactly; pgvector has no type for weights by the tokens' names."""
    wide = "" if space.dimensions is None else f"({space.dimensions})"
    match space.element:
        case "text":
            return _Column(value_name(space), "text", lambda row: text(row.value).encode())
        case "weights":
            return _Column(value_name(space), "jsonb", lambda row: values.jsonb(_ENCODER.encode(weights(row.value))))
        case "bit":
            kind = f"bit{wide}" if wide else "bit varying"
            return _Column(value_name(space), kind, lambda row: values.bits(vectors.numbers(row.value)))
        case "byte":
            return _Column(value_name(space), f"halfvec{wide}", lambda row: values.halfvec(vectors.numbers(row.value)))
        case _:
            return _Column(value_name(space), f"vector{wide}", lambda row: values.vector(vectors.numbers(row.value)))


def _indexed(space: Space) -> str | None:
    """What an index is of; None where pgvector has none: it takes wide vectors only as halves."""
    if not is_vectors(space) or space.dimensions is None:
        return None
    if space.element == "bit":
        return "embedding bit_hamming_ops"
    operators = f"{_OPERATORS.get(space.similarity, 'cosine')}_ops"
    if space.element == "float" and space.dimensions <= _WIDEST:
        return f"embedding vector_{operators}"
    if space.dimensions > _WIDEST_HALF:
        return None
    half = "embedding" if space.element == "byte" else f"(embedding::halfvec({space.dimensions}))"
    return f"{half} halfvec_{operators}"
