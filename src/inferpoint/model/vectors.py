"""A dense vector as JSON text: a list of numbers or, *packed*, base64 of its little-endian 32-bit floats."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import parse, unreadable

_OF = "embeddings"


def is_packed(vector: Any) -> bool:
    """Whether the JSON text *vector* is base64 and not a list."""
    return memoryview(vector)[0] == ord('"')


def numbers(vector: Any) -> Sequence[float]:
    """The numbers of a vector in either form; `UNREADABLE` when one has no place in a float."""
    text = bytes(vector)
    if not is_packed(text):
        return parse(text, list[float], of=_OF)
    try:
        data = binascii.a2b_base64(text[1:-1], strict_mode=True)
        return struct.unpack(f"<{len(data) // 4}f", data)
    except (ValueError, struct.error):
        raise unreadable(_OF, "one is not base64 of 32-bit floats") from None


def length(vector: Any) -> int:
    """How many numbers a vector in either form holds."""
    text = bytes(vector)
    if not is_packed(text):
        return text.count(b",") + 1
    return (len(text) - 2) * 3 // 4 // 4  # of what fills the last four characters up there is less than a number


def written(floats: Iterable[float]) -> msgspec.Raw:
    """32-bit numbers as a list with the nine digits that bring each back exactly."""
    return msgspec.Raw(("[" + ",".join(f"{number:.9g}" for number in floats) + "]").encode())


def listed(vector: Any) -> Any:
    """A vector in either form as a list of numbers."""
    return written(numbers(vector)) if is_packed(vector) else vector


def packed(vector: Any) -> Any:
    """A vector in either form as base64; `UNREADABLE` when 32 bits do not hold one of its numbers."""
    if is_packed(vector):
        return vector
    floats = numbers(vector)
    try:
        data = struct.pack(f"<{len(floats)}f", *floats)
    except OverflowError:
        raise InferenceError(Kind.UNREADABLE, "An embedding has a number that 32 bits do not hold") from None
    return msgspec.Raw(b'"' + binascii.b2a_base64(data, newline=False) + b'"')
