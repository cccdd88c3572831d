"""A source of files: one, those of a folder, or those that a pattern names, in a folder or in a bucket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator, Mapping

from typing_extensions import override

from inferpoint.bulk.objects import Objects, Stat
from inferpoint.bulk.sources import compressed
from inferpoint.bulk.sources.arrow import Arrow
from inferpoint.bulk.sources.delimited import Csv
from inferpoint.bulk.sources.jsonl import JsonLines
from inferpoint.bulk.sources.parquet import Parquet
from inferpoint.bulk.sources.reader import Extent, File, Reader
from inferpoint.bulk.sources.source import Fields, Item, Source, Span, short
from inferpoint.bulk.sources.text import ByBytes, ByNumbers
from inferpoint.errors import InferenceError, Kind, invalid

_OPEN = 8  # objects of which a reader is kept
_TEXTS = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv", "tsv": "csv"}
_TABLES = {"parquet": "parquet", "pq": "parquet", "arrow": "arrow", "arrows": "arrow", "feather": "arrow"}
ALLOWED = (
    f"{', '.join([*_TEXTS, *_TABLES])}, and of the first {len(_TEXTS)} also those with {', '.join(compressed.SUFFIXES)}"
)


class Files(Source):
    """Objects that are read as their names end, or all of them as *form*, which is written like such an ending."""

    def __init__(self, place: Objects, files: Mapping[str, Stat], fields: Fields, form: str | None = None) -> None:
        self._files = {name: File(place, name, stat) for name, stat in files.items()}
        self._fields, self._form = fields, form
        for name in files:
            refuse_unknown(form or name)
        self._readers: dict[str, Reader] = {}  # the last used last
        self._lock = threading.Lock()

    @override
    def fingerprints(self) -> Mapping[str, str]:
        told: dict[str, str] = {}
        for name, file in self._files.items():
            with _worded(name):
                digest = self._reader(name).digest()
            told[name] = "-".join(filter(None, (str(file.stat.size), file.stat.version, digest)))
        return told

    @override
    def spans(self, most: int) -> Iterator[Span]:
        for name in self._files:
            with _worded(name):
                for extent in self._reader(name).extents(most):
                    yield Span(name, extent.begin, extent.end, extent.items)

    @override
    def read(self, span: Span, skip: int = 0) -> Iterator[Item]:
        if span.object not in self._files:
            raise InferenceError(Kind.NOT_FOUND, f"[{span.object}] is not there")
        with _worded(span.object):
            number = 0
            items = self._reader(span.object).items(Extent(span.begin, span.end, span.items))
            for number, item in enumerate(items, 1):
                if number > skip:
                    yield item
            if number < span.items:
                raise short(span, number)

    @override
    def close(self) -> None:
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()

    def _reader(self, name: str) -> Reader:
        with self._lock:
            reader = self._readers.pop(name, None) or _reader(self._files[name], self._fields, self._form or name)
            self._readers[name] = reader
            if len(self._readers) > _OPEN:
                self._readers.pop(next(iter(self._readers))).close()
            return reader


def refuse_unknown(name: str) -> None:
    """Raise `INVALID` when a *name* ends in none of the formats that are known."""
    if _ending(name)[0] is None:
        raise invalid(f"[{name}] ends in no format that is known: {ALLOWED}")


def _ending(name: str) -> tuple[str | None, str]:
    """The format that a *name* ends in, and the compression."""
    stem, _, suffix = f".{name.lower()}".rpartition(".")
    packed = f".{suffix}" if f".{suffix}" in compressed.SUFFIXES else ""
    suffix = stem.rpartition(".")[2] if packed else suffix
    return _TEXTS.get(suffix) or (None if packed else _TABLES.get(suffix)), packed


def _reader(file: File, fields: Fields, named: str) -> Reader:
    form, packed = _ending(named)
    match form:
        case "parquet":
            return Parquet(file, fields)
        case "arrow":
            return Arrow(file, fields)
        case _:
            text = Csv(fields) if form == "csv" else JsonLines(fields)
            return ByNumbers(compressed.opening(file, packed), text) if packed else ByBytes(file, text)


@contextlib.contextmanager
def _worded(name: str) -> Generator[None]:
    """Have whatever goes wrong with an object told with its name: libraries raise errors of many classes."""
    about = f"[{name}]"
    try:
        yield
    except InferenceError as error:
        problems = (problem if problem.startswith(about) else f"{about}: {problem}" for problem in error.problems)
        raise InferenceError(error.kind, *problems) from None
    except Exception as error:  # noqa: BLE001 - of a file that is not what its name says
        kind = Kind.CUT_OFF if isinstance(error, OSError) and error.errno else Kind.UNREADABLE
        words = " ".join(str(error).split())[:500] or type(error).__name__
        raise InferenceError(kind, f"{about} cannot be read: {words}") from None
