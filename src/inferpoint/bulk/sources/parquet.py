"""Parquet: row groups, of which only the columns are read that a job needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from typing_extensions import override

from inferpoint.bulk.sources import tables
from inferpoint.bulk.sources.reader import Extent, File, Forward, Reader
from inferpoint.bulk.sources.records import SPAN_BYTES
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.errors import invalid
from inferpoint.extras import extra

_MAGIC = b"PAR1"
_AHEAD = 1 << 20  # bytes of a column that are read at once
_ROWS = 1 << 20  # that a byte of a file can stand for, at most


class Parquet(Reader):
    """Rows that have numbers from the file's first one on; an extent may begin in one row group and end in another."""

    def __init__(self, file: File, fields: Fields) -> None:
        self._file, self._fields = file, fields
        self._forward = Forward(self._from)

    @override
    def digest(self) -> str:
        size = self._file.stat.size
        with self._file.open() as file:
            file.seek(max(0, size - 8))
            tail = file.read(8)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != _MAGIC or length > size - 12:
                raise invalid("The file does not end as Parquet does")
            file.seek(size - 8 - length)
            return hashlib.sha256(file.read(length)).hexdigest()[:32]

    @override
    def extents(self, most: int) -> Iterator[Extent]:
        with self._file.open() as file:
            parquet, wanted = self._opened(file)
            yield from tables.cut(_groups(parquet, wanted, self._file.stat.size), most)

    @override
    def items(self, extent: Extent) -> Iterator[Item]:
        yield from self._forward.take(extent.begin, extent.end)

    @override
    def close(self) -> None:
        self._forward.close()

    def _opened(self, file: BufferedReader) -> tuple[Any, list[str]]:
        parquet = extra("pyarrow.parquet", of="bulk").ParquetFile(file, buffer_size=_AHEAD, pre_buffer=False)
        return parquet, tables.columns(parquet.schema_arrow, self._fields)

    def _from(self, begin: int) -> Iterator[Item]:
        """The items from row number *begin* on; of its row group, the rows before it are read and left out."""
        with self._file.open() as file:
            parquet, wanted = self._opened(file)
            groups = list(_groups(parquet, wanted, self._file.stat.size))
            first = 0
            while first < len(groups) and begin >= groups[first][0]:
                begin -= groups[first][0]
                first += 1
            if first == len(groups):
                return
            largest = max(row_bytes for _, row_bytes in groups[first:])
            size = max(1, min(tables.BATCH_ROWS, int(SPAN_BYTES / max(largest, 1))))
            for batch in parquet.iter_batches(size, list(range(first, len(groups))), wanted, use_threads=False):
                yield from tables.items(batch.slice(begin), self._fields)
                begin = max(0, begin - len(batch))


def _groups(parquet: Any, wanted: list[str], size: int) -> Iterator[tuple[int, float]]:
    """The rows of each row group in *size* bytes, and what each of them has in the *wanted* columns, about."""
    metadata = parquet.metadata
    share = None
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if not 0 <= group.num_rows <= _ROWS * size:
            raise invalid(f"Row group {number} says that it has {group.num_rows} rows, which cannot be in the file")
        if group.num_rows:
            share = _share(parquet, number, wanted) if share is None else share
            yield group.num_rows, share * group.total_byte_size / group.num_rows


def _share(parquet: Any, number: int, wanted: list[str]) -> float:
    """How much of a row group is in the *wanted* columns.

    One row is read first: of a damaged footer that raises, where asking for its columns would abort the process.
    """
    next(parquet.iter_batches(1, [number], wanted, use_threads=False), None)
    paths = [parquet.schema.column(index).path for index in range(len(parquet.schema))]
    group = parquet.metadata.row_group(number)
    chunks = [group.column(index) for index, path in enumerate(paths) if {path, path.split(".")[0]} & {*wanted}]
    return min(1.0, sum(chunk.total_uncompressed_size for chunk in chunks) / max(group.total_byte_size, 1))
