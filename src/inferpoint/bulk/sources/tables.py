"""Columns of Arrow, which Parquet is read into as well: whether they are what a job needs, and their rows as items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from inferpoint.bulk.sources.reader import Extent
from inferpoint.bulk.sources.records import SPAN_BYTES, item
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.extras import extra

BATCH_BYTES = 256 << 20  # of rows that are held at once, at most
BATCH_ROWS = 128


def columns(schema: Any, fields: Fields) -> list[str]:
    """The top columns that hold the *fields*; `INVALID` when one is missing, or its type is none of a text or an id."""
    wanted = [fields.text, *fields.keep, *([fields.id] if fields.id is not None else ())]
    for name in wanted:
        if _type(schema, name) is None:
            names = ", ".join(f"[{one}]" for one in schema.names[:50])
            raise invalid(f"There must be one column [{name}], and there are {names or 'none'}")
    types = extra("pyarrow", of="bulk").types
    kind = _type(schema, fields.text)
    value = kind.value_type if types.is_dictionary(kind) else kind
    texts = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary", "is_null")
    if not any(getattr(types, is_one)(value) for is_one in texts):
        raise invalid(f"The column [{fields.text}] must be of texts, and is of {kind}")
    return list(dict.fromkeys(_top(schema, name) for name in wanted))


def cut(groups: Iterable[tuple[int, float]], most: int) -> Iterator[Extent]:
    """The extents of *groups* of so many rows of so many bytes: *most* rows at a time, also of several groups."""
    begin, at, held = 0, 0, 0.0
    for rows, row_bytes in groups:
        group_end = at + rows
        while at < group_end:
            room = max(1, int((SPAN_BYTES - held) / row_bytes)) if row_bytes else most
            taken = min(most - (at - begin), group_end - at, room)
            at, held = at + taken, held + taken * row_bytes
            if at - begin == most or held + row_bytes > SPAN_BYTES:
                yield Extent(begin, at, at - begin)
                begin, held = at, 0.0
    if at > begin:
        yield Extent(begin, at, at - begin)


def items(batch: Any, fields: Fields) -> Iterator[Item]:
    """The items that the rows of a *batch* make."""
    for row in range(0, len(batch), BATCH_ROWS):
        yield from _items(batch.slice(row, BATCH_ROWS), fields)


def _items(batch: Any, fields: Fields) -> Iterator[Item]:
    if batch.nbytes > BATCH_BYTES:
        words = f"{len(batch)} rows hold {batch.nbytes >> 20} MiB, and at most {BATCH_BYTES >> 20} are read at once"
        raise InferenceError(Kind.TOO_LARGE, words)
    names = batch.schema.names
    for values in zip(*(_values(column) for column in batch.columns), strict=True):
        yield item(dict(zip(names, values, strict=True)), fields)


def _top(schema: Any, name: str) -> str:
    return name if name in schema.names else name.partition(".")[0]


def _type(schema: Any, name: str) -> Any:
    top = _top(schema, name)
    if schema.names.count(top) != 1:
        return None
    kind = schema.field(top).type
    types = extra("pyarrow", of="bulk").types
    for part in name[len(top) + 1 :].split(".") if name != top else ():
        if not types.is_struct(kind) or kind.get_field_index(part) < 0:
            return None
        kind = kind.field(part).type
    return kind


def _values(column: Any) -> list[Any]:
    if extra("pyarrow", of="bulk").types.is_dictionary(column.type):
        indices = column.indices.to_pylist()
        words = {index: _value(column.dictionary[index]) for index in set(indices) - {None}}
        return [words.get(index) for index in indices]  # one word is one text, however many rows have it
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    """What a *scalar* holds, in which texts that are not UTF-8 are bytes."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        types = extra("pyarrow", of="bulk").types
        if types.is_struct(scalar.type):
            return {name: _value(value) for name, value in scalar.items()}
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else b"\xff"
