"""Values in the binary form of PostgreSQL and pgvector, and rows of them as `COPY` reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)


def copied(rows: Iterable[Sequence[bytes | None]]) -> bytes:
    """What `COPY ... FROM STDIN (FORMAT BINARY)` reads, of rows that have a value or None for each column."""
    parts = [_HEADER]
    for row in rows:
        parts.append(struct.pack(">h", len(row)))
        for value in row:
            parts += (_NULL,) if value is None else (struct.pack(">i", len(value)), value)
    return b"".join((*parts, _END))


def integer(value: int | None) -> bytes | None:
    """A value of the type `integer`."""
    return None if value is None else struct.pack(">i", value)


def jsonb(value: bytes) -> bytes:
    """A value of the type `jsonb`, of JSON."""
    return b"\x01" + value


def vector(numbers: NDArray[np.float32]) -> bytes:
    """A value of the type `vector`."""
    return struct.pack(">hh", numbers.size, 0) + numbers.astype(">f4").tobytes()


def halfvec(numbers: NDArray[np.float32]) -> bytes:
    """A value of the type `halfvec`."""
    return struct.pack(">hh", numbers.size, 0) + numbers.astype(">f2").tobytes()


def bits(numbers: NDArray[np.float32]) -> bytes:
    """A value of the type `bit`, of signed bytes that hold eight of them each."""
    return struct.pack(">i", numbers.size * 8) + numbers.astype(np.int8).tobytes()
