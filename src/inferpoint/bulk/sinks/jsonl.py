"""JSON Lines: a line a row, as they are or by gzip."""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec
from typing_extensions import override

from inferpoint.bulk import vectors
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.files import Format, Piece
from inferpoint.bulk.sinks.sink import Row
from inferpoint.bulk.sinks.spaces import is_vectors, value_name

_LEVEL = 1  # of gzip: digits hardly become smaller by more work
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class _Line(msgspec.Struct):
    id: str


class JsonLines(Format):
    """Lines with `id`, `text`, the value and what was kept; with `document`, `chunk`, `start`, `end` for chunks."""

    def __init__(self, *, chunked: bool, compressed: bool) -> None:
        self._chunked, self._compressed = chunked, compressed
        self.suffix = ".jsonl.gz" if compressed else ".jsonl"

    @override
    def part(self, rows: Sequence[Row], space: Space) -> bytes:
        values: list[Any] = [row.value for row in rows]
        if is_vectors(space):
            values = list(vectors.as_json(values))
        name = value_name(space)
        lines = _ENCODER.encode_lines(
            {**self._about(row), "text": row.text, name: value, **row.fields}
            for row, value in zip(rows, values, strict=True)
        )
        return gzip.compress(lines, _LEVEL, mtime=0) if self._compressed else lines

    def _about(self, row: Row) -> dict[str, Any]:
        if not self._chunked:
            return {"id": row.id}
        return {"id": row.id, "document": row.document, "chunk": row.chunk, "start": row.start, "end": row.end}

    @override
    def ids(self, file: BinaryIO) -> Iterator[str]:
        decoder = msgspec.json.Decoder(_Line)
        with gzip.open(file) if self._compressed else file as lines:
            for line in lines:
                yield decoder.decode(line).id

    @override
    def join(self, pieces: Sequence[Piece], file: BinaryIO, space: Space) -> list[int]:
        """Bytes after bytes: files of gzip that follow each other are one."""
        ends: list[int] = []
        for piece in pieces:
            with piece.open() as part:
                part.seek(piece.begin)
                if piece.end is None:
                    shutil.copyfileobj(part, file, 1 << 20)
                else:
                    _copy(part, file, piece.end - piece.begin)
            ends.append(file.tell())
        return ends


def _copy(part: BinaryIO, file: BinaryIO, rest: int) -> None:
    while rest and (content := part.read(min(rest, io.DEFAULT_BUFFER_SIZE << 7))):
        rest -= file.write(content)
