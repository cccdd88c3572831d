"""Vectors as they came, JSON or base64 of floats, to matrices of 32-bit numbers and to exact JSON."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from inferpoint.model.vectors import is_packed

_FEWEST, _MOST = 6, 9  # digits that a 32-bit float may need for its shortest decimal, and those that always suffice
_EXACT = 22  # the largest power of ten that a 64-bit float holds exactly
_TENS = np.array([float(f"1e{power}") for power in range(_EXACT + 1)])
_AT_ONCE = 64  # vectors, whose numbers stay in the processor's cache
_BLANKS = b" \t\r\n"


def length(vector: msgspec.Raw) -> int:
    """How many numbers a vector holds."""
    if is_packed(vector):
        return (len(vector) - 2) * 3 // 16  # of what fills the last four characters up there is less than a number
    text = bytes(vector)
    return text.count(b",") + 1 if text[1:-1].strip() else 0


def numbers(vector: msgspec.Raw) -> NDArray[np.float32]:
    """A vector as 32-bit floats."""
    return np.frombuffer(_floats(vector), "<f4")


def matrix(vectors: Sequence[msgspec.Raw], wide: int) -> NDArray[np.float32]:
    """Vectors of *wide* numbers, a row each."""
    return np.frombuffer(b"".join(map(_floats, vectors)), "<f4").reshape(len(vectors), wide)


def _floats(vector: msgspec.Raw) -> bytes:
    if is_packed(vector):
        return binascii.a2b_base64(memoryview(vector)[1:-1])
    return np.array(msgspec.json.decode(vector, type=list[float]), "<f4").tobytes()


def as_json(vectors: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
    """Vectors as JSON in one line: numbers as they were written, floats with as few digits as bring them back."""
    written: list[msgspec.Raw] = []
    for begin in range(0, len(vectors), _AT_ONCE):
        several = vectors[begin : begin + _AT_ONCE]
        floats = [numbers(vector) for vector in several if bytes(vector).startswith(b'"')]
        shortest = iter(_shortest(floats) if floats else ())
        for vector in several:
            text = bytes(vector)
            one_line = msgspec.json.encode(next(shortest)) if text.startswith(b'"') else text.translate(None, _BLANKS)
            written.append(msgspec.Raw(one_line))
    return written


def _shortest(vectors: Sequence[NDArray[np.float32]]) -> list[list[float]]:
    """64-bit floats that have the shortest decimals of the 32-bit ones."""
    wanted = np.concatenate(vectors)
    exact = wanted.astype(np.float64)
    with np.errstate(divide="ignore"):
        magnitude = np.log10(np.abs(exact))
    # Divided by a power of ten that a float holds, a whole number becomes the float that is nearest to the decimal.
    usual = (magnitude > _MOST - 1 - _EXACT) & (magnitude < _MOST)
    scale = _TENS[np.where(usual, _MOST - 1 - np.floor(magnitude), 0).astype(np.int64)]
    shortest = exact.copy()
    for dropped in _TENS[: _MOST - _FEWEST + 1]:
        rounded = np.rint(exact * scale / dropped) * dropped / scale
        same = rounded.astype(np.float32) == wanted
        shortest[same] = rounded[same]
    for place in np.flatnonzero(~usual & np.isfinite(exact) & (exact != 0)):
        shortest[place] = float(str(wanted[place]))
    ends = np.cumsum([vector.size for vector in vectors])[:-1]
    return [part.tolist() for part in np.split(shortest, ends)]
