"""Compressed bodies undone, within bounds: a few bytes must not become many."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from inferpoint.errors import InferenceError, Kind

LARGEST_RATIO = 100
_FREE = 1024 * 1024  # bytes that may come of anything: a short body may well be all zeros
_PIECE = 256 * 1024
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_WINDOWS: Mapping[str, int] = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_GZIP_MAGIC = b"\x1f\x8b"


class Decoder:
    """A body in the *encoding* `gzip` or `deflate`, as it comes; `UNREADABLE` for any other encoding."""

    def __init__(self, encoding: str) -> None:
        window = _WINDOWS.get(encoding.strip().lower())
        if window is None:
            raise _unreadable(f"is compressed by [{encoding}], which it was not asked for, and which is not read here")
        self._window = window
        self._inflate = zlib.decompressobj(window)
        self._read = 0
        self._written = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The next pieces of the body, each of a bounded size; `UNREADABLE` when it is broken, or grows too large."""
        if data and not self._read:
            self._look(data[0])
        pending = False
        while data or pending:
            if self._inflate.eof:
                self._begin_again(data)
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error:
                raise _unreadable("is not compressed as it says") from None
            rest = self._inflate.unconsumed_tail or self._inflate.unused_data
            self._read += len(data) - len(rest)
            self._written += len(piece)
            if self._written > max(_FREE, self._read * LARGEST_RATIO):
                raise _unreadable(f"is more than {LARGEST_RATIO} times as large as it was sent")
            if piece:
                yield piece
            data, pending = rest, len(piece) == _PIECE

    def end(self) -> None:
        """Make sure that the body was whole; `CUT_OFF` when it was not. No body at all is whole."""
        if self._read and not self._inflate.eof:
            raise InferenceError(Kind.CUT_OFF, "The provider's reply was cut off: its compressed body ended early")

    def _begin_again(self, data: bytes) -> None:
        """Begin with another member, as gzip may have several; nothing else follows a body."""
        if self._window != _GZIP or not _GZIP_MAGIC.startswith(data[:2]):
            raise _unreadable("goes on after its compressed body")
        self._inflate = zlib.decompressobj(self._window)

    def _look(self, first: int) -> None:
        """Some servers send deflate without the two bytes before it, whose first half names the method, 8."""
        if self._window == _ZLIB and first & 0x0F != 8:
            self._window = _RAW
            self._inflate = zlib.decompressobj(_RAW)


def _unreadable(reason: str) -> InferenceError:
    return InferenceError(Kind.UNREADABLE, f"The provider's reply {reason}")
