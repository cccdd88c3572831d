"""Files that are compressed: gzip by Python itself, zstd by pyarrow."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from io import BufferedReader
from typing import Any

from inferpoint.bulk.sources.reader import File
from inferpoint.extras import extra

SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_AHEAD = 1 << 18


def opening(file: File, suffix: str) -> Callable[[], BufferedReader]:
    """A function that opens a *file* whose name ends in *suffix*, to be read from its beginning, decompressed."""
    return (lambda: _zstd(file)) if SUFFIXES[suffix] == "zstd" else lambda: _gzip(file)


def _gzip(file: File) -> BufferedReader:
    raw = file.open()
    return _Owning(gzip.GzipFile(fileobj=raw, mode="rb"), raw)


def _zstd(file: File) -> BufferedReader:
    pyarrow = extra("pyarrow", of="bulk")
    raw = file.open()
    return _Owning(pyarrow.CompressedInputStream(raw, "zstd"), raw)


class _Owning(BufferedReader):
    """What is read through a decoder, which is closed with the file below it."""

    def __init__(self, decoder: Any, below: BufferedReader) -> None:
        super().__init__(decoder, _AHEAD)
        self._below = below

    def close(self) -> None:
        """Close both."""
        super().close()
        self._below.close()
