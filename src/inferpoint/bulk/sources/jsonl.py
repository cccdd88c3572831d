"""JSON Lines: a record, or a text alone, on each line."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.bulk.sources.records import RECORD_BYTES, Broken, item, shown
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.bulk.sources.text import Text, skip_mark

_PIECE = 1 << 20  # bytes of a line that is too long, which are read to find its end
_RECORD: msgspec.json.Decoder[dict[str, Any] | str] = msgspec.json.Decoder(dict[str, Any] | str)


class JsonLines(Text):
    """Lines of JSON in UTF-8, with or without a byte order mark; those of nothing but white space are none."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    @override
    def head(self, file: BufferedReader) -> int:
        return skip_mark(file)

    @override
    def records(self, file: BufferedReader, at: int) -> Iterator[tuple[int, bytes | Broken]]:
        while line := file.readline(RECORD_BYTES + 1):
            at += len(line)
            if len(line) > RECORD_BYTES and not line.endswith(b"\n"):
                problem = f"The line is longer than {RECORD_BYTES >> 20} MiB: {shown(line)}"
                while line and not line.endswith(b"\n"):
                    line = file.readline(_PIECE)
                    at += len(line)
                yield at, Broken(problem)
            elif not line.isspace():
                yield at, line

    @override
    def item(self, record: bytes) -> Item:
        try:
            value = _RECORD.decode(record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Item("", problem=f"The line is no JSON object or text ({error}): {shown(record)}")
        return item({self._fields.text: value} if isinstance(value, str) else value, self._fields)
