"""Rows as columns of Arrow: those that every row has, with their types, and what a table tells of its space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.bulk import vectors
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.sink import Row
from inferpoint.bulk.sinks.spaces import numbers_of, text, value_name, weights
from inferpoint.extras import extra

SPACE = b"inferpoint.space"
NUMBERS = {"float": "float32", "byte": "int8", "bit": "int8"}


def about(space: Space) -> Mapping[bytes, bytes]:
    """The metadata of a schema."""
    return {SPACE: msgspec.json.encode(space)}


def own_fields(space: Space, *, chunked: bool, numbers: Mapping[str, str] = NUMBERS) -> list[Any]:
    """The fields of rows, whose vectors hold what *numbers* says of their element."""
    pa = extra("pyarrow", of="bulk")
    places = [pa.field(name, pa.int32()) for name in ("chunk", "start", "end")]
    of_chunks = [pa.field("document", pa.string()), *places] if chunked else []
    value = pa.field(value_name(space), _type(space, numbers))
    return [pa.field("id", pa.string()), *of_chunks, pa.field("text", pa.large_string()), value]


def _type(space: Space, numbers: Mapping[str, str]) -> Any:
    pa = extra("pyarrow", of="bulk")
    match space.element:
        case "text":
            return pa.large_string()
        case "weights":
            return pa.map_(pa.string(), pa.float32())
        case element:
            wide = numbers_of(space)
            return pa.list_(pa.type_for_alias(numbers[element]), -1 if wide is None else wide)


def own_column(rows: Sequence[Row], field: Any, space: Space) -> Any:
    """What *rows* have in one of those fields."""
    pa = extra("pyarrow", of="bulk")
    if field.name != value_name(space):
        return pa.array([getattr(row, field.name) for row in rows], field.type)
    values = [row.value for row in rows]
    if pa.types.is_fixed_size_list(field.type):
        numbers = vectors.matrix(values, field.type.list_size).ravel()
        flat = pa.array(numbers.astype(field.type.value_type.to_pandas_dtype(), copy=False))
        return pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)
    return pa.array([_plain(value, space) for value in values], field.type)


def _plain(value: Any, space: Space) -> Any:
    match space.element:
        case "text":
            return text(value)
        case "weights":
            return [*weights(value).items()]
        case _:
            return vectors.numbers(value)
