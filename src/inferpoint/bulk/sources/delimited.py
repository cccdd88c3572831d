"""CSV: rows of fields, which may hold line ends in quotes, under a row of names.

Python's own parser reads it, also to find where rows end: what is cut by one parser and read by another is not always
the same row. So rows are cut at bytes, though line ends may be inside of them, and pyarrow is not needed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BufferedReader
from typing import Self

from typing_extensions import override

from inferpoint.bulk.sources.records import RECORD_BYTES, Broken, item, shown
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.bulk.sources.text import HEAD, Text, skip_mark
from inferpoint.errors import invalid

_DELIMITERS = ",;\t|"
csv.field_size_limit(max(csv.field_size_limit(), RECORD_BYTES))  # of the whole process: its default is 128 KiB


class Csv(Text):
    """Rows in UTF-8 whose delimiter is the one that the row of names has most of."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._delimiter = ","
        self._names: list[str] = []

    @override
    def head(self, file: BufferedReader) -> int:
        at = skip_mark(file)
        first = file.peek().partition(b"\n")[0]
        self._delimiter = max(_DELIMITERS, key=lambda delimiter: first.count(delimiter.encode()))
        for end, names in self.records(file, at):
            if isinstance(names, Broken) or end > HEAD:
                why = names.problem if isinstance(names, Broken) else f"it is longer than {HEAD >> 20} MiB"
                raise invalid(f"The row of names cannot be read: {why}")
            self._names, at = names, end
            self._check()
            break
        return at

    @override
    def records(self, file: BufferedReader, at: int) -> Iterator[tuple[int, list[str] | Broken]]:
        lines = _Lines(file, at)
        while True:
            rows = csv.reader(lines, delimiter=self._delimiter, strict=True)
            try:
                for row in rows:
                    if row:
                        yield lines.at, row
                    lines.begin = lines.at
            except csv.Error as error:
                if "end of data" in str(error):
                    raise invalid(f"A quote in the row from byte {lines.begin} on is not closed") from None
                yield lines.at, Broken(f"The row cannot be read ({error})")
                lines.begin = lines.at
            else:
                return

    @override
    def item(self, record: list[str]) -> Item:
        if len(record) != len(self._names):
            row = self._delimiter.join(record).encode("utf-8", "surrogateescape")
            return Item("", problem=f"The row has {len(record)} fields and not {len(self._names)}: {shown(row)}")
        return item(dict(zip(self._names, record, strict=True)), self._fields)

    def _check(self) -> None:
        fields = self._fields
        for name in (fields.text, *fields.keep, *([fields.id] if fields.id is not None else ())):
            if self._names.count(name) != 1:
                names = ", ".join(f"[{one[:100]}]" for one in self._names[:50])
                raise invalid(f"There must be one column [{name}], and there are {names}")


class _Lines:
    """The lines of a file as text, in which what is not UTF-8 stands as halves of surrogate pairs."""

    def __init__(self, file: BufferedReader, at: int) -> None:
        self._file = file
        self.begin = self.at = at  # of the row that is being read; of the next line

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._file.readline(RECORD_BYTES + 1)
        self.at += len(line)
        if self.at - self.begin > RECORD_BYTES:
            problem = f"The row from byte {self.begin} on is longer than {RECORD_BYTES >> 20} MiB"
            raise invalid(f"{problem}: perhaps a quote in it is not closed")
        if not line:
            raise StopIteration
        return line.decode("utf-8", "surrogateescape")
