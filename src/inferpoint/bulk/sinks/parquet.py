"""Parquet: a column for each member of a row, vectors as lists of one length, what was kept in types of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
from typing_extensions import override

from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.columns import about, own_column, own_fields
from inferpoint.bulk.sinks.files import Format, Opening, Piece
from inferpoint.bulk.sinks.sink import Row
from inferpoint.extras import extra

_EVENED = b"inferpoint.evened"  # in the metadata of a file that was written anew
_JSON = {b"inferpoint": b"json"}
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class Parquet(Format):
    """A row group a part. Fields that were kept have the type of their values, or are JSON text where those differ."""

    suffix = ".parquet"

    def __init__(self, *, chunked: bool, kept: Sequence[str]) -> None:
        self._chunked, self._kept = chunked, kept
        self._arrow = extra("pyarrow", of="bulk")
        self._parquet = extra("pyarrow.parquet", of="bulk")

    @override
    def part(self, rows: Sequence[Row], space: Space) -> bytes:
        fields = own_fields(space, chunked=self._chunked)
        columns = [own_column(rows, field, space) for field in fields]
        for name in self._kept:
            field, column = self._typed(name, [row.fields.get(name) for row in rows])
            fields.append(field)
            columns.append(column)
        return self._written(self._arrow.table(columns, self._arrow.schema(fields, about(space))))

    def _typed(self, name: str, values: Sequence[Any]) -> tuple[Any, Any]:
        """The field and the column of *values* of any type."""
        pa = self._arrow
        try:
            column = pa.array(values)
        except (pa.ArrowException, OverflowError, ValueError, TypeError):
            return self._json_field(name), self._as_json(values)
        if pa.types.is_nested(column.type):
            return self._json_field(name), self._as_json(values)
        if pa.types.is_string(column.type):
            column = column.cast(pa.large_string())
        return pa.field(name, column.type), column

    def _json_field(self, name: str) -> Any:
        return self._arrow.field(name, self._arrow.large_string(), metadata=_JSON)

    def _as_json(self, values: Sequence[Any]) -> Any:
        texts = [None if value is None else _ENCODER.encode(value).decode() for value in values]
        return self._arrow.array(texts, self._arrow.large_string())

    def _written(self, table: Any) -> bytes:
        file = io.BytesIO()
        with self._writer(file, table.schema) as writer:
            writer.write_table(table)
        return file.getvalue()

    def _writer(self, file: BinaryIO, schema: Any) -> Any:
        """By zstd, and floats of vectors split by bytes: a sixth smaller than as they are, and nearly as fast."""
        types = self._arrow.types
        lists = [field for field in schema if types.is_fixed_size_list(field.type) or types.is_list(field.type)]
        floats = [f"{field.name}.list.element" for field in lists if types.is_floating(field.type.value_type)]
        return self._parquet.ParquetWriter(
            file, schema, compression="zstd", use_dictionary=[*self._kept], use_byte_stream_split=floats or False
        )

    @override
    def ids(self, file: BinaryIO) -> Iterator[str]:
        for batch in self._parquet.ParquetFile(file).iter_batches(columns=["id"]):
            yield from batch.column(0).to_pylist()

    @override
    def join(self, pieces: Sequence[Piece], file: BinaryIO, space: Space) -> list[int]:
        schema = self._common([piece.open for piece in pieces], space)
        ends: list[int] = []
        with self._writer(file, schema) as writer:
            for piece in pieces:
                with piece.open() as part:
                    read = self._parquet.ParquetFile(part)
                    end = read.num_row_groups if piece.end is None else piece.end
                    for group in range(piece.begin, end):
                        writer.write_table(self._cast(read.read_row_group(group), schema))
                ends.append(end - piece.begin + (ends[-1] if ends else 0))
        return ends

    @override
    def evened(self, parts: Mapping[str, Opening], space: Space) -> Iterator[tuple[str, bytes]]:
        if not self._kept:
            return
        schema = self._common([*parts.values()], space)
        for name, opening in parts.items():
            with opening() as file:
                read = self._parquet.ParquetFile(file).read()
            kinds = [_kind(field) for field in read.schema]
            if _EVENED in read.schema.metadata or kinds != [_kind(field) for field in schema]:
                marked = schema.with_metadata({**schema.metadata, _EVENED: b""})
                yield name, self._written(self._cast(read, marked))

    def _common(self, openings: Sequence[Opening], space: Space) -> Any:
        """The schema of all files: a field that was kept is JSON text where its types do not become one."""
        kinds: dict[str, dict[Any, Any]] = {name: {} for name in self._kept}
        for opening in openings if self._kept else ():
            with opening() as file:
                schema = self._parquet.ParquetFile(file).schema_arrow
            for name in self._kept:
                field = schema.field(name)
                kinds[name][_kind(field)] = field
        kept = [self._one_of(name, [*fields.values()]) for name, fields in kinds.items()]
        return self._arrow.schema([*own_fields(space, chunked=self._chunked), *kept], about(space))

    def _one_of(self, name: str, fields: Sequence[Any]) -> Any:
        pa = self._arrow
        told = [field for field in fields if not pa.types.is_null(field.type)]
        if len(told) == 1:
            return pa.field(name, told[0].type, metadata=_JSON if _kind(told[0])[1] else None)
        if told and all(pa.types.is_int64(field.type) or pa.types.is_float64(field.type) for field in told):
            return pa.field(name, pa.float64())
        return self._json_field(name) if told else pa.field(name, pa.large_string())

    def _cast(self, table: Any, schema: Any) -> Any:
        columns = [self._as(table.column(place), table.field(place), field) for place, field in enumerate(schema)]
        return self._arrow.table(columns, schema)

    def _as(self, column: Any, was: Any, field: Any) -> Any:
        if _kind(was) == _kind(field):
            return column
        if self._arrow.types.is_null(was.type):
            return self._arrow.nulls(len(column), field.type)
        return self._as_json(column.to_pylist()) if _kind(field)[1] else column.cast(field.type, safe=False)


def _kind(field: Any) -> tuple[Any, bool]:
    """The type of a column, and whether its texts are JSON."""
    return field.type, bool(field.metadata) and field.metadata.get(b"inferpoint") == b"json"
