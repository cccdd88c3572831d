"""Files of text, whose records follow each other: cut at bytes, or at numbers of records where bytes are compressed."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from io import BufferedReader
from itertools import islice
from typing import Any

from typing_extensions import override

from inferpoint.bulk.sources.reader import Extent, File, Forward, Reader
from inferpoint.bulk.sources.records import SPAN_BYTES, Broken
from inferpoint.bulk.sources.source import Item
from inferpoint.errors import invalid

HEAD = 1 << 20  # bytes in which what comes before the first record ends


def skip_mark(file: BufferedReader) -> int:
    """Read the byte order mark at the beginning of a *file*, if there is one, and say how many bytes it has."""
    start = file.peek()
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise invalid("The file is UTF-16, and only UTF-8 is read")
    return len(file.read(3)) if start.startswith(codecs.BOM_UTF8) else 0


class Text(ABC):
    """How the records of a text are told from each other, and what they say."""

    @abstractmethod
    def head(self, file: BufferedReader) -> int:
        """Read what comes before the first record, and say how many bytes it has: `HEAD` at most."""

    @abstractmethod
    def records(self, file: BufferedReader, at: int) -> Iterator[tuple[int, Any]]:
        """The records of a *file* that is at byte *at*, or what is broken, each with the byte that it ends before."""

    @abstractmethod
    def item(self, record: Any) -> Item:
        """What a record says."""


class ByBytes(Reader):
    """A text that is read from any record on."""

    def __init__(self, file: File, text: Text) -> None:
        self._file, self._text = file, text
        self._head: int | None = None

    @override
    def extents(self, most: int) -> Iterator[Extent]:
        with self._file.open() as file:
            begin = at = self._text.head(file)
            items = 0
            for end, _ in self._text.records(file, at):
                if items and (items == most or end - begin > SPAN_BYTES):
                    yield Extent(begin, at, items)
                    begin, items = at, 0
                items, at = items + 1, end
            if items:
                yield Extent(begin, at, items)

    @override
    def items(self, extent: Extent) -> Iterator[Item]:
        if self._head is None:
            with self._file.open(HEAD) as file:
                self._head = self._text.head(file)
        with self._file.open(extent.end) as file:
            file.seek(at := extent.begin)
            for end, record in islice(self._text.records(file, at), extent.items):
                yield _item(self._text, record, f"from byte {at} on")
                at = end


class ByNumbers(Reader):
    """A text that is read from its first record on, as it is compressed."""

    def __init__(self, opened: Callable[[], BufferedReader], text: Text) -> None:
        self._opened, self._text = opened, text
        self._forward = Forward(self._from)

    @override
    def extents(self, most: int) -> Iterator[Extent]:
        with self._opened() as file:
            begin = number = 0
            at = after = self._text.head(file)
            for end, _ in self._text.records(file, at):
                if number > begin and (number - begin == most or end - at > SPAN_BYTES):
                    yield Extent(begin, number, number - begin)
                    begin, at = number, after
                number, after = number + 1, end
            if number > begin:
                yield Extent(begin, number, number - begin)

    @override
    def items(self, extent: Extent) -> Iterator[Item]:
        yield from self._forward.take(extent.begin, extent.end)

    @override
    def close(self) -> None:
        self._forward.close()

    def _from(self, begin: int) -> Iterator[Item]:
        with self._opened() as file:
            records = self._text.records(file, self._text.head(file))
            for number, (_, record) in enumerate(islice(records, begin, None), begin):
                yield _item(self._text, record, f"record {number}")


def _item(text: Text, record: Any, where: str) -> Item:
    item = Item("", problem=record.problem) if isinstance(record, Broken) else text.item(record)
    return item if item.problem is None else Item("", item.id, problem=f"{where}: {item.problem}")
