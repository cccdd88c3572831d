"""Arrow's own files: record batches one after another, with a footer (`.arrow`, `.feather`) or as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from typing_extensions import override

from inferpoint.bulk.sources import tables
from inferpoint.bulk.sources.reader import Extent, File, Forward, Reader
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.extras import extra

_MAGIC = b"ARROW1"  # of a file with a footer


class Arrow(Reader):
    """Rows that have numbers from the file's first one on, in batches that are read one after another."""

    def __init__(self, file: File, fields: Fields) -> None:
        self._file, self._fields = file, fields
        self._forward = Forward(self._from)

    @override
    def extents(self, most: int) -> Iterator[Extent]:
        with self._file.open() as file:
            groups = ((len(batch), batch.nbytes / max(len(batch), 1)) for batch in self._batches(file))
            yield from tables.cut(groups, most)

    @override
    def items(self, extent: Extent) -> Iterator[Item]:
        yield from self._forward.take(extent.begin, extent.end)

    @override
    def close(self) -> None:
        self._forward.close()

    def _from(self, begin: int) -> Iterator[Item]:
        with self._file.open() as file:
            for batch in self._batches(file):
                if begin < len(batch):
                    yield from tables.items(batch.slice(begin), self._fields)
                begin = max(0, begin - len(batch))

    def _batches(self, file: BufferedReader) -> Iterator[Any]:
        """The batches of a file, with the columns that are wanted."""
        ipc = extra("pyarrow.ipc", of="bulk")
        with_footer = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        opened = ipc.open_file if with_footer else ipc.open_stream
        schema = opened(file).schema
        wanted = sorted(schema.names.index(name) for name in tables.columns(schema, self._fields))
        file.seek(0)
        reader = opened(file, options=ipc.IpcReadOptions(included_fields=wanted, use_threads=False))
        every = map(reader.get_batch, range(reader.num_record_batches)) if with_footer else reader
        for batch in every:
            batch.validate(full=True)  # before anything else: what is wrong in it would lead outside of it
            yield batch
